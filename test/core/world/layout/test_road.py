from __future__ import annotations

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout.road import (
    ASPHALT,
    KERB_HEIGHT_M,
    PAVING,
    Road,
    Side,
    ground_hit,
    road_coordinates,
    road_pose,
    surface_at,
)


def straight_road() -> Road:
    side = Side(0.0, 0.0, 2.0, ASPHALT, PAVING, PAVING)
    return Road(0.0, 0.0, 3.5, 1, side, side, PAVING, 1e9, 4.0, 1)


@pytest.mark.parametrize("curvature", [0.0, 1 / 120, -1 / 150])
def test_road_coordinates_invert_the_road_pose(curvature):
    for s, d in [(0.0, 0.0), (40.0, 6.0), (75.0, -9.0), (-30.0, 2.5)]:
        x, y, _ = road_pose(curvature, s, d)
        assert road_coordinates(curvature, x, y) == pytest.approx((s, d), abs=1e-9)


def test_ground_right_of_the_lane_is_sidewalk():
    plan = straight_road().as_array()
    assert surface_at(plan, 10.0, -3.4)[0] == ASPHALT
    assert surface_at(plan, 10.0, -3.6)[0] == PAVING


def test_ray_meets_the_face_of_a_kerb():
    plan = straight_road().as_array()
    # From 1 m above the lane's middle towards the kerb at y = 3.5: above it at the top's height,
    # but below that height at the road's.
    slope = -(1.0 - 0.07) / 3.5
    t, is_kerb, surface = ground_hit(plan, 0.0, 0.0, 1.0, 0.0, 1.0, slope)
    assert is_kerb
    assert surface == PAVING
    assert t == pytest.approx(3.5, abs=0.02)


def test_ray_meets_the_top_of_the_sidewalk():
    plan = straight_road().as_array()
    t, is_kerb, _ = ground_hit(plan, 0.0, 5.0, 2.0, 0.0, 0.0, -1.0)
    assert not is_kerb
    assert t == pytest.approx(2.0 - KERB_HEIGHT_M)
