"""Real LiDAR frames with labels or boxes, read where they lie; none comes with the package.

A folder holds any of: `semantickitti_scan/` (scans `.bin` with labels `.label` beside them),
`kitti_object/training/` (KITTI's object benchmark), and `nuscenes_keyframe/` (a keyframe in
nuScenes' layout with its boxes in `boxes_lidar_frame.json`).
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.transfer.groups import group_of_semantickitti
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.se3 import invert, transform_points

KINDS: Final = ("car", "other vehicle", "person")
"""Kinds of boxes that are counted."""

_KIND_OF_CATEGORY: Final = {
    "car": "car",
    "truck": "other vehicle",
    "van": "other vehicle",
    "bus": "other vehicle",
    "trailer": "other vehicle",
    "construction_vehicle": "other vehicle",
    "tram": "other vehicle",
    "pedestrian": "person",
    "person_sitting": "person",
}
_MOVABLE_CATEGORIES: Final = {*_KIND_OF_CATEGORY, "bicycle", "motorcycle", "cyclist", "ignore"}


@dataclass(frozen=True)
class Box:
    """One annotated object.

    Attributes:
        kind: One of KINDS, or "" for another movable object.
        center: (3,) float64, metres, LiDAR frame.
        size: (3,) float64, length, width, height, metres.
        yaw: Heading of the length about z of the LiDAR frame, radians.
    """

    kind: str
    center: NDArray[np.float64]
    size: NDArray[np.float64]
    yaw: float

    def contains(self, points: NDArray[np.float32], margin_m: float = 0.0) -> NDArray[np.bool_]:
        """Tell which points (N, >=3) are in the box, enlarged by a margin on each side: (N,)."""
        offset = points[:, :3] - self.center
        cosine, sine = math.cos(self.yaw), math.sin(self.yaw)
        along = cosine * offset[:, 0] + sine * offset[:, 1]
        across = cosine * offset[:, 1] - sine * offset[:, 0]
        local = np.abs(np.stack([along, across, offset[:, 2]], axis=1))
        return np.asarray((local <= self.size / 2 + margin_m).all(axis=1))


@dataclass(frozen=True)
class RealFrame:
    """One real sweep.

    Attributes:
        name: Name for a report.
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1].
        groups: (N,) uint8 true groups, IGNORE_LABEL where there is none; None without labels.
        boxes: Movable objects with a box.
        is_boxed_around: Whether every movable object around the sensor has a box. In KITTI only
            those have that a camera sees.
    """

    name: str
    points: NDArray[np.float32]
    groups: NDArray[np.uint8] | None
    boxes: tuple[Box, ...]
    is_boxed_around: bool
    is_x_forward: bool = True


def read_real_frames(root: Path) -> list[RealFrame]:
    """Read all frames of a folder.

    Raises:
        FileNotFoundError: If the folder holds none.
    """
    frames = [
        *_semantickitti_frames(root / "semantickitti_scan"),
        *_kitti_object_frames(root / "kitti_object" / "training"),
        *_nuscenes_frames(root / "nuscenes_keyframe"),
    ]
    if not frames:
        raise FileNotFoundError(
            f"{root} holds no semantickitti_scan/, kitti_object/training/ or nuscenes_keyframe/ "
            f"with frames"
        )
    return frames


def digest_real_frames(root: Path) -> str:
    """SHA-256 of all that `read_real_frames` reads from a folder, as hexadecimal text."""
    whole = hashlib.sha256()
    for frame in read_real_frames(root):
        groups = b"" if frame.groups is None else frame.groups.tobytes()
        boxes = [(b.kind, b.center.tolist(), b.size.tolist(), b.yaw) for b in frame.boxes]
        for part in (frame.name.encode(), frame.points.tobytes(), groups, repr(boxes).encode()):
            whole.update(hashlib.sha256(part).digest())
    return whole.hexdigest()


def _semantickitti_frames(folder: Path) -> list[RealFrame]:
    group_of_raw = group_of_semantickitti()
    frames = []
    for path in sorted(folder.glob("*.bin")):
        raw = np.fromfile(path.with_suffix(".label"), dtype="<u4") & 0xFFFF
        name = f"SemanticKITTI {path.stem}"
        frames.append(RealFrame(name, _read_kitti(path), group_of_raw[raw], (), False))
    return frames


def _kitti_object_frames(folder: Path) -> list[RealFrame]:
    frames = []
    for path in sorted((folder / "velodyne").glob("*.bin")):
        T_camera_lidar = _kitti_calibration(folder / "calib" / f"{path.stem}.txt")
        lines = (folder / "label_2" / f"{path.stem}.txt").read_text().splitlines()
        boxes = [_kitti_box(line.split(), invert(T_camera_lidar)) for line in lines]
        kept = tuple(box for box in boxes if box is not None)
        frames.append(RealFrame(f"KITTI {path.stem}", _read_kitti(path), None, kept, False))
    return frames


def _read_kitti(path: Path) -> NDArray[np.float32]:
    return np.fromfile(path, dtype="<f4").reshape(-1, 4)


def _kitti_calibration(path: Path) -> NDArray[np.float64]:
    """Read T_camera_lidar (4, 4) of the rectified camera frame."""
    rows = dict(line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    rectify, T_camera_lidar = np.eye(4), np.eye(4)
    rectify[:3, :3] = np.array(rows["R0_rect"].split(), dtype=np.float64).reshape(3, 3)
    T_camera_lidar[:3] = np.array(rows["Tr_velo_to_cam"].split(), dtype=np.float64).reshape(3, 4)
    return rectify @ T_camera_lidar


def _kitti_box(values: list[str], T_lidar_camera: NDArray[np.float64]) -> Box | None:
    """Read one line of `label_2`; None for what cannot move and "DontCare"."""
    category = values[0].lower()
    if category not in _MOVABLE_CATEGORIES:
        return None
    height, width, length, x, y, z, rotation_y = (float(value) for value in values[8:15])
    # The position of a box is the middle of its bottom; y of the camera points down.
    center = transform_points(T_lidar_camera, np.array([[x, y - height / 2, z]]))[0]
    size = np.array([length, width, height])
    return Box(_KIND_OF_CATEGORY.get(category, ""), center, size, -rotation_y - math.pi / 2)


def _nuscenes_frames(folder: Path) -> list[RealFrame]:
    path = folder / "boxes_lidar_frame.json"
    if not path.is_file():
        return []
    boxes = []
    for record in json.loads(path.read_text()):
        if record["category"] in _MOVABLE_CATEGORIES:
            values = np.array(record["box_lidar_xyzlwhyaw"], dtype=np.float64)
            kind = _KIND_OF_CATEGORY.get(record["category"], "")
            boxes.append(Box(kind, values[:3], values[3:6], float(values[6])))
    points = NuScenesDataset(folder, with_images=False)[0].keyframe.points
    return [RealFrame("nuScenes keyframe", points, None, tuple(boxes), True, is_x_forward=False)]
