"""Write furnished rooms as a data set in ScanNet's layout."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.datasets.scannet_format.ply import write_ply_vertices
from clip2scene_core.world.dataset.scene_pool import check_new_folder, write_scenes
from clip2scene_core.world.dataset.writer import WorldSummary
from clip2scene_core.world.rooms.depth_camera import (
    RoomImages,
    color_intrinsics,
    depth_intrinsics,
    take_images,
)
from clip2scene_core.world.rooms.fusion import FusedCloud, fuse
from clip2scene_core.world.rooms.room import Room, build_room

MAX_ROOMS: Final = 100
VAL_EVERY: Final = 5
"""Every fifth room is of the split val."""

_CAMERA_STREAM: Final = 1
_VOXEL_SIZE_M: Final = 0.03
_LOST_FRAME: Final = 1
_FRAME_STEP: Final = 20


@dataclass(frozen=True)
class RoomOptions:
    """The options of a data set of rooms.

    Attributes:
        num_rooms: Number of rooms.
        seed: Seed; names of rooms of different seeds differ.
        image_size: (height, width) of the pictures, pixels, even. Depth images are half as large.
        num_frames: Frames of a room; one of them has lost its pose, as it happens in ScanNet.

    Raises:
        ValueError: If an option is out of its range.
    """

    num_rooms: int
    seed: int = 0
    image_size: tuple[int, int] = (240, 320)
    num_frames: int = 13

    def __post_init__(self) -> None:
        if not 1 <= self.num_rooms <= MAX_ROOMS or not 0 <= self.seed <= 9999:
            raise ValueError(
                f"rooms are 1 to {MAX_ROOMS} of a seed of 0-9999, "
                f"got num_rooms={self.num_rooms}, seed={self.seed}"
            )
        if min(self.image_size) < 16 or any(length % 2 for length in self.image_size):
            raise ValueError(
                f"image_size must be even and at least 16, because depth images are half as large, "
                f"got {self.image_size}"
            )
        if self.num_frames < 3:
            raise ValueError(f"num_frames must be 3 or more, got {self.num_frames}")


def write_rooms(
    out: Path,
    options: RoomOptions,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> WorldSummary:
    """Write rooms: clouds with colors and labels, pictures, depth images, poses, lists of splits.

    Room k of seed s is called scene000s_0k; of ScanNet's own, the last number counts scans of one
    room.

    Args:
        out: Folder to create; it may exist if it is empty.
        options: Options of the rooms.
        progress: See `write_world`.
        workers: See `write_world`.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
        ValueError: If `workers` is below 1.
    """
    check_new_folder(out)
    counts = write_scenes(partial(_write_room, out, options), options.num_rooms, workers, progress)
    names = [_name(options, index) for index in range(options.num_rooms)]
    val = names[VAL_EVERY - 1 :: VAL_EVERY]
    for split, chosen in (("train", [n for n in names if n not in val]), ("val", val)):
        (out / f"scannetv2_{split}.txt").write_text("".join(f"{name}\n" for name in chosen))
    num_images = options.num_rooms * options.num_frames
    return WorldSummary(out, "", options.num_rooms, options.num_rooms, num_images, sum(counts))


def _name(options: RoomOptions, index: int) -> str:
    return f"scene{options.seed:04d}_{index:02d}"


def _write_room(out: Path, options: RoomOptions, index: int) -> int:
    """Write one room; return the number of its points."""
    name, room = _name(options, index), build_room(options.seed, index)
    folder = out / "scans" / name
    for kind in ("color", "depth", "pose", "intrinsic"):
        (folder / kind).mkdir(parents=True)
    rng = np.random.default_rng([options.seed, index, _CAMERA_STREAM])
    T_global_room = _draw_frame(rng)
    images, poses = [], []
    for number in range(options.num_frames):
        T_room_camera = _draw_view(room, number / options.num_frames, rng)
        taken = take_images(room, T_room_camera, options.image_size, rng)
        pose = T_global_room @ T_room_camera
        if number != _LOST_FRAME:
            images.append(taken)
            poses.append(pose)
        else:
            pose = np.full((4, 4), -np.inf)
        _write_frame(folder, str(number * _FRAME_STEP), taken, pose)
    intrinsics = depth_intrinsics(options.image_size)
    for kind, matrix in (("color", color_intrinsics(options.image_size)), ("depth", intrinsics)):
        full = np.eye(4)
        full[:3, :3] = matrix
        _write_matrix(folder / "intrinsic" / f"intrinsic_{kind}.txt", full)
    cloud = fuse(images, poses, intrinsics, _VOXEL_SIZE_M)
    _write_cloud(folder, name, cloud)
    return len(cloud.positions)


def _draw_frame(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw T_global_room (4, 4): a reconstruction begins anywhere, with any heading."""
    heading = float(rng.uniform(-math.pi, math.pi))
    cosine, sine = math.cos(heading), math.sin(heading)
    transform = np.eye(4)
    transform[:2, :2] = [[cosine, -sine], [sine, cosine]]
    transform[:3, 3] = [*rng.uniform(-2, 8, 2), rng.uniform(-0.05, 0.05)]
    return transform


def _draw_view(room: Room, turn: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw T_room_camera (4, 4): from behind the middle of the room across it, downwards."""
    heading = 2 * math.pi * turn + float(rng.uniform(-0.15, 0.15))
    pitch = math.radians(float(rng.uniform(12, 32)))
    ahead = np.array([math.cos(heading), math.sin(heading), 0.0])
    forward = math.cos(pitch) * ahead - np.array([0.0, 0.0, math.sin(pitch)])
    right = np.array([math.sin(heading), -math.cos(heading), 0.0])
    transform = np.eye(4)
    transform[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    middle = np.array([room.size[0] / 2, room.size[1] / 2, float(rng.uniform(1.45, 1.7))])
    transform[:3, 3] = middle - 0.25 * min(room.size[:2]) * ahead
    return transform


def _write_frame(folder: Path, stem: str, taken: RoomImages, pose: NDArray[np.float64]) -> None:
    Image.fromarray(taken.color).save(folder / "color" / f"{stem}.jpg", quality=92)
    Image.fromarray(taken.depth_mm).save(folder / "depth" / f"{stem}.png")
    _write_matrix(folder / "pose" / f"{stem}.txt", pose)


def _write_matrix(path: Path, matrix: NDArray[np.float64]) -> None:
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in matrix.tolist()))


def _write_cloud(folder: Path, name: str, cloud: FusedCloud) -> None:
    columns = {axis: cloud.positions[:, k].astype("<f4") for k, axis in enumerate("xyz")}
    for k, channel in enumerate(("red", "green", "blue")):
        columns[channel] = cloud.colors[:, k]
    write_ply_vertices(folder / f"{name}_vh_clean_2.ply", columns)
    labelled = {**columns, "label": cloud.labels.astype("<u2")}
    write_ply_vertices(folder / f"{name}_vh_clean_2.labels.ply", labelled)
