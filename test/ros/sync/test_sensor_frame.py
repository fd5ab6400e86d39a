"""Clouds in another frame than their sensor's: labelled as seen from it, and published as sent."""

from __future__ import annotations

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter
from street_sweep import spin, turn
from synchronizer_inputs import MS, START, next_sweep

from clip2scene_core.geometry.se3 import invert, quaternion_from_matrix
from clip2scene_ros.labelling import label_sweep
from clip2scene_ros.sync.sweeps import RejectionKind, SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import NUSCENES

AT = 100 * MS
MOUNT = turn(0, 10, 90)
MOUNT[:3, 3] = 0.9, 0.1, 1.8
STREET = spin(1.8)[::7]


def pose(at_ms):
    """The robot drives and turns, far from the map's origin."""
    T_map_base = turn(0, 0, 0.3 * at_ms)
    T_map_base[:3, 3] = 400 + 0.01 * at_ms, -200, 3
    return T_map_base


def edge(parent, child, T_parent_child, at_ms=0):
    (message,) = ros_messages.transforms((START + at_ms * MS, parent, child, (0, 0, 0))).transforms
    translation, rotation = message.transform.translation, message.transform.rotation
    translation.x, translation.y, translation.z = map(float, T_parent_child[:3, 3])
    w, x, y, z = map(float, quaternion_from_matrix(T_parent_child))
    rotation.w, rotation.x, rotation.y, rotation.z = w, x, y, z
    return message


def send_edges(synchronizer, is_static, *edges):
    message = ros_messages.transforms()
    message.transforms = [edge(*values) for values in edges]
    synchronizer.on_tf(message, is_static)


def make(*rigid, poses=(0, 100, 200), parent="map", **options):
    synchronizer = SweepSynchronizer(SyncOptions(**options), NUSCENES)
    if rigid:
        send_edges(synchronizer, True, *rigid)
    for at_ms in poses:
        send_edges(synchronizer, False, (parent, "base_link", pose(at_ms), at_ms))
    return synchronizer


def moved(points, T_target_source):
    out = points.copy()
    xyz = points[:, :3].astype(np.float64)
    out[:, :3] = xyz @ T_target_source[:3, :3].T + T_target_source[:3, 3]
    return out


def receive(synchronizer, points, frame, is_last=False):
    synchronizer.on_cloud(ros_messages.cloud(points, START + AT, frame), START + AT)
    return next_sweep(synchronizer, 200, is_last)


LIDAR = ("base_link", "lidar_top", MOUNT)
IMU = ("base_link", "imu_link", turn(0, 0, 5))


def place_of(frame):
    """T_frame_lidar at the stamp."""
    in_map = pose(100) @ MOUNT
    return {"lidar_top": np.eye(4), "base_link": MOUNT, "map": in_map, "odom": in_map}[frame]


@pytest.mark.parametrize("frame", ["lidar_top", "base_link", "map"])
@pytest.mark.parametrize("sensor_frame", ["", "lidar_top"])
def test_one_street_is_seen_alike_whatever_frame_it_comes_in(frame, sensor_frame):
    synchronizer = make(LIDAR, IMU, sensor_frame=sensor_frame)
    sent = moved(STREET, place_of(frame))
    sweep = receive(synchronizer, sent, frame)
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=2e-4)
    np.testing.assert_array_equal(sweep.sweep.points[:, 3], STREET[:, 3])
    np.testing.assert_allclose(sweep.sweep.T_base_lidar, MOUNT, atol=1e-9)
    np.testing.assert_allclose(sweep.sweep.T_global_lidar, pose(100) @ MOUNT, atol=1e-6)
    assert sweep.header.frame_id == frame
    is_judged = not sensor_frame and frame != "lidar_top"
    assert bool(sweep.placement.note) == is_judged
    assert ("as seen from lidar_top; name" in sweep.placement.note) == is_judged


@pytest.mark.parametrize("frame", ["lidar_top", "base_link", "map"])
def test_labels_go_out_with_the_points_and_the_pose_of_the_frame_they_came_in(frame):
    sent = moved(STREET, place_of(frame))
    sweep = receive(make(LIDAR), sent, frame)
    labelled = label_sweep(FakeSegmenter(), sweep, ())
    np.testing.assert_array_equal(labelled.points[:, :3], sent[:, :3])
    T_map_frame = {"lidar_top": pose(100) @ MOUNT, "base_link": pose(100), "map": np.eye(4)}[frame]
    np.testing.assert_allclose(labelled.T_fixed_lidar, T_map_frame, atol=1e-6)


def test_a_map_is_left_by_the_pose_at_the_stamp_not_by_the_newest():
    synchronizer = make(LIDAR)
    for at_ms in (300, 400, 1000):
        send_edges(synchronizer, False, ("map", "base_link", pose(at_ms), at_ms))
    sweep = receive(synchronizer, moved(STREET, place_of("map")), "map")
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=2e-4)


def test_a_cloud_in_a_map_waits_for_its_pose_and_is_dropped_without():
    for on_missing_pose in ("drop", "single"):
        synchronizer = make(LIDAR, poses=(0,), on_missing_pose=on_missing_pose)
        assert receive(synchronizer, STREET, "map") is None
        assert synchronizer.take_rejections() == []
        assert next_sweep(synchronizer, 200, is_last=True) is None
        (rejection,) = synchronizer.take_rejections()
        assert rejection.kind is RejectionKind.NO_POSE


def test_without_poses_a_cloud_in_the_world_waits_for_its_transform():
    """In a bag the first cloud may stand before the first message of /tf."""
    synchronizer = make(LIDAR, poses=(), pose_source="none")
    assert receive(synchronizer, moved(STREET, place_of("map")), "map") is None
    for at_ms in (0, 100, 200):
        send_edges(synchronizer, False, ("map", "base_link", pose(at_ms), at_ms))
    sweep = next_sweep(synchronizer, 300)
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=2e-4)


@pytest.mark.parametrize("frame", ["odom", "anchor"])
def test_a_frame_between_map_and_robot_does_not_ride_on_it(frame):
    """One by its name, the other because the robot is seen to move in it."""
    synchronizer = make(LIDAR, parent=frame)
    send_edges(synchronizer, True, ("map", frame, turn(0, 0, 20)))
    sweep = receive(synchronizer, moved(STREET, place_of("odom")), frame)
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=2e-4)
    assert f"clouds are in {frame}, which does not move with base_link" in sweep.placement.note


def test_a_lidar_above_the_robot_in_the_tree_stays_a_sensor():
    """LiDAR odometry publishes odom -> LiDAR, and a converter LiDAR -> base_link, all on /tf."""
    synchronizer = make(poses=())
    for at_ms in (0, 100, 200):
        send_edges(
            synchronizer,
            False,
            ("map", "front", pose(at_ms) @ MOUNT, at_ms),
            ("front", "base_link", invert(MOUNT), at_ms),
        )
    sweep = receive(synchronizer, STREET, "front")
    np.testing.assert_array_equal(sweep.sweep.points, STREET)
    assert sweep.placement.note == ""
    np.testing.assert_allclose(sweep.sweep.T_base_lidar, MOUNT, atol=1e-9)


@pytest.mark.parametrize(
    ("rigid", "origin", "said"),
    [
        ([], (0, 0, 1.84), "1.84 m above base_link"),
        ([IMU, ("base_link", "lidar_camera", MOUNT)], (0, 0, 1.84), "1.84 m above base_link"),
        (
            [
                ("base_link", "lidar_left", np.eye(4)),
                ("base_link", "lidar_right", MOUNT),
            ],
            (0.45, 0.05, 0.9),
            "between lidar_left, lidar_right",
        ),
    ],
    ids=["none", "no LiDAR", "two"],
)
def test_a_robot_without_one_lidar_is_seen_from_a_usual_place(rigid, origin, said):
    synchronizer = make(*rigid)
    sweep = receive(synchronizer, STREET, "base_link", is_last=True)
    np.testing.assert_allclose(sweep.sweep.points[:, :3] + origin, STREET[:, :3], atol=1e-4)
    np.testing.assert_allclose(sweep.sweep.T_base_lidar[:3, 3], origin)
    assert f"as seen from {said}; name the LiDAR's frame in sensor_frame" in sweep.placement.note
    assert synchronizer.take_rejections() == []


@pytest.mark.parametrize("frame", ["base_link", "camera_init"])
def test_only_the_first_cloud_waits_for_transforms_that_may_never_come(frame):
    synchronizer = make(pose_source="none", poses=(), pose_wait_s=0.2)
    synchronizer.on_cloud(ros_messages.cloud(STREET, START + AT, frame), START + AT)
    assert next_sweep(synchronizer, 290) is None
    assert next_sweep(synchronizer, 310).placement.note
    synchronizer.on_cloud(ros_messages.cloud(STREET, START + 400 * MS, frame), START + 400 * MS)
    assert next_sweep(synchronizer, 400).placement.note


def test_the_first_cloud_waits_for_the_lidars_extrinsics():
    synchronizer = make(pose_source="none", poses=())
    assert receive(synchronizer, moved(STREET, MOUNT), "base_link") is None
    send_edges(synchronizer, False, (*LIDAR, 100))
    placement = next_sweep(synchronizer, 300).placement
    assert placement.sensor_frame == "lidar_top"


def test_frames_of_one_lidar_are_one_and_later_ones_count():
    synchronizer = make()
    first = receive(synchronizer, STREET, "base_link", is_last=True)
    assert "1.84 m above" in first.placement.note
    higher = MOUNT.copy()
    higher[2, 3] += 0.04
    rigid = (("base_link", "os_sensor", MOUNT), ("base_link", "os_lidar", higher), IMU)
    send_edges(synchronizer, True, *rigid)
    assert receive(synchronizer, STREET, "base_link").placement.sensor_frame == "os_lidar"
    assert synchronizer.take_rejections() == []


@pytest.mark.parametrize("base_frame", ["velodyne", "robot1/base_laser"])
def test_a_sensor_may_be_the_base_frame(base_frame):
    synchronizer = make(poses=(), base_frame=base_frame, pose_source="none")
    sweep = receive(synchronizer, STREET, base_frame)
    np.testing.assert_array_equal(sweep.sweep.points, STREET)
    assert sweep.placement.note == ""


def test_another_name_of_the_robot_is_no_sensor_either():
    synchronizer = make(LIDAR, ("base_link", "base_footprint", np.eye(4)))
    sweep = receive(synchronizer, moved(STREET, MOUNT), "base_footprint")
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=1e-5)


@pytest.mark.parametrize("frame", ["map", "odom", "site"])
def test_a_robot_that_stands_in_a_map_by_a_static_transform_is_no_sensor(frame):
    fixed = (frame, "base_link", np.eye(4))
    synchronizer = make(LIDAR, fixed, poses=(), fixed_frame=frame if frame == "site" else "map")
    if frame == "odom":
        send_edges(synchronizer, True, ("map", "odom", np.eye(4)))
    sweep = receive(synchronizer, moved(STREET, MOUNT), frame)
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=1e-5)
    assert f"clouds are in {frame}, which is no sensor's frame" in sweep.placement.note


@pytest.mark.parametrize("frame", ["camera_init", "world", "vehicle"])
def test_a_frame_of_the_world_that_nothing_leads_to_is_said(frame):
    synchronizer = make(LIDAR, pose_source="none")
    assert receive(synchronizer, STREET, frame) is None  # its transform may still come
    sweep = next_sweep(synchronizer, 200, is_last=True)
    assert sweep.placement.note.startswith(f"clouds are in {frame}, which is no sensor's frame, ")
    assert sweep.sweep.T_base_lidar is None


@pytest.mark.parametrize("frame", ["camera_depth_optical_frame", "zed_left_optical"])
def test_the_axes_of_an_optical_frame_are_known_by_its_name(frame):
    synchronizer = make(LIDAR, pose_source="none")
    assert receive(synchronizer, STREET, frame) is None
    sweep = next_sweep(synchronizer, 200, is_last=True)
    assert "by its name it is an optical frame" in sweep.placement.note
    np.testing.assert_array_equal(sweep.sweep.T_base_lidar[:3, 2], [1, 0, 0])
    np.testing.assert_array_equal(sweep.sweep.T_base_lidar[:3, 1], [0, 0, -1])


def test_a_sensor_frame_that_nothing_leads_to_is_no_sweep():
    synchronizer = make(LIDAR, sensor_frame="lidar_topp", pose_source="none")
    assert receive(synchronizer, STREET, "base_link", is_last=True) is None
    (rejection,) = synchronizer.take_rejections()
    assert rejection.kind is RejectionKind.NO_EXTRINSICS
    assert "'lidar_topp' is unknown; known frames: base_link, lidar_top" in rejection.reason


def test_whoever_names_the_clouds_own_frame_is_believed():
    sweep = receive(make(LIDAR, sensor_frame="base_link"), STREET, "base_link")
    np.testing.assert_array_equal(sweep.sweep.points, STREET)
    assert sweep.placement.note == ""


def test_a_registered_cloud_is_not_deskewed_again():
    synchronizer = make(LIDAR, deskew=True)
    sweep = receive(synchronizer, moved(STREET, place_of("map")), "map")
    np.testing.assert_allclose(sweep.sweep.points[:, :3], STREET[:, :3], atol=2e-4)


def test_a_clouds_broken_points_stay_in_place():
    points = moved(STREET, MOUNT)
    points[3, 1], points[5, 0] = np.nan, np.inf
    placed = receive(make(LIDAR), points, "base_link").sweep.points
    assert not np.isfinite(placed[[3, 5], :3]).all(axis=1).any()
    whole = np.delete(np.arange(len(points)), [3, 5])
    np.testing.assert_allclose(placed[whole, :3], STREET[whole, :3], atol=1e-5)
