"""Rays that meet boxes, balls and cones."""

from __future__ import annotations

import math

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import primitives_from

from clip2scene_core.world.primitives.parts import ELLIPSOID, PLAIN, Part, box, post
from clip2scene_core.world.render.raycast import cast_grid


def depth_along_x(part: Part, y: float = 0.0, z: float = 0.0) -> float:
    """Cast one ray from the origin's plane along +x; the depth of its hit, or 1000."""
    primitives = primitives_from([part])
    rays = np.zeros((6, 3))
    rays[0] = 0.0, y, z
    rays[3] = 1.0, 0.0, 0.0
    depth, hits = np.full((1, 1), 1000.0), np.full((1, 1), -1)
    cast_grid(primitives, np.array([0]), np.array([[0, 1, 0, 1]]), np.zeros(1), rays, depth, hits)
    return float(depth[0, 0])


def test_ray_meets_the_near_face_of_a_box():
    assert depth_along_x(box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1))) == pytest.approx(4.0)


def test_ray_past_a_box_goes_on():
    assert depth_along_x(box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1)), y=1.01) == 1000.0


def test_ray_meets_the_slope_of_a_tapered_box():
    # The back face (towards -x) leans from x = 4 at the bottom to x = 4.5 at the top.
    leaning = box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1), (0.0, 0.5, 0.0))
    assert depth_along_x(leaning, z=0.0) == pytest.approx(4.25)


def test_ray_meets_an_ellipsoid_at_its_half_axis():
    ball = Part(ELLIPSOID, (5, 0, 0), (1.5, 0.5, 0.5), PLAIN, (1, 1, 1))
    assert depth_along_x(ball) == pytest.approx(3.5)


def test_ray_meets_a_rotated_ellipsoid_at_its_other_half_axis():
    ball = Part(ELLIPSOID, (5, 0, 0), (1.5, 0.5, 0.5), PLAIN, (1, 1, 1), yaw=math.pi / 2)
    assert depth_along_x(ball) == pytest.approx(4.5)


def test_ray_meets_a_cone_where_it_has_shrunk():
    cone = post((5, 0, 0), 2.0, 1.0, PLAIN, (1, 1, 1), 1.0)
    assert depth_along_x(cone, z=1.0) == pytest.approx(4.5)
