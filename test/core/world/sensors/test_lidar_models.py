"""The table of LiDARs, and the rays that they send out."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.sensors.lidar_models import (
    LIDAR_MODELS,
    MODEL_NAMES,
    NUSCENES,
    lidar_model,
)
from clip2scene_core.world.sensors.lidar_rays import rays_of

BEAMS = {
    "nuscenes": (32, -30.67, 10.67), "VLP-16": (16, -15, 15), "HDL-32E": (32, -30.67, 10.67),
    "HDL-64E": (64, -24.33, 2.0), "OS0-64": (64, -45, 45), "OS0-128": (128, -45, 45),
    "OS1-64": (64, -22.5, 22.5), "OS1-128": (128, -22.5, 22.5), "Pandar40P": (40, -25, 15),
    "Pandar64": (64, -25, 15), "XT32": (32, -16, 15), "Avia": (1, -38.6, 38.6),
    "Mid-360": (1, -7, 52), "RS-M1": (126, -12.5, 12.5),
}  # fmt: skip


@pytest.mark.parametrize("model", LIDAR_MODELS, ids=lambda model: model.name)
def test_rays_fill_the_field_of_view_of_the_model(model):
    num_rings, lowest, highest = BEAMS[model.name]
    assert model.num_rings == num_rings
    assert (np.diff(model.elevations_deg) > 0).all()
    num_columns = model.columns_within(38_000)
    assert num_rings * num_columns <= 38_000
    rays = rays_of(model, num_columns, seconds=0.3)
    x, y, z = np.moveaxis(rays.directions, -1, 0)
    np.testing.assert_allclose(x * x + y * y + z * z, 1.0)
    elevation = np.degrees(np.arcsin(z))
    assert elevation.min() == pytest.approx(lowest, abs=0.6)
    assert elevation.max() == pytest.approx(highest, abs=0.6)
    azimuth = np.degrees(np.arctan2(x, y))
    half = model.sector_deg / 2
    assert np.abs(azimuth).max() <= half + 1e-6
    assert np.abs(azimuth).max() > half - 1.0
    assert rays.rings.max() == num_rings - 1


@pytest.mark.parametrize("name", ["VLP-16", "RS-M1", "Avia", "Mid-360"])
def test_a_ray_is_within_the_bounds_of_its_column_and_row(name):
    model = lidar_model(name)
    rays = rays_of(model, model.columns_within(10_000), seconds=1.7)
    x, y, z = np.moveaxis(rays.directions, -1, 0)
    turn = (np.pi - np.arctan2(y, x)) % (2 * np.pi)
    off = (turn - rays.turns + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(off).max() <= rays.half_width
    assert (np.diff(rays.turns) >= 0).all()
    elevation = np.arcsin(z)
    assert (elevation >= rays.elevations[:, :1] - 1e-9).all()
    assert (elevation <= rays.elevations[:, 1:] + 1e-9).all()


def test_blocks_of_beams_are_as_uneven_as_the_real_ones():
    steps = np.diff(lidar_model("HDL-64E").elevations_deg)
    np.testing.assert_allclose(steps[:31], 0.5)
    np.testing.assert_allclose(steps[32:], 1 / 3)
    dense = np.array(lidar_model("Pandar40P").elevations_deg)
    assert ((dense >= -6.01) & (dense <= 2.01)).sum() == 25


def test_a_pattern_does_not_repeat_and_a_grid_does():
    pattern = lidar_model("Avia")
    one, other = (rays_of(pattern, 6000, seconds).directions for seconds in (0.0, 0.1))
    assert np.abs(one - other).max() > 0.01
    one, other = (rays_of(NUSCENES, 100, seconds).directions for seconds in (0.0, 0.1))
    np.testing.assert_array_equal(one, other)


def test_an_unknown_model_is_refused_with_the_names():
    assert len(set(MODEL_NAMES)) == len(MODEL_NAMES)
    with pytest.raises(ValueError, match=r"no LiDAR model 'VLP-17'.*VLP-16"):
        lidar_model("VLP-17")
