"""Pseudo labels by the student."""

import pytest
import torch

from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.training.pretrain.pseudo_labels import draw_switches, student_pseudo_labels

PROBABILITIES = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.4, 0.3], [0.05, 0.35, 0.6]])
WEIGHTS = torch.tensor([0.2, 1.0, 3.0])


def learned(weights):
    """Logits of a student that a loss of these weights has taught PROBABILITIES."""
    weighted = PROBABILITIES * weights
    return (weighted / weighted.sum(dim=1, keepdim=True)).log()


def test_what_a_weighted_loss_taught_is_named_as_if_classes_had_counted_alike():
    classes, probabilities = student_pseudo_labels(learned(WEIGHTS), torch.eye(3), 1.0, WEIGHTS)
    assert classes.tolist() == [0, 1, 2]
    torch.testing.assert_close(probabilities, torch.tensor([0.7, 0.4, 0.6]))
    leaning, _ = student_pseudo_labels(learned(WEIGHTS), torch.eye(3), 1.0)
    assert leaning.tolist() == [2, 2, 2]


def test_equal_weights_change_nothing():
    logits = learned(torch.ones(3))
    for weights in (None, torch.ones(3)):
        classes, probabilities = student_pseudo_labels(logits, torch.eye(3), 1.0, weights)
        assert classes.tolist() == [0, 1, 2]
        torch.testing.assert_close(probabilities, torch.tensor([0.7, 0.4, 0.6]))


def test_a_class_of_weight_zero_is_never_named():
    weights = torch.tensor([1.0, 0.0, 1.0])
    classes, probabilities = student_pseudo_labels(
        learned(torch.ones(3)), torch.eye(3), 1.0, weights
    )
    assert 1 not in classes.tolist()
    torch.testing.assert_close(probabilities, torch.tensor([0.875, 0.5, 0.6 / 0.65]))


@pytest.mark.parametrize("granularity", ["batch", "sample", "point"])
def test_labels_are_switched_together_or_one_by_one(granularity):
    config = SwitchingConfig(granularity=granularity, probability=0.5)
    sample_index = torch.arange(40) // 10
    drawn = [
        draw_switches(sample_index, config, torch.Generator().manual_seed(seed))
        for seed in range(50)
    ]
    assert torch.stack(drawn).float().mean() == pytest.approx(0.5, abs=0.15)
    groups = {"batch": (1, 40), "sample": (4, 10), "point": (40, 1)}[granularity]
    values = {tuple(labels.float().reshape(groups).mean(dim=1).tolist()) for labels in drawn}
    assert {value for labels in values for value in labels} == {0.0, 1.0}  # whole groups only
    assert len(values) > min(groups[0], 8)  # and groups by themselves
