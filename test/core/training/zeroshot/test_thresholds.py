import torch

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.zeroshot.thresholds import ClassThresholds


def test_every_class_keeps_the_same_share():
    thresholds = ClassThresholds(3, keep=0.25, decay=0.5, fabric=make_fabric(PretrainConfig()))
    classes = torch.tensor([0] * 100 + [2] * 20)
    confidences = torch.cat([torch.linspace(0.5, 1, 100), torch.linspace(0.1, 0.2, 20)])
    thresholds.update(classes, confidences)
    is_kept = thresholds.keep(classes, confidences)
    assert is_kept[:100].sum() == 25
    assert is_kept[100:].sum() == 5  # though no point of class 2 is as sure as any of class 0
    assert is_kept[:100].tolist() == sorted(is_kept[:100].tolist())
    assert not thresholds.keep(torch.tensor([1]), torch.tensor([1.0]))  # never seen so far


def test_thresholds_are_moving_averages():
    thresholds = ClassThresholds(2, keep=0.5, decay=0.9, fabric=make_fabric(PretrainConfig()))
    thresholds.update(torch.tensor([0, 0, 0]), torch.tensor([0.2, 0.4, 0.9]))
    torch.testing.assert_close(thresholds.values[0], torch.tensor(0.4))
    thresholds.update(torch.tensor([0, 1]), torch.tensor([0.8, 0.3]))
    torch.testing.assert_close(thresholds.values, torch.tensor([0.9 * 0.4 + 0.1 * 0.8, 0.3]))
    thresholds.update(torch.tensor([], dtype=torch.int64), torch.tensor([]))
    torch.testing.assert_close(thresholds.values, torch.tensor([0.44, 0.3]))
