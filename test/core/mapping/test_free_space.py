import numpy as np
import pytest
from walled_street import HEIGHT_M, WALL_M, street

from clip2scene_core.mapping.free_space import seen_through


def test_a_cube_before_a_wall_is_seen_through_and_the_wall_is_not():
    points = street(None)
    on_ray = points[np.argmin(np.linalg.norm(points - [0.0, WALL_M, 1.0], axis=1))]
    centers = np.stack([0.5 * on_ray, 0.95 * on_ray, on_ray, 1.1 * on_ray]).astype(np.float32)
    assert seen_through(points, centers, 0.2).tolist() == [True, True, False, False]


def test_road_that_rays_pass_closely_above_is_not_seen_through():
    points = street(None)
    x, y = np.meshgrid(np.arange(-40, 40, 0.2), np.arange(-40, 19, 0.2))
    road = np.stack([x.ravel(), y.ravel(), np.full(x.size, -HEIGHT_M)], axis=1)
    road = road[np.linalg.norm(road, axis=1) > 3].astype(np.float32)
    for height_m in (-0.1, 0.0, 0.1):  # where a voxel's centre may lie above what is in it
        centers = road + np.float32([0, 0, height_m])
        assert seen_through(points, centers, 0.2).mean() < 0.001
    assert seen_through(points, road + np.float32([0, 0, 1.0]), 0.2).mean() > 0.3


def test_where_nothing_was_measured_nothing_is_seen_through():
    sky = np.array([[5.0, 0.0, 8.0]], np.float32)
    assert not seen_through(street(None), sky, 0.2).any()
    assert not seen_through(np.zeros((0, 3), np.float32), sky, 0.2).any()
    assert seen_through(street(None), np.zeros((0, 3), np.float32), 0.2).shape == (0,)


@pytest.mark.parametrize("azimuth_deg", [0.0, 90.0, 179.9, -179.9])
def test_every_direction_is_alike(azimuth_deg):
    azimuth = np.radians(azimuth_deg + np.arange(-5, 5, 0.3))
    elevation = np.radians(np.arange(-5, 5, 1.0))[:, None]
    ball = np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ),
        axis=-1,
    ).reshape(-1, 3)  # fmt: skip
    points = (20 * ball).astype(np.float32)
    inner = np.abs(np.arange(len(ball)) // len(azimuth) - 4.5) < 3
    assert seen_through(points, points[inner] / 2, 0.5).all()
    assert not seen_through(points, points[inner] * 1.05, 0.5).any()
