"""Furnished rooms in ScanNet's layout: geometry, labels, depth, and what the reader finds."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets import ScanNetDataset, open_dataset
from clip2scene_core.datasets.scannet_format.frames import read_matrix
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL, SCANNET_CLASSES
from clip2scene_core.world.primitives.parts import BOX, Primitives
from clip2scene_core.world.rooms.depth_camera import (
    color_intrinsics,
    depth_intrinsics,
    take_images,
)
from clip2scene_core.world.rooms.furniture import NYU
from clip2scene_core.world.rooms.room import Room, build_room
from clip2scene_core.world.rooms.writer import RoomOptions, write_rooms

OPTIONS = RoomOptions(num_rooms=5, seed=3, image_size=(60, 80))
SHELL = 5  # floor and walls


@pytest.fixture(scope="module")
def rooms(tmp_path_factory) -> Path:
    return write_rooms(tmp_path_factory.mktemp("rooms") / "data", OPTIONS).out


def corners(primitives: Primitives, part: int) -> np.ndarray:
    signs = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)])
    return primitives.center[part] + (signs * primitives.half[part]) @ primitives.axes[part]


@pytest.mark.parametrize("index", range(8))
def test_pieces_stand_in_the_room_and_not_in_each_other(index):
    room = build_room(0, index)
    boxes = {}
    for part, instance in enumerate(room.primitives.instance.tolist()):
        if instance < SHELL:
            continue
        low, high = corners(room.primitives, part).min(0), corners(room.primitives, part).max(0)
        assert (low > -1e-6).all(), part
        assert (high < np.array(room.size) + 1e-6).all(), part
        before = boxes.get(instance, (low, high))
        boxes[instance] = np.minimum(before[0], low), np.maximum(before[1], high)
    # The chairs of a table are pushed under it.
    labels = dict(zip(room.primitives.instance.tolist(), room.primitives.category, strict=True))
    apart = [k for k in boxes if labels[k] not in (NYU["table"], NYU["chair"])]
    for k, one in enumerate(apart):
        for other in apart[k + 1 :]:
            overlap = np.minimum(boxes[one][1], boxes[other][1]) - np.maximum(
                boxes[one][0], boxes[other][0]
            )
            assert overlap.min() < 1e-6, (labels[one], labels[other])


def test_four_rooms_have_the_classes_of_the_benchmark():
    found: set[int] = set()
    for index in range(12):
        found |= {*build_room(0, index).primitives.category.tolist()}
    assert {one.name for one in SCANNET_CLASSES} <= {name for name in NYU if NYU[name] in found}
    assert build_room(0, 1).size == build_room(0, 1).size
    assert build_room(0, 1).size != build_room(1, 1).size


def test_depth_is_that_of_a_wall():
    """Against a plane: what a camera 2 m before a wall measures is 2 m everywhere."""
    wall = Primitives(
        np.array([BOX]), np.array([[5.05, 0.0, 0.0]]), np.eye(3)[None], np.array([[0.05, 9, 9]]),
        np.zeros((1, 3)), np.zeros(1, np.int64), np.full((1, 3), 0.5), np.array([1], np.uint8),
        np.zeros(1, np.int64),
    )  # fmt: skip
    pose = np.eye(4)
    pose[:3, :3] = np.array([[0, 0, 1], [-1, 0, 0], [0, -1, 0]])
    pose[0, 3] = 3.0
    images = take_images(Room((4, 4, 2.5), wall), pose, (60, 80), np.random.default_rng(0))
    assert images.depth_mm.shape == (30, 40)
    assert images.color.shape == (60, 80, 3)
    assert (images.labels == NYU["wall"]).all()
    assert np.abs(images.depth_mm / 1000 - 2).max() < 0.02
    assert 0 < (images.depth_mm / 1000).std() < 0.006
    pose[0, 3] = -2.0  # farther than it measures
    far = take_images(Room((4, 4, 2.5), wall), pose, (60, 80), np.random.default_rng(0))
    assert not far.depth_mm.any()


def test_depth_pixels_are_pixels_of_the_picture():
    color, depth = (invert_k(k((60, 80))) for k in (color_intrinsics, depth_intrinsics))
    for row, column in ((0, 0), (7, 3), (29, 39)):
        there = color @ np.array([2.0 * column, 2.0 * row, 1])
        np.testing.assert_allclose(depth @ np.array([column, row, 1.0]), there, atol=1e-12)


def invert_k(matrix: np.ndarray) -> np.ndarray:
    return np.linalg.inv(matrix)


def test_the_reader_finds_what_was_built(rooms):
    dataset = open_dataset(rooms, with_labels=True)
    assert isinstance(dataset, ScanNetDataset)
    assert [s.name for s in dataset.scenes] == [f"scene0003_{k:02d}" for k in range(5)]
    assert [s.name for s in open_dataset(rooms, split="val").scenes] == ["scene0003_04"]
    assert len(open_dataset(rooms, split="train")) == 4
    sample = dataset[0]
    points, labels = sample.keyframe.points, sample.keyframe.labels
    assert len(points) > 5000
    assert len(sample.cameras) == OPTIONS.num_frames - 1  # one lost its pose
    # The floor is level, the lowest, and as large as the room.
    floor = points[labels == 1]
    assert floor[:, 2].std() < 0.01
    assert abs(floor[:, 2].mean() - points[:, 2].min()) < 0.05
    assert np.ptp(points[:, 2]) == pytest.approx(build_room(3, 0).size[2], abs=0.6)
    assert (labels != IGNORE_LABEL).mean() > 0.95


def test_points_lie_on_the_parts_that_they_are_labelled_as(rooms):
    """Against the boxes of the room themselves, not against another rendering."""
    room, sample = build_room(3, 0), ScanNetDataset(rooms, with_labels=True)[0]
    T_global_room = _frame_of(rooms)
    there = transform_points(
        invert(T_global_room) @ sample.keyframe.T_global_lidar, sample.keyframe.points[:, :3]
    )
    primitives, names = room.primitives, [one.name for one in SCANNET_CLASSES]
    for name in ("wall", "floor", "sofa", "bookshelf"):
        on_class = there[sample.keyframe.labels == names.index(name)]
        parts = np.flatnonzero(primitives.category == NYU[name])
        offset = np.einsum(
            "pij,pnj->pni", primitives.axes[parts], on_class[None] - primitives.center[parts, None]
        )
        beyond = np.abs(offset) - primitives.half[parts, None]
        gap = np.linalg.norm(np.maximum(beyond, 0), axis=2).min(axis=0)
        assert len(on_class) > 50, name
        assert np.percentile(gap, 98) < 0.03, name


def _frame_of(rooms: Path) -> np.ndarray:
    """T_global_room of room 0, as the writer draws it first."""
    from clip2scene_core.world.rooms.writer import _CAMERA_STREAM, _draw_frame

    return _draw_frame(np.random.default_rng([3, 0, _CAMERA_STREAM]))


def test_pixels_have_the_color_of_their_points(rooms):
    """Poses, intrinsics of both cameras and colors agree."""
    sample = ScanNetDataset(rooms)[2]
    pairs = pair_pixels_with_points([sample.keyframe], sample.cameras)
    differences = []
    for number, camera in enumerate(sample.cameras):
        of_camera = pairs.camera_index == number
        columns, rows = np.rint(pairs.pixels[of_camera]).astype(int).T
        shown = camera.image[rows, columns] / 255
        colors = sample.keyframe.points[pairs.point_index[of_camera], 4:]
        differences.append(np.abs(shown - colors).max(axis=1))
    difference = np.concatenate(differences)
    assert len(difference) > 5000
    assert np.median(difference) < 0.03
    assert (difference < 0.15).mean() > 0.9
    seen = np.unique(pairs.point_index)
    assert len(seen) > 0.97 * len(sample.keyframe.points)  # all came from some frame


def test_a_frame_has_lost_its_pose(rooms):
    poses = [read_matrix(path) for path in sorted((rooms / "scans").glob("*_00/pose/*.txt"))]
    assert sum(np.isneginf(pose).all() for pose in poses) == 1
    depth = np.array(Image.open(rooms / "scans/scene0003_00/depth/0.png"))
    assert depth.dtype == np.uint16


def test_files_do_not_depend_on_the_number_of_workers(tmp_path):
    options = RoomOptions(num_rooms=2, image_size=(16, 20), num_frames=3)
    digests = []
    for workers in (1, 2):
        out = write_rooms(tmp_path / str(workers), options, workers=workers).out
        files = sorted(path for path in out.rglob("*") if path.is_file())
        digests.append([hashlib.sha256(path.read_bytes()).hexdigest() for path in files])
    assert digests[0] == digests[1]
    assert len(digests[0]) == 2 * (3 * 3 + 2 + 2) + 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_rooms": 101}, "1 to 100"),
        ({"num_rooms": 1, "image_size": (61, 80)}, "even"),
        ({"num_rooms": 1, "num_frames": 2}, "3 or more"),
    ],
)
def test_options_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        RoomOptions(**change)
