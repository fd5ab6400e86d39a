"""Real frames: files in the layouts of their data sets, written here with made-up numbers."""

import math
from pathlib import Path

import numpy as np
import pytest

from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.real_frames import (
    Box,
    digest_real_frames,
    read_real_frames,
)
from clip2scene_core.labels import IGNORE_LABEL

# KITTI's axes: the camera's x right, y down, z forward; the LiDAR's x forward, y left, z up.
CALIBRATION = """P2: 700 0 600 0 0 700 180 0 0 0 1 0
R0_rect: 1 0 0 0 1 0 0 0 1
Tr_velo_to_cam: 0 -1 0 0 0 0 -1 0 1 0 0 0
"""


def write_kitti(folder: Path) -> None:
    for name in ("velodyne", "calib", "label_2"):
        (folder / name).mkdir(parents=True)
    # 10 m ahead and 2 m to the left: a car that heads to the left of the view.
    points = np.array([[10.0, 2.0, -1.0, 0.4], [10.0, 3.8, -1.0, 0.2], [11.5, 2.0, -1.0, 0.1]])
    points.astype("<f4").tofile(folder / "velodyne" / "000007.bin")
    (folder / "calib" / "000007.txt").write_text(CALIBRATION)
    (folder / "label_2" / "000007.txt").write_text(
        "Car 0 0 0 0 0 0 0 1.6 1.8 4.0 -2.0 1.7 10.0 0.0\n"
        "Cyclist 0 0 0 0 0 0 0 1.7 0.6 1.8 9.0 1.7 20.0 0.0\n"
        "DontCare -1 -1 -10 0 0 0 0 -1 -1 -1 -1000 -1000 -1000 -10\n"
    )


def test_a_box_contains_what_is_inside_of_its_turned_sides():
    box = Box("car", np.array([5.0, 0.0, 0.0]), np.array([4.0, 2.0, 1.0]), math.pi / 2)
    points = np.array([[5.0, 1.9, 0.0], [6.9, 0.0, 0.0], [5.0, 0.0, 0.6], [5.9, -1.9, 0.4]])
    assert box.contains(points.astype(np.float32)).tolist() == [True, False, False, True]
    assert box.contains(points.astype(np.float32), margin_m=0.2).tolist() == [
        True, False, True, True,
    ]  # fmt: skip


def test_boxes_of_kitti_come_in_the_frame_of_the_lidar(tmp_path):
    write_kitti(tmp_path / "kitti_object" / "training")
    (frame,) = read_real_frames(tmp_path)
    assert frame.name == "KITTI 000007"
    assert [box.kind for box in frame.boxes] == ["car", ""]
    assert not frame.is_boxed_around
    car = frame.boxes[0]
    np.testing.assert_allclose(car.center, [10.0, 2.0, -0.9], atol=1e-9)
    # rotation_y = 0 heads along the camera's x, to the right: its length lies along y.
    assert car.contains(frame.points).tolist() == [True, True, False]


def test_labels_of_semantickitti_become_groups(tmp_path):
    folder = tmp_path / "semantickitti_scan"
    folder.mkdir()
    np.zeros((4, 4), "<f4").tofile(folder / "000003.bin")
    raw = np.array([252, 72, 0, 40], "<u4") | 5 << 16  # an instance in the upper half
    raw.astype("<u4").tofile(folder / "000003.label")
    (frame,) = read_real_frames(tmp_path)
    assert frame.groups.tolist() == [
        GROUPS.index("vehicle"), GROUPS.index("terrain"), IGNORE_LABEL, GROUPS.index("flat"),
    ]  # fmt: skip


def test_other_frames_have_another_digest(tmp_path):
    """Of the points and of the boxes; what was measured of others is not taken for theirs."""
    folder = tmp_path / "kitti_object" / "training"
    write_kitti(folder)
    first = digest_real_frames(tmp_path)
    assert digest_real_frames(tmp_path) == first
    label = folder / "label_2" / "000007.txt"
    label.write_text(label.read_text().replace("Car 0 0", "Van 0 0"))
    second = digest_real_frames(tmp_path)
    np.ones((2, 4), "<f4").tofile(folder / "velodyne" / "000007.bin")
    assert len({first, second, digest_real_frames(tmp_path)}) == 3


def test_a_folder_without_frames_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="holds no semantickitti_scan/"):
        read_real_frames(tmp_path)


def test_the_shared_frames_lie_in_their_boxes():
    """Where real frames are at hand: each box of the keyframe holds about the points it says."""
    root = Path(__file__).parents[5] / "shared" / "data"
    if not (root / "nuscenes_keyframe").is_dir():
        pytest.skip("no real frames in ../shared/data")
    frames = {frame.name: frame for frame in read_real_frames(root)}
    keyframe = frames["nuScenes keyframe"]
    truck = max(keyframe.boxes, key=lambda box: int(box.contains(keyframe.points).sum()))
    assert truck.kind == "other vehicle"
    assert int(truck.contains(keyframe.points).sum()) == pytest.approx(495, rel=0.05)
    person = next(box for box in frames["KITTI 000000"].boxes if box.kind == "person")
    assert int(person.contains(frames["KITTI 000000"].points).sum()) > 100
