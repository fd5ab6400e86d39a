"""Prompts of the node when its parameters ask for none."""

import torch

from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_ros.node.parameters.options import asked_prompt_set, base_prompt_set
from clip2scene_ros.node.parameters.table import NodeParameters


def test_labels_of_several_texts_stay_labels_of_these_texts():
    own = make_vocabulary(
        ["car | van", "road"], torch.eye(3), ["vehicle", "flat"], (("car", "van"), ("road",))
    )
    values = NodeParameters()
    asked = asked_prompt_set(values, base_prompt_set(values, own))
    assert asked.labels() == [("vehicle", ("car", "van")), ("flat", ("road",))]


def test_labels_of_one_text_are_their_prompts():
    own = make_vocabulary(["car", "road"], torch.eye(2), ["vehicle", "flat"])
    base = base_prompt_set(NodeParameters(), own)
    assert (base.prompts, base.names, base.groups) == (("car", "road"), ("vehicle", "flat"), ())
