"""Edges of depth on edges of a picture: a world of poles, whose right projection is known."""

import numpy as np
import pytest

from clip2scene_core.doctor.edges import compare_turns, find_depth_edges, make_edge_view
from clip2scene_core.doctor.keyframes import describe_fit, describe_offset
from clip2scene_core.doctor.motion import Track
from clip2scene_core.doctor.offset import OffsetEstimate, estimate_offset
from clip2scene_core.doctor.stamps import check_nearest, check_stamps, nearest_difference_s
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.sample import CameraView, Sweep

# x right, y down, z ahead in the camera; x ahead, y left, z up in the LiDAR, at one place.
T_LIDAR_CAMERA = np.array([[0.0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]])
INTRINSICS = np.array([[240.0, 0, 240], [0, 240, 120], [0, 0, 1]])
SIZE = (240, 480)
WALL_M, POLE_M = 20.0, 6.0
POLES = np.radians([-28.0, -15.0, -4.0, 9.0, 22.0, 33.0])
HALF = np.radians(1.5)


def is_pole(azimuth):
    return (np.abs(azimuth[..., None] - POLES) < HALF).any(-1)


def cloud(heading=0.0):
    """A LiDAR turned by `heading` sees poles before a round wall."""
    azimuth, elevation = np.meshgrid(
        np.radians(np.arange(-60, 60, 0.3)), np.radians(np.arange(-15, 16, 1.0))
    )
    range_m = np.where(is_pole(azimuth + heading), POLE_M, WALL_M)
    points = np.stack(
        [
            range_m * np.cos(azimuth) * np.cos(elevation),
            range_m * np.sin(azimuth) * np.cos(elevation),
            range_m * np.sin(elevation),
            np.zeros_like(range_m),
        ],
        axis=-1,
    )
    return points.reshape(-1, 4).astype(np.float32)


def picture(heading=0.0, seed=0):
    columns = np.arange(SIZE[1])
    azimuth = -np.arctan((columns - INTRINSICS[0, 2]) / INTRINSICS[0, 0]) + heading
    row = np.where(is_pole(azimuth), 200, 70)
    noise = np.random.default_rng(seed).integers(0, 12, SIZE)
    return np.repeat((row + noise)[..., None], 3, axis=2).astype(np.uint8)


def pose(heading):
    turned = np.eye(4)
    turned[:2, :2] = [[np.cos(heading), -np.sin(heading)], [np.sin(heading), np.cos(heading)]]
    return turned


def view(heading=0.0, stamp_ns=0, T_global_lidar=None, seed=0):
    at = pose(heading) if T_global_lidar is None else T_global_lidar
    return CameraView(
        "front", picture(heading, seed), INTRINSICS, at @ T_LIDAR_CAMERA, stamp_ns=stamp_ns
    )


def test_edges_of_depth_are_the_sides_of_poles():
    points = cloud()
    rows, weights = find_depth_edges(points)
    azimuth = np.arctan2(points[rows, 1], points[rows, 0])
    side = np.abs(np.abs(azimuth[:, None] - POLES) - HALF).min(axis=1)
    assert np.degrees(side).max() < 1.0
    assert np.hypot(*points[rows, :2].T).max() < POLE_M + 0.1
    assert weights == pytest.approx(np.sqrt(10.0), abs=0.01)  # of 14 m count 10
    assert len(rows) >= 2 * len(POLES) * 31
    assert len(find_depth_edges(np.zeros((0, 4), np.float32))[0]) == 0


@pytest.mark.parametrize("yaw_deg", [0.0, 2.0, -1.5])
def test_a_turned_camera_is_found(yaw_deg):
    sweep = Sweep(cloud(), np.eye(4), 0)
    views = []
    for seed in range(4):
        true = view(seed=seed)
        turn = np.eye(4)
        a = np.radians(yaw_deg)
        turn[:3, :3] = [[np.cos(a), 0, np.sin(a)], [0, 1, 0], [-np.sin(a), 0, np.cos(a)]]
        said = CameraView("front", true.image, INTRINSICS, true.T_global_camera @ turn, 0)
        views.append(make_edge_view(sweep, said))
    fit = compare_turns(views)
    # Points are drawn too far to the left by the turn: they belong farther right.
    assert fit.best_deg[0] == pytest.approx(yaw_deg, abs=0.5)
    assert (fit.share_below > 0.9) == (yaw_deg == 0)
    assert (describe_fit("camera", fit).level == "note") == (yaw_deg != 0)
    assert ("seems turned" in describe_fit("camera", fit).text) == (yaw_deg != 0)


def turning_views(offset_s, num=8, rate=0.5):
    """A LiDAR that turns by `rate` rad/s; pictures are stamped `offset_s` too early."""
    stamps = np.arange(0, 10) * 100_000_000
    poses = [pose(rate * stamp / 1e9) for stamp in stamps]
    track = Track.of(stamps.tolist(), poses)
    views = []
    for index in range(1, num + 1):
        at_s = stamps[index] / 1e9
        sweep = Sweep(cloud(rate * at_s), poses[index], int(stamps[index]))
        taken = view(rate * (at_s + offset_s), seed=index)
        said = CameraView(
            "front", taken.image, INTRINSICS, poses[index] @ T_LIDAR_CAMERA, int(stamps[index])
        )
        step = track.step(said.T_global_camera, said.stamp_ns, 0.1)
        views.append(make_edge_view(sweep, said, step))
    return views


@pytest.mark.parametrize("offset_s", [0.0, 0.06, -0.18])
def test_the_time_offset_is_found(offset_s):
    found = estimate_offset(turning_views(offset_s))
    assert found.offset_s == pytest.approx(offset_s, abs=0.012)
    assert found.is_sure


def test_an_offset_beyond_what_is_tried_is_told():
    found = estimate_offset(turning_views(0.3, rate=0.3))
    if found.is_sure:
        assert found.is_beyond == (abs(found.offset_s) >= 0.25)
    said = OffsetEstimate(-0.25, 0.001, 9, is_sure=True, is_beyond=True)
    finding = describe_offset("camera", said)
    assert finding.level == "note"
    assert "-250 ms or more" in finding.text


def test_without_motion_the_time_offset_cannot_be_told():
    assert estimate_offset(turning_views(0.05, rate=0.0)) is None
    assert estimate_offset(turning_views(0.05, num=3)) is None


def test_where_pictures_show_nothing_it_is_not_sure():
    noise = np.random.default_rng(0)
    views = []
    for seen in turning_views(0.0):
        random = noise.normal(size=seen.nearness.shape).astype(np.float32)
        views.append(type(seen)(**{**vars(seen), "nearness": random}))
    assert not estimate_offset(views).is_sure


def test_a_step_is_the_cameras_own_motion():
    T_lidar_camera = T_LIDAR_CAMERA.copy()
    T_lidar_camera[:3, 3] = 1.0, 0.5, 0.2
    stamps = [0, 200_000_000]
    track = Track.of(stamps, [pose(0.0), pose(0.2)])
    at_ns = 50_000_000
    camera = pose(0.05) @ T_lidar_camera
    step = track.step(camera, at_ns, 0.1)
    np.testing.assert_allclose(camera @ step, pose(0.15) @ T_lidar_camera, atol=1e-9)
    back = track.step(camera, at_ns, -0.1)
    np.testing.assert_allclose(camera @ back, pose(-0.05) @ T_lidar_camera, atol=1e-9)
    assert track.step(camera, 5_000_000_000, 0.1) is None
    assert Track.of([0], [pose(0.0)]).step(camera, 0, 0.1) is None
    np.testing.assert_allclose(invert(step) @ step, np.eye(4), atol=1e-12)


def test_stamps():
    period = 100_000_000
    regular = np.arange(50) * period + 10**18
    (found,) = check_stamps("lidar", regular)
    assert found.text == "50 stamps at 10.0 Hz, no gaps"
    found = check_stamps("lidar", np.delete(regular, range(20, 30)))
    assert "1 gaps: the longest has 1.10 s" in found[0].text
    assert "20 % are missing" in found[0].text
    swapped = regular.copy()
    swapped[[10, 11]] = swapped[[11, 10]]
    assert "1 of 50 stamps are earlier" in check_stamps("lidar", swapped)[0].text
    assert check_stamps("lidar", np.zeros(9, np.int64))[0].level == "problem"
    assert check_stamps("lidar", np.full(9, 5))[0].level == "problem"


@pytest.mark.parametrize("wrong_ns", [0, 10**18 + 3600 * 10**9])
def test_one_stamp_that_leaps_is_no_gap(wrong_ns):
    stamps = np.arange(50) * 100_000_000 + 10**18
    stamps[20] = wrong_ns
    leap, rate = check_stamps("lidar", stamps)
    assert "1 of 50 stamps leap" in leap.text
    assert "10.0 Hz, no gaps" in rate.text
    after_an_hour = np.concatenate([stamps[:20], stamps[21:] + 3600 * 10**9])
    (gap,) = check_stamps("lidar", after_an_hour)
    assert "1 gaps: the longest has 3600.20 s" in gap.text


def test_images_near_clouds():
    clouds = np.array([100, 200, 300, 400]) * 1_000_000
    assert nearest_difference_s(clouds, np.array([390, 110]) * 1_000_000) == pytest.approx(
        [0.01, -0.09, 0.09, -0.01]
    )
    (late,) = check_nearest("camera", clouds, clouds + 2 * 10**9, 0.06)
    assert late.level == "problem"
    assert "share a clock" in late.remedy
