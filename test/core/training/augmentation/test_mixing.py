import numpy as np
import pytest
import torch
from small_clouds import make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.mixing import mix_clouds

SWEEP = torch.from_numpy(make_sweep(1, 360))


def mix(kind: str, num_clouds: int, seed: int, probability: float = 1.0):
    """The new cloud of each point, (num_clouds, 360) int64; the rows are the old clouds."""
    config = SensorAugmentationConfig(mix=kind, mix_probability=probability)
    batch_index = torch.arange(num_clouds).repeat_interleave(len(SWEEP))
    generator = torch.Generator().manual_seed(seed)
    mixed = mix_clouds(SWEEP.repeat(num_clouds, 1), batch_index, config, generator)
    assert batch_index.equal(torch.arange(num_clouds).repeat_interleave(len(SWEEP)))
    return mixed.reshape(num_clouds, -1)


def test_mix3d_makes_one_cloud_of_two():
    partners = set()
    for seed in range(30):
        mixed = mix("mix3d", 5, seed)
        assert (mixed == mixed[:, :1]).all()  # no cloud is torn apart
        counts = torch.bincount(mixed[:, 0], minlength=5)
        assert sorted(counts.tolist()) == [0, 0, 1, 2, 2]
        partners |= {tuple(np.flatnonzero(mixed[:, 0] == cloud)) for cloud in range(5)}
    assert len([pair for pair in partners if len(pair) == 2]) > 7  # of 10


def test_polarmix_swaps_a_sector():
    widths_deg = []
    for seed in range(30):
        mixed = mix("polarmix", 2, seed)
        is_swapped = mixed[0] == 1
        assert is_swapped.equal(mixed[1] == 0)  # the same sector of both
        assert int((is_swapped != is_swapped.roll(1)).sum()) == 2
        widths_deg.append(int(is_swapped.sum()))
    assert 59 <= min(widths_deg) < 90
    assert 150 < max(widths_deg) <= 181


@pytest.mark.parametrize("kind", ["mix3d", "polarmix"])
def test_mixes_happen_by_their_probability_and_repeat(kind):
    apart = torch.arange(2)[:, None].expand(2, len(SWEEP))
    hits = [not mix(kind, 2, seed, 0.3).equal(apart) for seed in range(200)]
    assert 0.2 < np.mean(hits) < 0.4
    assert mix(kind, 4, 7).equal(mix(kind, 4, 7))
    assert mix(kind, 1, 0).eq(0).all()  # nothing to mix with


def test_without_a_mix_nothing_is_drawn():
    generator = torch.Generator().manual_seed(0)
    batch_index = torch.zeros(3, dtype=torch.int64)
    config = SensorAugmentationConfig(mix_probability=1.0)
    assert mix_clouds(torch.ones(3, 4), batch_index, config, generator) is batch_index
    assert torch.rand((), generator=generator) == torch.rand(
        (), generator=torch.Generator().manual_seed(0)
    )
