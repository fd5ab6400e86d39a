from __future__ import annotations

import torch

from clip2scene_core.checkpoint import SMALL_STUDENT, load_checkpoint
from clip2scene_core.prompts.prompt_set import PromptSet
from clip2scene_core.prompts.text_encoder import TextEncoder
from clip2scene_ros.cli.main import main
from clip2scene_ros.node.parameters.options import make_segmenter
from clip2scene_ros.node.parameters.table import NodeParameters

NEW = ("red car", "person")


def test_the_command_writes_what_the_node_takes(tmp_path, capsys):
    path = tmp_path / "robot.npz"
    assert main(["words", "--prompts", *NEW, "--template", "a {}", "--out", str(path)]) == 0
    assert "name it in the parameter text_embeddings" in capsys.readouterr().out
    taught_with = load_checkpoint(SMALL_STUDENT).vocabulary
    expected = TextEncoder("small", taught_with=taught_with)(NEW, "a {}")
    segmenter = make_segmenter(NodeParameters(text_embeddings=str(path)))
    encoded = segmenter.encode(PromptSet(NEW, template="a {}"))
    torch.testing.assert_close(encoded.vocabulary.embeddings, expected)
