import numpy as np
import pytest
import torch

from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.free_space import seen_through
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.prompts.vocabulary import make_vocabulary

HEIGHT_M = 1.8
WALL_M = 20.0


def rays(num_rings: int = 32, num_columns: int = 720) -> np.ndarray:
    """Directions (R * C, 3) of a 32-beam LiDAR, 1.33 degrees between the beams."""
    elevation = np.radians(np.linspace(-30.67, 10.67, num_rings))[:, None]
    azimuth = np.linspace(-np.pi, np.pi, num_columns, endpoint=False)
    return np.stack(
        np.broadcast_arrays(
            np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth),
            np.sin(elevation),
        ),
        axis=-1,
    ).reshape(-1, 3)  # fmt: skip


def street(car_x_m: float | None) -> np.ndarray:
    """A sweep (N, 3) over a flat road up to a wall at y = 20 m, with a car at y = 6 to 8 m."""
    directions = rays()
    with np.errstate(divide="ignore", invalid="ignore"):
        ground = np.where(directions[:, 2] < 0, -HEIGHT_M / directions[:, 2], np.inf)
        wall = np.where(directions[:, 1] > 0, WALL_M / directions[:, 1], np.inf)
        hit = np.minimum(ground, wall)
        if car_x_m is not None:
            low = np.array([car_x_m - 2.2, 6.0, -HEIGHT_M + 0.3])
            high = np.array([car_x_m + 2.2, 8.0, -HEIGHT_M + 1.6])
            sides = np.stack([low / directions, high / directions])
            enters, leaves = sides.min(axis=0).max(axis=1), sides.max(axis=0).min(axis=1)
            hit = np.where((enters < leaves) & (enters > 0), np.minimum(hit, enters), hit)
    noisy = hit + np.random.default_rng(0).normal(0, 0.013, len(hit))
    seen = hit < 60
    return (directions[seen] * noisy[seen, None]).astype(np.float32)


def is_car(points: np.ndarray) -> np.ndarray:
    return (
        (points[:, 1] > 5.9) & (points[:, 1] < 8.1) & (points[:, 2] > -HEIGHT_M + 0.25)
    )  # fmt: skip


def drive(is_carved: bool) -> tuple[np.ndarray, np.ndarray]:
    """Let a car pass at 10 m/s, then leave; voxel centres and where a car had been."""
    semantic_map = SemanticMap(EvidenceGrid(0.2, 2), is_carved)
    for k in range(45):
        car_x_m = -10.0 + 0.5 * k if k < 40 else None
        points = street(car_x_m)
        vectors = torch.eye(2)[torch.from_numpy(is_car(points)).long()]
        pose = np.eye(4)
        pose[:3, 3] = 100.0, 200.0, HEIGHT_M
        semantic_map.add(points, Evidence(vectors, torch.ones(len(points))), pose, k)
    labelled_map = semantic_map.label(make_vocabulary(["road", "car"], torch.eye(2)))
    return labelled_map.points - [100.0, 200.0, HEIGHT_M], labelled_map.labels == 1


def test_a_car_that_has_passed_leaves_no_trail_and_street_and_wall_stay():
    with_trail, was_car = drive(is_carved=False)
    assert was_car.sum() > 1500
    without, still_car = drive(is_carved=True)
    assert still_car.sum() <= 0.1 * was_car.sum()
    # What is left touches the road: rays pass less than a voxel above that.
    assert (without[still_car, 2] > -HEIGHT_M + 0.4).sum() <= 0.01 * was_car.sum()
    for is_there in (
        lambda p: p[:, 1] > WALL_M - 0.2,
        lambda p: p[:, 2] < -HEIGHT_M + 0.2,
    ):
        before = is_there(with_trail) & ~was_car
        after = is_there(without) & ~still_car
        assert before.sum() > 1000
        assert after.sum() >= 0.995 * before.sum()


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
