import numpy as np
import pytest
import torch
from separable_clouds import NAMES, SeparableClouds, make_config

from clip2scene_core.checkpoint import FinetunedCheckpoint
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.run import make_classifier
from clip2scene_core.training.finetune.trainer import FinetuneTrainer


def train(config: FinetuneConfig, after_step=lambda step: None) -> Classifier:
    classifier = make_classifier(config, None)
    FinetuneTrainer(SeparableClouds(), classifier, config, make_fabric(config)).train(after_step)
    return classifier


def moved_by_one_step(head_rate: float, trunk_rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the first step moves the head and the first weights of the trunk."""
    config = make_config(
        f"head.learning_rate={head_rate}", f"training.learning_rate={trunk_rate}",
        "training.epochs=1", "training.batch_size=2", "training.weight_decay=0",
    )  # fmt: skip
    before, after = make_classifier(config, None), train(config)
    trunks = [next(iter(classifier.network.parameters())) for classifier in (before, after)]
    return after.head.weight - before.head.weight, trunks[1] - trunks[0]


def test_each_learning_rate_reaches_its_own_part():
    head, trunk = moved_by_one_step(0.01, 0.02)
    assert min(head.abs().max(), trunk.abs().max()) > 1e-6
    other_head, other_trunk = moved_by_one_step(0.05, 0.02)
    torch.testing.assert_close(other_head, 5 * head, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(other_trunk, trunk)
    other_head, other_trunk = moved_by_one_step(0.01, 0.1)
    torch.testing.assert_close(other_head, head)
    torch.testing.assert_close(other_trunk, 5 * trunk, rtol=1e-3, atol=1e-6)


def test_both_rates_fall_along_the_schedule():
    steps = []
    train(make_config("head.learning_rate=2.0", "training.learning_rate=0.02"), steps.append)
    shares = [1, 1, 0.75, 0.75, 0.25, 0.25]  # half a cosine over three epochs of two steps
    np.testing.assert_allclose([step.head_learning_rate for step in steps], np.multiply(2, shares))
    np.testing.assert_allclose([step.learning_rate for step in steps], np.multiply(0.02, shares))
    assert {step.num_labelled for step in steps} == {108}


def test_a_linear_probe_leaves_the_trunk_and_its_statistics_alone():
    config = make_config("head.linear_probe=true", "head.learning_rate=0.1")
    before, steps = make_classifier(config, None), []
    after = train(config, steps.append)
    assert before.network.state_dict().keys() == after.network.state_dict().keys()
    for key, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[key], value), key
    assert not torch.equal(before.head.weight, after.head.weight)
    assert {step.learning_rate for step in steps} == {0.0}
    statistics = train(make_config()).network.state_dict()
    moved = [key for key, value in statistics.items() if key.endswith("running_mean")]
    assert any(not torch.equal(statistics[key], before.network.state_dict()[key]) for key in moved)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_classifier_learns_its_labels(accumulate):
    config = make_config(
        "training={epochs: 20, batch_size: 2, optimizer: adamw, learning_rate: 1e-2}",
        f"training.accumulate={accumulate}", "head.learning_rate=1e-2",
    )  # fmt: skip
    losses = []
    classifier = train(config, lambda step: losses.append(step.loss)).eval()
    assert losses[0] > 2.5  # ln 16 and most of a Lovász loss of 1
    assert losses[-1] < 1
    cloud = SeparableClouds()[0, 0]
    checkpoint = FinetunedCheckpoint(classifier, NAMES, config, (), {})
    predicted = ClassifierSegmenter(checkpoint).segment(cloud.points).labels
    assert (predicted == np.arange(120) % 3).mean() > 0.9
