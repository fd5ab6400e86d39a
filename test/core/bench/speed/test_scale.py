"""Growth: exponents of known laws, and clouds that are as dense at each size."""

import numpy as np
import pytest

from clip2scene_core.bench.speed.scale import ScalePlan, cloud_of, fit_exponent, measure_scale


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_exponent_of_a_power_law(exponent):
    sizes = [10.0, 100.0, 1000.0]
    assert fit_exponent(sizes, [3 * size**exponent for size in sizes]) == pytest.approx(exponent)


def test_clouds_have_the_size_differ_and_lie_side_by_side(some_source):
    pool = some_source.read(4)
    for size in (50, 300, 900):
        cloud = cloud_of(pool, size, 0)
        assert cloud.shape == (size, 4)
        assert not np.array_equal(cloud, cloud_of(pool, size, 1))
        tiles = np.unique(np.round(cloud[:, :2] / 250), axis=0)
        assert len(tiles) == len({*np.floor(np.arange(size) / 301).tolist()})
    whole = cloud_of(pool, 300, 0)[:, :3]
    assert np.array_equal(np.sort(whole, axis=0), np.sort(pool[0].points[:, :3], axis=0))


def test_all_quantities_grow(some_source):
    plan = ScalePlan(
        (50, 400), (800, 400), (2, 4), (1, 3), (1, 2), (1, 2), (1, 2), repeats=1, warm_up=0, pool=3
    )
    result = measure_scale(some_source, "small", plan)
    assert [one.quantity for one in result.growths] == [
        "points", "voxels", "channels", "prompts", "new prompts", "sweeps", "sweeps at once",
    ]  # fmt: skip
    voxels = next(one for one in result.growths if one.quantity == "voxels")
    assert voxels.sizes[0] < voxels.sizes[1] <= 320
    assert all(np.isfinite(one.exponent) for one in result.growths)
