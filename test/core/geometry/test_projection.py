from __future__ import annotations

import json

import numpy as np
import pytest

from clip2scene_core.datasets import CameraView, NuScenesDataset, Sweep
from clip2scene_core.geometry.projection import pair_pixels_with_points, project_points
from clip2scene_core.geometry.se3 import matrix_from_quaternion

INTRINSICS = np.array([[100.0, 0.0, 50.0], [0.0, 100.0, 40.0], [0.0, 0.0, 1.0]])
# LiDAR x forward, y left, z up; camera x right, y down, z forward, at the same place.
T_CAMERA_LIDAR = np.array(
    [[0.0, -1.0, 0.0, 0.0], [0.0, 0.0, -1.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]
)
T_LIDAR_CAMERA = T_CAMERA_LIDAR.T.copy()


def sweep_of(points, T_global_lidar=None) -> Sweep:
    xyz = np.array(points, dtype=np.float32).reshape(-1, 3)
    return Sweep(
        points=np.column_stack([xyz, np.zeros(len(xyz), dtype=np.float32)]),
        T_global_lidar=np.eye(4) if T_global_lidar is None else T_global_lidar,
        stamp_ns=0,
    )


def camera_of(T_global_camera=T_LIDAR_CAMERA, image_size=(80, 100)) -> CameraView:
    return CameraView(
        name="cam_front",
        image=np.zeros((*image_size, 3), dtype=np.uint8),
        intrinsics=INTRINSICS,
        T_global_camera=T_global_camera,
        stamp_ns=0,
    )


@pytest.mark.parametrize(
    ("point", "pixel"),
    [
        ([10.0, 0.0, 0.0], [50.0, 40.0]),
        ([10.0, 1.0, 0.0], [40.0, 40.0]),  # left
        ([10.0, -1.0, 0.0], [60.0, 40.0]),  # right
        ([10.0, 0.0, 1.0], [50.0, 30.0]),  # up
        ([10.0, 0.0, -1.0], [50.0, 50.0]),  # down
        ([20.0, 1.0, 0.0], [45.0, 40.0]),  # twice as far, half as far from the centre
    ],
)
def test_a_point_lands_where_paper_and_pencil_put_it(point, pixel):
    pixels, depth = project_points(np.array([point]), T_CAMERA_LIDAR, INTRINSICS)
    np.testing.assert_allclose(pixels, [pixel], atol=1e-12)
    np.testing.assert_allclose(depth, [point[0]])


def test_a_point_behind_the_camera_has_no_pixel():
    points = np.array([[-10.0, 1.0, 0.0], [0.0, 1.0, 0.0], [10.0, 1.0, 0.0]])
    pixels, depth = project_points(points, T_CAMERA_LIDAR, INTRINSICS)
    assert np.isnan(pixels[:2]).all()
    assert np.isfinite(pixels[2]).all()
    np.testing.assert_allclose(depth, [-10.0, 0.0, 10.0])


def test_no_points_give_no_pixels():
    pixels, depth = project_points(np.empty((0, 3)), T_CAMERA_LIDAR, INTRINSICS)
    assert pixels.shape == (0, 2)
    assert depth.shape == (0,)


def test_points_with_intensity_are_refused():
    with pytest.raises(ValueError, match=r"must be \(N, 3\), got \(5, 4\); pass xyz"):
        project_points(np.zeros((5, 4)), T_CAMERA_LIDAR, INTRINSICS)


def test_pairs_are_strictly_inside_the_image_and_beyond_the_minimum_depth():
    # Pixels at depth 10: u = 50 - 10 y, v = 40 - 10 z, image 80 x 100.
    inside = [[10.0, 0.0, 0.0], [10.0, 4.95, 0.0], [10.0, 0.0, -3.85], [1.01, 0.0, 0.0]]
    outside = [
        [10.0, 5.0, 0.0],  # u = 0
        [10.0, -4.9, 0.0],  # u = 99, the last column's centre
        [10.0, 0.0, -3.9],  # v = 79, the last row's centre
        [1.0, 0.0, 0.0],  # not more than a metre away
        [-10.0, 0.0, 0.0],
        [np.nan, 0.0, 0.0],
    ]
    pairs = pair_pixels_with_points([sweep_of(outside[:2] + inside + outside[2:])], [camera_of()])
    assert pairs.point_index.tolist() == [2, 3, 4, 5]
    np.testing.assert_allclose(pairs.pixels, [[50, 40], [0.5, 40], [50, 78.5], [50, 40]], rtol=1e-5)
    assert pairs.pixels.dtype == np.float32
    nearer = pair_pixels_with_points([sweep_of(outside)], [camera_of()], min_depth_m=0.5)
    assert nearer.point_index.tolist() == [3]


def test_pairs_name_their_sweep_and_camera():
    backwards = np.diag([-1.0, -1.0, 1.0, 1.0]) @ T_LIDAR_CAMERA
    sweeps = [sweep_of([[10, 0, 0], [-10, 0, 0]]), sweep_of([[-10, 0, 0], [20, 0, 0], [30, 0, 0]])]
    pairs = pair_pixels_with_points(sweeps, [camera_of(), camera_of(backwards)])
    assert len(pairs) == 5
    assert pairs.sweep_index.tolist() == [0, 0, 1, 1, 1]
    assert pairs.camera_index.tolist() == [0, 1, 0, 0, 1]
    assert pairs.point_index.tolist() == [0, 1, 1, 2, 0]
    assert (
        pairs.point_index.dtype == pairs.sweep_index.dtype == pairs.camera_index.dtype == np.int64
    )


@pytest.mark.parametrize(
    ("sweeps", "cameras"),
    [
        ([], []),
        ([sweep_of([[10, 0, 0]])], []),
        ([], [camera_of()]),
        ([sweep_of([])], [camera_of()]),
    ],
)
def test_nothing_to_pair_gives_no_pairs(sweeps, cameras):
    pairs = pair_pixels_with_points(sweeps, cameras, occlusion_margin_m=0.5)
    assert len(pairs) == 0
    assert pairs.pixels.shape == (0, 2)
    assert pairs.sweep_index.dtype == pairs.camera_index.dtype == np.int64


def test_a_pair_accounts_for_the_drive_between_the_two_stamps():
    # The car drove 2 m forward and 1 m left between sweep and picture, 600 km from the origin.
    T_global_lidar = matrix_from_quaternion([1, 0, 0, 0], [600_000.0, 300_000.0, 0.0])
    T_global_camera = T_global_lidar @ matrix_from_quaternion([1, 0, 0, 0], [2, 1, 0])
    camera = camera_of(T_global_camera @ T_LIDAR_CAMERA)
    pairs = pair_pixels_with_points([sweep_of([[12, 2, 0]], T_global_lidar)], [camera])
    np.testing.assert_allclose(pairs.pixels, [[40.0, 40.0]], atol=1e-5)


def wall(x_m: float, half_width_m: float, z_from_m: float, z_to_m: float) -> list[list[float]]:
    columns = np.arange(-half_width_m, half_width_m + 1e-6, 0.1)
    rows = np.arange(z_from_m, z_to_m + 1e-6, 0.2)
    return [[x_m, y, z] for z in rows for y in columns]


def test_what_stands_behind_a_nearer_surface_is_dropped():
    # A board at 10 m hides the middle of a wall at 20 m; the wall reaches past it on both sides.
    board, behind = wall(10, 1.0, -1.0, 1.0), wall(20, 5.0, -1.0, 1.0)
    sweep = sweep_of(board + behind)
    everything = pair_pixels_with_points([sweep], [camera_of()])
    visible = pair_pixels_with_points([sweep], [camera_of()], occlusion_margin_m=0.5)
    assert len(everything) == len(board) + len(behind)
    y_m = sweep.points[visible.point_index, 1]
    is_board = visible.point_index < len(board)
    assert is_board.sum() == len(board)
    # From the camera the board ends at y = 2 m on the wall; a cell's width is left at its edges.
    assert not (np.abs(y_m[~is_board]) < 1.7).any()
    assert (np.abs(y_m[~is_board]) > 2.3).sum() == (
        np.abs(sweep.points[len(board) :, 1]) > 2.3
    ).sum()


def test_a_flat_road_hides_nothing_of_itself():
    ring = np.arange(-0.4, 0.4, 0.006)
    distances = 1.8 / np.tan(np.radians(np.arange(4.0, 30.0, 1.33)))
    road = [[d * np.cos(a), d * np.sin(a), -1.8] for d in distances for a in ring]
    sweep = sweep_of(road)
    everything = pair_pixels_with_points([sweep], [camera_of()])
    visible = pair_pixels_with_points([sweep], [camera_of()], occlusion_margin_m=0.5)
    assert len(visible) == len(everything) > 500


def test_a_surface_within_the_margin_hides_nothing():
    sweep = sweep_of(wall(10, 1.0, -1.0, 1.0) + wall(10.4, 1.0, -1.0, 1.0))
    assert len(pair_pixels_with_points([sweep], [camera_of()], occlusion_margin_m=0.5)) == len(
        sweep.points
    )


def published_chain(root, channel: str, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """LiDAR -> ego at the sweep -> global -> ego at the picture -> camera, step by step."""
    tables = {
        name: {
            row["token"]: row for row in json.loads((root / f"v1.0-mini/{name}.json").read_text())
        }
        for name in ("sample_data", "ego_pose", "calibrated_sensor")
    }

    def steps(name: str) -> tuple[dict, dict]:
        (row,) = (row for row in tables["sample_data"].values() if f"/{name}/" in row["filename"])
        calibration = tables["calibrated_sensor"][row["calibrated_sensor_token"]]
        return calibration, tables["ego_pose"][row["ego_pose_token"]]

    lidar, ego_at_sweep = steps("LIDAR_TOP")
    camera, ego_at_picture = steps(channel)
    for step in (lidar, ego_at_sweep):
        points = rotate(step["rotation"], points) + step["translation"]
    for step in (ego_at_picture, camera):
        w, x, y, z = step["rotation"]
        points = rotate([w, -x, -y, -z], points - step["translation"])
    (fx, _, cx), (_, fy, cy), _ = camera["camera_intrinsic"]
    u = fx * points[:, 0] / points[:, 2] + cx
    v = fy * points[:, 1] / points[:, 2] + cy
    return np.column_stack([u, v]), points[:, 2]


def rotate(quaternion, points: np.ndarray) -> np.ndarray:
    """Rotate by v + 2 w (q x v) + 2 q x (q x v), without any matrix."""
    w, *axis = np.array(quaternion) / np.linalg.norm(quaternion)
    across = np.cross(axis, points)
    return points + 2 * w * across + 2 * np.cross(axis, across)


@pytest.mark.parametrize("camera_index", range(6))
def test_the_real_keyframe_agrees_with_the_published_chain(real_keyframe, camera_index):
    sample = NuScenesDataset(real_keyframe)[0]
    camera = sample.cameras[camera_index]
    points = sample.keyframe.points[:, :3].astype(np.float64)
    expected, depth = published_chain(real_keyframe, camera.name.upper(), points)
    u, v = expected.T
    inside = (depth > 1.0) & (u > 0) & (u < 1599) & (v > 0) & (v < 899)
    pairs = pair_pixels_with_points([sample.keyframe], [camera])
    assert len(pairs) > 1000
    np.testing.assert_array_equal(pairs.point_index, np.flatnonzero(inside))
    np.testing.assert_allclose(pairs.pixels, expected[inside], atol=1e-3, rtol=0)
