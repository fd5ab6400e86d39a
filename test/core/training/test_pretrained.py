import hashlib
from dataclasses import replace

import pytest
import torch
from separable_samples import make_config

from clip2scene_core.checkpoint import Trunk, load_checkpoint, save_checkpoint, save_trunk
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import InputConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.prompts.text_encoder import TextEncoder, is_taught_by
from clip2scene_core.training.pretrain.run import pretrain
from clip2scene_core.training.pretrained import (
    check_fit,
    keep_fitting_heads,
    load_pretrained,
    make_student,
)

CPU = torch.device("cpu")


@pytest.fixture
def student_file(tmp_path, tiny_checkpoint):
    path = tmp_path / "start.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    return path


@pytest.fixture
def config(tiny_checkpoint, tiny_clip):
    return replace(
        make_config(tiny_clip, "training.epochs=1"), network=tiny_checkpoint.config.network
    )


def fresh(config, start=None):
    torch.manual_seed(5)
    return make_student(config.network, 16, start).state_dict()


def test_a_student_begins_with_all_weights_or_with_the_trunks(student_file, config):
    start = load_pretrained(str(student_file))
    theirs, random = start.student.student.state_dict(), fresh(config)
    whole, without_heads = fresh(config, start), fresh(config, replace(start, student=None))
    assert set(whole) == set(theirs)
    for key, value in theirs.items():
        assert torch.equal(whole[key], value), key
        expected = value if key.startswith("network.") else random[key]
        assert torch.equal(without_heads[key], expected), key
    heads = [key for key in theirs if not key.startswith("network.")]
    assert len(heads) == 4
    assert not torch.equal(random["semantic_head.weight"], theirs["semantic_head.weight"])


def test_a_network_without_words_gives_its_trunk(tmp_path, tiny_checkpoint, config, caplog):
    path = tmp_path / "trunk.safetensors"
    trunk = tiny_checkpoint.trunk
    save_trunk(path, Trunk(trunk.network, trunk.config, trunk.input, (), {}))
    start = keep_fitting_heads(load_pretrained(str(path)), "small", CPU)
    assert start.student is None
    assert "has no heads" in caplog.text
    begun = fresh(config, start)
    for key, value in trunk.network.state_dict().items():
        assert torch.equal(begun[f"network.{key}"], value), key


def test_all_differences_are_named(tiny_checkpoint):
    network = replace(
        tiny_checkpoint.config.network, voxel_size_m=0.1, features=("intensity", "height")
    )
    with pytest.raises(ValueError, match="does not fit the student") as raised:
        check_fit(network, InputConfig(level=True, intensity="rank"), tiny_checkpoint.trunk)
    for said in (
        "network.voxel_size_m is 0.1, of the student 0.5",
        "network.features is ['intensity', 'height'], of the student ['intensity']",
        "input.level is True, of the student False",
        "input.intensity is rank, of the student raw",
        "leave these keys out of the configuration",
    ):
        assert said in str(raised.value)
    assert "width" not in str(raised.value)
    check_fit(tiny_checkpoint.config.network, InputConfig(), tiny_checkpoint.trunk)


def test_heads_are_kept_only_in_the_space_of_their_clip(tiny_checkpoint, tiny_clip, caplog):
    own, other = load_pretrained("small"), TextEncoder(f"small:{tiny_clip}").clip
    assert keep_fitting_heads(own, "small", CPU) is own
    assert caplog.text == ""
    # Another size, then the same size with texts elsewhere.
    moved = keep_fitting_heads(own, f"small:{tiny_clip}", CPU)
    assert (moved.student, moved.trunk) == (None, own.trunk)
    assert "did not teach small, whose heads therefore begin with random weights" in caplog.text
    assert tiny_checkpoint.vocabulary.embeddings.shape[1] == other.embedding_size
    assert not is_taught_by(tiny_checkpoint.vocabulary, other)


def test_a_clip_that_lacks_the_word_did_not_teach_it(tiny_checkpoint, tiny_clip):
    words = replace(tiny_checkpoint.vocabulary, prompts=("zeppelin", "road", "tree"))
    assert not is_taught_by(words, TextEncoder(f"small:{tiny_clip}").clip)


def test_the_checkpoint_says_what_it_began_with(
    tmp_path, tiny_nuscenes, student_file, config, tiny_clip
):
    dataset, first = NuScenesDataset(tiny_nuscenes), load_pretrained(str(student_file))
    out = pretrain(dataset, config, tmp_path / "a.safetensors", start=first)
    checkpoint = load_checkpoint(out)
    sha256 = hashlib.sha256(student_file.read_bytes()).hexdigest()
    said = {"weights": str(student_file), "sha256": sha256, "heads": "random"}
    assert checkpoint.record["from"] == said
    assert checkpoint.scene_tokens == ("a", "b", "scene-a")
    # The CLIP is now the same, so a third training keeps the heads, and other words do no harm.
    renamed = override(config, ["classes=[tree, car]", "prompts=[tree, car]"])
    second = load_pretrained(str(out))
    again = load_checkpoint(pretrain(dataset, renamed, tmp_path / "b.safetensors", start=second))
    assert again.record["from"]["heads"] == "kept"
    assert again.vocabulary.names == ("tree", "car")
    scratch = load_checkpoint(pretrain(dataset, config, tmp_path / "c.safetensors"))
    assert scratch.record["from"] == "scratch"


def test_a_run_goes_on_only_with_what_it_began_with(tmp_path, tiny_nuscenes, student_file, config):
    dataset, out = NuScenesDataset(tiny_nuscenes), tmp_path / "a.safetensors"
    start = load_pretrained(str(student_file))
    unbroken = pretrain(dataset, config, tmp_path / "whole.safetensors", start=start)

    def interrupt(step) -> None:
        if step.step == 1:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        pretrain(dataset, config, out, save_every=1, report=interrupt, start=start)
    for other in (None, load_pretrained(str(unbroken))):
        with pytest.raises(ValueError, match="a run with other weights to begin with"):
            pretrain(dataset, config, out, start=other)
    resumed = load_checkpoint(pretrain(dataset, config, out, start=start)).student.state_dict()
    for key, value in load_checkpoint(unbroken).student.state_dict().items():
        assert torch.equal(resumed[key], value), key


def test_a_start_that_does_not_fit_is_refused_before_the_teacher(
    tmp_path, tiny_nuscenes, student_file, config
):
    wide = override(config, ["network.width=0.25"])
    with pytest.raises(ValueError, match=r"network.width is 0.25, of the student 0.125"):
        pretrain(
            NuScenesDataset(tiny_nuscenes),
            wide,
            tmp_path / "a.safetensors",
            report_teacher=lambda done, total: pytest.fail("the teacher was asked"),
            start=load_pretrained(str(student_file)),
        )
