"""A drive through `SweepAssembler`, message by message; times are milliseconds since its start."""

from __future__ import annotations

import numpy as np
import ros_messages

from clip2scene_ros.sync.sweeps import AssemblyOptions
from clip2scene_ros.sync.synchronizer import SweepAssembler
from clip2scene_ros.sync.topics import NUSCENES

MS = 1_000_000
START = 1_000 * MS
POINTS = np.array([[1, 0, 0, 255], [0, 2, 0, 0]], dtype=np.float32)
LIDAR_MOUNT = (0.0, 0.0, 2.0)
CAMERA_MOUNT = (1.0, 0.0, 1.5)


def make_assembler(has_mounts=True, **options):
    assembler = SweepAssembler(AssemblyOptions(**options), NUSCENES)
    if has_mounts:
        assembler.on_tf(
            ros_messages.transforms(
                (0, "base_link", "lidar_top", LIDAR_MOUNT),
                (0, "base_link", "cam_front", CAMERA_MOUNT),
            ),
            is_static=True,
        )
    return assembler


def send_cloud(assembler, at_ms, now_ms=None, points=POINTS):
    at_ns = START + at_ms * MS
    now_ns = at_ns if now_ms is None else START + now_ms * MS
    assembler.on_cloud(ros_messages.cloud(points, at_ns), now_ns)


def send_pose(assembler, at_ms, x=0.0):
    """The base stands at x metres."""
    message = ros_messages.transforms((START + at_ms * MS, "map", "base_link", (x, 0, 0)))
    assembler.on_tf(message, is_static=False)


def send_image(assembler, at_ms, camera="cam_front", colour=(255, 0, 0)):
    at_ns = START + at_ms * MS
    message = ros_messages.compressed_image(ros_messages.jpeg(colour), at_ns, camera)
    assembler.on_image(camera, message, at_ns)


def send_info(assembler, camera="cam_front", **options):
    assembler.on_camera_info(camera, ros_messages.camera_info(frame=camera, **options))


def next_sweep(assembler, now_ms, is_last=False):
    return assembler.next_sweep(START + now_ms * MS, is_last)


def kinds(assembler):
    return [rejection.kind for rejection in assembler.take_rejections()]


def send_timed_cloud(assembler, at_ms, times_s, name="time"):
    """All points lie 10 m ahead of the LiDAR."""
    array = np.zeros(len(times_s), [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), (name, "<f4")])
    array["x"], array[name] = 10.0, times_s
    assembler.on_cloud(ros_messages.cloud(array, START + at_ms * MS), START + at_ms * MS)
