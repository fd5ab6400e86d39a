"""The relief: rays meet its height, kerbs have faces, and a flat plan stays flat."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout import relief
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.places import STYLES
from clip2scene_core.world.layout.relief import (
    height_at,
    relief_at,
    slopes_at,
    terrain_hit,
)
from clip2scene_core.world.layout.road import KERB_HEIGHT_M, PAVING, ground_hit, surface_at
from clip2scene_core.world.layout.terrain import with_relief


@pytest.fixture(scope="module", params=STYLES)
def plan(request) -> np.ndarray:
    road = build_scene(4, 3, 2.0).road
    return with_relief(road, 20.0, STYLES[request.param], np.random.default_rng(6))


def draw_rays(plan, count=600):
    rng = np.random.default_rng(0)
    for _ in range(count):
        x, y = rng.uniform(-20, 40), rng.uniform(-15, 15)
        z = height_at(plan, x, y) + rng.uniform(0.4, 2.5)
        azimuth, tilt = rng.uniform(-math.pi, math.pi), math.radians(rng.uniform(-35, 3))
        flat = math.cos(tilt)
        yield x, y, z, flat * math.cos(azimuth), flat * math.sin(azimuth), math.sin(tilt)


def test_hits_lie_on_the_height_of_the_ground(plan):
    count = 0
    for ray in draw_rays(plan):
        t, is_kerb, surface = terrain_hit(plan, *ray, 100.0)
        if t == 0:
            continue
        x, y, z = (ray[i] + t * ray[i + 3] for i in range(3))
        assert surface == surface_at(plan, x, y)[0]
        below = z - height_at(plan, x, y)
        if is_kerb:
            assert -plan[relief.KERB_HIGHEST] - 0.01 < below < 0
            assert surface >= PAVING
        else:
            assert abs(below) < 0.01
        count += 1
    assert count > 300


def test_no_ground_is_stepped_over(plan):
    """Dense samples of each ray before its hit are above the ground, but for grazed crests."""
    missed = 0
    for ray in draw_rays(plan, 150):
        t = terrain_hit(plan, *ray, 60.0)[0] or 60.0
        samples = np.linspace(0.0, t - 0.02, 1500)
        depths = [
            height_at(plan, ray[0] + s * ray[3], ray[1] + s * ray[4]) - (ray[2] + s * ray[5])
            for s in samples.tolist()
        ]
        missed += max(depths) > 0.03
    assert missed <= 1


def test_the_slope_is_that_of_the_height(plan):
    for x, y in ((3.2, 7.7), (11.4, -9.3), (-5.0, 21.0)):
        step = relief.CELL_M
        rise = (relief_at(plan, x + step, y) - relief_at(plan, x - step, y)) / (2 * step)
        assert slopes_at(plan, x, y)[0] == pytest.approx(rise)


def test_a_start_before_the_hit_does_not_change_it(plan):
    for ray in draw_rays(plan, 100):
        t = terrain_hit(plan, *ray, 80.0)[0]
        if t > 0:
            assert terrain_hit(plan, *ray, 80.0, 0.8 * t)[0] == pytest.approx(t, abs=0.02)


def test_a_flat_plan_has_the_hits_of_the_flat_road():
    plan = build_scene(4, 3, 2.0).plan
    assert len(plan) == relief.FLAT_SIZE
    for ray in draw_rays(plan, 100):
        assert terrain_hit(plan, *ray, 1e9) == ground_hit(plan, *ray)
    assert relief_at(plan, 3.0, 4.0) == 0.0
    assert slopes_at(plan, 3.0, 4.0) == (0.0, 0.0)
    heights = {height_at(plan, 5.0, y) for y in np.linspace(-30, 30, 200).tolist()}
    assert heights == {0.0, KERB_HEIGHT_M}


def test_roads_have_grades_that_cars_can_climb():
    road = build_scene(4, 3, 2.0).road
    steepest = []
    for seed in range(8):
        plan = with_relief(road, 20.0, STYLES["street"], np.random.default_rng(seed))
        slopes = [slopes_at(plan, x, -3.0)[0] for x in np.linspace(0, 20, 40).tolist()]
        steepest.append(np.abs(np.convolve(slopes, np.ones(10) / 10, "valid")).max())
    assert 0.01 < np.median(steepest) < 0.1
    assert max(steepest) < 0.16
