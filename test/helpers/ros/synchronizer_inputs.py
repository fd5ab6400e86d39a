"""Messages for a `SweepSynchronizer`, one by one; times are milliseconds since the start."""

from __future__ import annotations

import numpy as np
import ros_messages

from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import NUSCENES

MS = 1_000_000
START = 1_000 * MS
POINTS = np.array([[1, 0, 0, 255], [0, 2, 0, 0]], dtype=np.float32)
RIG_LIDAR = (0.0, 0.0, 2.0)
RIG_CAMERAS = (1.0, 0.0, 1.5)


def make_synchronizer(has_extrinsics=True, **options):
    synchronizer = SweepSynchronizer(SyncOptions(**options), NUSCENES)
    if has_extrinsics:
        synchronizer.on_tf(
            ros_messages.transforms(
                (0, "base_link", "lidar_top", RIG_LIDAR),
                (0, "base_link", "cam_front", RIG_CAMERAS),
            ),
            is_static=True,
        )
    return synchronizer


def send_cloud(synchronizer, at_ms, now_ms=None, points=POINTS):
    at_ns = START + at_ms * MS
    now_ns = at_ns if now_ms is None else START + now_ms * MS
    synchronizer.on_cloud(ros_messages.cloud(points, at_ns), now_ns)


def send_pose(synchronizer, at_ms, x=0.0):
    """The base stands at x metres."""
    message = ros_messages.transforms((START + at_ms * MS, "map", "base_link", (x, 0, 0)))
    synchronizer.on_tf(message, is_static=False)


def send_image(synchronizer, at_ms, camera="cam_front", color=(255, 0, 0)):
    at_ns = START + at_ms * MS
    message = ros_messages.compressed_image(ros_messages.jpeg(color), at_ns, camera)
    synchronizer.on_image(camera, message, at_ns)


def send_info(synchronizer, camera="cam_front", **options):
    synchronizer.on_camera_info(camera, ros_messages.camera_info(frame=camera, **options))


def next_sweep(synchronizer, now_ms, is_last=False):
    return synchronizer.next_sweep(START + now_ms * MS, is_last)


def kinds(synchronizer):
    return [rejection.kind for rejection in synchronizer.take_rejections()]


def send_timed_cloud(synchronizer, at_ms, times_s, name="time"):
    """All points lie 10 m ahead of the LiDAR."""
    array = np.zeros(len(times_s), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), (name, "<f4")])
    array["x"], array[name] = 10.0, times_s
    synchronizer.on_cloud(ros_messages.cloud(array, START + at_ms * MS), START + at_ms * MS)
