import pytest
import torch
from separable_samples import TEXT, SeparableSamples, make_config

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.class_weights import class_weights
from clip2scene_core.training.pretrain.prepare import prepare_distillation


@pytest.mark.parametrize(("power", "ratio"), [(0.5, 2.0), (0.25, 2.0**0.5), (1.0, 4.0)])
def test_rare_classes_weigh_more_and_absent_ones_nothing(power, ratio):
    class Uneven(SeparableSamples):
        def __getitem__(self, key):
            sample, _ = super().__getitem__(key)
            labels = torch.zeros(len(sample.point_index), dtype=torch.int64)
            labels[: len(labels) // 5] = 2
            return sample, TEXT[labels]

    weights = class_weights(Uneven(1), TEXT, power)
    assert weights[1] == 0
    assert weights[2] / weights[0] == pytest.approx(ratio)
    assert (weights[0] + weights[2]) / 2 == pytest.approx(1.0)


@pytest.mark.parametrize(("semantic", "weighs"), [("cross_entropy", True), ("bounded_eq1", False)])
def test_only_the_cross_entropy_weighs_classes(
    tmp_path, tiny_nuscenes, tiny_clip, semantic, weighs
):
    config = make_config(tiny_clip, f"losses.semantic={semantic}", "losses.class_balance=true")
    data = prepare_distillation(
        NuScenesDataset(tiny_nuscenes), config, tmp_path, make_fabric(config)
    )
    assert (data.class_weights is not None) == weighs


def test_another_power_is_not_taken_from_the_cache(tmp_path, tiny_nuscenes, tiny_clip):
    weights = []
    for power in (0.5, 0.25, 0.5):
        config = make_config(tiny_clip, f"losses.class_balance_power={power}")
        dataset = NuScenesDataset(tiny_nuscenes)
        data = prepare_distillation(dataset, config, tmp_path, make_fabric(config))
        occurs = data.class_weights > 0
        weights.append(data.class_weights[occurs])
    strong, weak, again = weights
    assert torch.equal(strong, again)
    torch.testing.assert_close(strong**0.5 / (strong**0.5).mean(), weak)
