"""Scans in SemanticKITTI's layout, against naive references and on real data where it is there."""

import shutil

import numpy as np
import pytest
from checkout import SHARED_DATA
from kitti_frames import KITTI_FRAMES, write_kitti_frames
from PIL import Image
from tiny_kitti import BASELINES, CENTER, FOCAL, TR, picture, points_of, pose_text, raw_labels

from clip2scene_core.datasets import SEMANTIC_KITTI_SPLITS, DatasetError, SemanticKittiDataset
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.labels import IGNORE_LABEL, SEMANTIC_KITTI_CLASSES

NAMES = [one.name for one in SEMANTIC_KITTI_CLASSES]
REAL_SCAN = SHARED_DATA / "semantickitti_scan"
ONE_SWEEP = {"with_images": False, "with_poses": False}


def test_scans_come_sequence_by_sequence(tiny_kitti):
    dataset = SemanticKittiDataset(tiny_kitti)
    assert [(scene.name, scene.num_keyframes) for scene in dataset.scenes] == [("00", 4), ("08", 2)]
    assert len(dataset) == 6
    tokens = [sample.token for sample in dataset]
    assert tokens == [dataset.token(index) for index in range(6)]
    assert tokens[3:5] == ["semantic-kitti-00-000003", "semantic-kitti-08-000000"]
    assert dataset[4].scene_token == dataset.scene_token(4) == dataset.scenes[1].token
    assert [dataset.num_previous(index, 2) for index in range(6)] == [0, 1, 2, 2, 0, 1]
    np.testing.assert_array_equal(dataset[4].keyframe.points, points_of(8, 0))
    with pytest.raises(IndexError, match="6 scans, got the index 6"):
        dataset.token(6)


def test_sequences_are_chosen_and_ordered(tiny_kitti):
    dataset = SemanticKittiDataset(tiny_kitti, scenes=["08", "00"])
    assert [scene.name for scene in dataset.scenes] == ["08", "00"]
    with pytest.raises(DatasetError, match=r"no sequence 01, 02, .* it has 00, 08"):
        SemanticKittiDataset(tiny_kitti, SEMANTIC_KITTI_SPLITS["train"])
    splits = [set(names) for names in SEMANTIC_KITTI_SPLITS.values()]
    assert [len(names) for names in splits] == [10, 1, 11]
    assert set.union(*splits) == {f"{number:02d}" for number in range(22)}


def test_poses_are_those_of_the_lidar(tiny_kitti):
    """A point that stands still has one place in the first camera, whatever the LiDAR's way."""
    sample = SemanticKittiDataset(tiny_kitti, num_sweeps=10)[3]
    stamps_ns = [sweep.stamp_ns for sweep in sample.sweeps]
    assert stamps_ns == [312_000_000, 208_000_000, 104_000_000, 0]
    np.testing.assert_allclose(sample.sweeps[3].T_global_lidar, np.eye(4), atol=1e-9)
    for sweep, number in zip(sample.sweeps, (3, 2, 1, 0), strict=True):
        np.testing.assert_array_equal(sweep.points, points_of(0, number))
        pose = [float(value) for value in pose_text(number).split()]
        for x, y, z, _ in sweep.points[:5].tolist():
            camera = [row[0] * x + row[1] * y + row[2] * z + row[3] for row in TR.tolist()]
            world = [
                sum(pose[4 * i + j] * camera[j] for j in range(3)) + pose[4 * i + 3]
                for i in range(3)
            ]
            back = np.linalg.solve(TR[:, :3], np.array(world) - TR[:, 3])
            ours = sweep.T_global_lidar @ [x, y, z, 1]
            np.testing.assert_allclose(ours[:3], back, atol=1e-6)


def test_pixels_are_those_of_the_projection_matrices(tiny_kitti):
    sample = SemanticKittiDataset(tiny_kitti)[2]
    assert [camera.name for camera in sample.cameras] == ["image_2", "image_3"]
    assert {camera.stamp_ns for camera in sample.cameras} == {208_000_000}
    for camera, side in zip(sample.cameras, (2, 3), strict=True):
        np.testing.assert_array_equal(camera.image, np.asarray(picture(2, side)))
        expected = {}
        for row, (x, y, z, _) in enumerate(sample.keyframe.points.tolist()):
            right, down, ahead = (r[0] * x + r[1] * y + r[2] * z + r[3] for r in TR.tolist())
            if ahead > 1:
                u = CENTER[0] + FOCAL * (right + BASELINES[side]) / ahead
                v = CENTER[1] + FOCAL * down / ahead
                if 0 < u < 55 and 0 < v < 31:
                    expected[row] = (u, v)
        pairs = pair_pixels_with_points([sample.keyframe], [camera])
        assert pairs.point_index.tolist() == sorted(expected)
        assert len(expected) > 5
        np.testing.assert_allclose(pairs.pixels, [expected[row] for row in sorted(expected)], 1e-4)


def test_labels_are_the_nineteen_classes_with_moving_ones_folded(tiny_kitti):
    sample = SemanticKittiDataset(tiny_kitti, num_sweeps=2, with_labels=True)[1]
    raw = (raw_labels() & 0xFFFF).tolist()
    by_raw = dict(zip(raw, sample.keyframe.labels.tolist(), strict=True))
    assert sample.keyframe.labels.dtype == np.uint8
    assert sample.sweeps[1].labels is None
    assert {raw for raw, label in by_raw.items() if label == IGNORE_LABEL} == {0, 1, 52, 99}
    moving = {252: "car", 253: "bicyclist", 254: "person", 255: "motorcyclist", 258: "truck"}
    named = {10: "car", 40: "road", 60: "road", 16: "other vehicle", 81: "traffic sign"}
    for raw, name in (moving | named | dict.fromkeys((256, 257, 259), "other vehicle")).items():
        assert NAMES[by_raw[raw]] == name


def test_what_is_not_asked_for_need_not_be_there(tiny_kitti):
    for sequence in (tiny_kitti / "sequences").iterdir():
        for kind in ("labels", "image_2", "image_3"):
            shutil.rmtree(sequence / kind)
        for name in ("calib.txt", "poses.txt", "times.txt"):
            (sequence / name).unlink()
    sample = SemanticKittiDataset(tiny_kitti, **ONE_SWEEP)[3]
    assert sample.cameras == ()
    assert sample.keyframe.stamp_ns == 300_000_000  # ten scans a second
    np.testing.assert_array_equal(sample.keyframe.T_global_lidar, np.eye(4))
    assert SemanticKittiDataset(tiny_kitti, with_images=None, with_poses=False)[0].cameras == ()
    with pytest.raises(DatasetError, match="opened without poses"):
        SemanticKittiDataset(tiny_kitti, **ONE_SWEEP).load(3, (1,))
    for options, message in (
        ({"with_labels": True, **ONE_SWEEP}, r"00 has no labels/; unpack data_odometry_labels"),
        ({"with_poses": False}, "neither image_2/ nor image_3/; unpack"),
        ({"with_images": False}, r"calib.txt is missing; .* unpack data_odometry_calib.zip"),
    ):
        with pytest.raises(DatasetError, match=message):
            SemanticKittiDataset(tiny_kitti, **options)


def test_without_poses_cameras_still_see_their_scan(tiny_kitti):
    located, alone = (
        SemanticKittiDataset(tiny_kitti, with_poses=with_poses)[3] for with_poses in (True, False)
    )
    pairs = [pair_pixels_with_points(sample.sweeps, sample.cameras) for sample in (located, alone)]
    np.testing.assert_array_equal(pairs[0].point_index, pairs[1].point_index)
    np.testing.assert_allclose(pairs[0].pixels, pairs[1].pixels, atol=1e-3)


def test_poses_may_lie_where_kitti_has_them(tiny_kitti):
    expected = SemanticKittiDataset(tiny_kitti)[3].keyframe.T_global_lidar
    (tiny_kitti / "poses").mkdir()
    for name in ("00", "08"):
        (tiny_kitti / f"sequences/{name}/poses.txt").rename(tiny_kitti / f"poses/{name}.txt")
    found = SemanticKittiDataset(tiny_kitti)[3].keyframe.T_global_lidar
    np.testing.assert_array_equal(found, expected)


def test_a_sequence_may_begin_later(tiny_kitti):
    expected = SemanticKittiDataset(tiny_kitti)[3].keyframe
    for kind in ("velodyne/000000.bin", "velodyne/000001.bin"):
        (tiny_kitti / "sequences/00" / kind).unlink()
    dataset = SemanticKittiDataset(tiny_kitti)
    assert dataset.token(1) == "semantic-kitti-00-000003"
    np.testing.assert_array_equal(dataset[1].keyframe.T_global_lidar, expected.T_global_lidar)
    assert dataset[1].keyframe.stamp_ns == expected.stamp_ns
    assert dataset.num_previous(1, 5) == 1


def cut(path) -> None:
    path.write_bytes(path.read_bytes()[:-5])


def halve(path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_line(path) -> None:
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def in_16_bits(path) -> None:
    Image.fromarray(np.full((32, 56), 3000, np.uint16)).save(path)


@pytest.mark.parametrize(
    ("file", "damage", "message"),
    [
        ("velodyne/000001.bin", cut, "955 bytes, not a multiple of 16; it is truncated"),
        ("velodyne/000001.bin", lambda path: path.unlink(), "lacks 1 scans, the first is 000001"),
        ("labels/000001.label", cut, "235 bytes, not a multiple of 4; it is truncated"),
        ("labels/000001.label", lambda path: path.write_bytes(b"\0" * 8), "2 labels, .* 60 points"),
        ("labels/000001.label", lambda path: path.unlink(), "000001.label is missing"),
        ("image_2/000001.png", halve, "no readable picture"),
        ("image_2/000001.png", in_16_bits, "000001.png has 16 bits per channel"),
        ("image_3/000001.png", lambda path: path.unlink(), "000001.png is missing"),
        ("poses.txt", drop_line, "poses.txt has 3 lines, but the scans go up to 000003.bin"),
        ("times.txt", drop_line, "times.txt has 3 lines"),
        ("calib.txt", lambda path: path.write_text("P2: 1 2 3\n"), "has no Tr, nor R0_rect"),
        ("calib.txt", lambda path: path.write_text("Tr: 1 2 3\n"), "Tr must be 12 numbers"),
    ],
)
def test_damage_is_named(tiny_kitti, file, damage, message):
    damage(tiny_kitti / "sequences/00" / file)
    with pytest.raises(DatasetError, match=message):
        SemanticKittiDataset(tiny_kitti, with_labels=True)[1]


def test_cut_numbers_in_poses_are_refused(tiny_kitti):
    poses = tiny_kitti / "sequences/00/poses.txt"
    poses.write_text(poses.read_text().rstrip().rpartition(" ")[0])
    with pytest.raises(DatasetError, match="must have 12 numbers in each line"):
        SemanticKittiDataset(tiny_kitti)


def test_labels_and_intensities_of_another_kind_are_refused(tiny_kitti):
    labels = tiny_kitti / "sequences/00/labels/000000.label"
    (np.arange(60, dtype=np.uint32) % 19).tofile(labels)
    with pytest.raises(DatasetError, match="the raw label 2, which SemanticKITTI does not have"):
        SemanticKittiDataset(tiny_kitti, with_labels=True, **ONE_SWEEP)[0]
    points = points_of(0, 0)
    points[:, 3] *= 255
    points.tofile(tiny_kitti / "sequences/00/velodyne/000000.bin")
    with pytest.raises(DatasetError, match=r"intensities from .* KITTI's are 0 to 1; give the"):
        SemanticKittiDataset(tiny_kitti, **ONE_SWEEP)[0]
    mended = SemanticKittiDataset(tiny_kitti, intensity_scale=255, **ONE_SWEEP)[0].keyframe.points
    np.testing.assert_allclose(mended, points_of(0, 0), rtol=1e-5)
    points[0, 3], points[1:, 3] = np.nan, 0.5
    points.tofile(tiny_kitti / "sequences/00/velodyne/000000.bin")
    read = SemanticKittiDataset(tiny_kitti, **ONE_SWEEP)[0].keyframe.points
    np.testing.assert_array_equal(read, points)


def test_the_real_scan_has_its_labels(tmp_path):
    if not REAL_SCAN.is_dir():
        pytest.skip("the real SemanticKITTI scan is not beside this repository")
    for kind, name in (("velodyne", "000000.bin"), ("labels", "000000.label")):
        folder = tmp_path / "sequences/08" / kind
        folder.mkdir(parents=True)
        shutil.copy(REAL_SCAN / name, folder)
    keyframe = SemanticKittiDataset(tmp_path, with_labels=True, **ONE_SWEEP)[0].keyframe
    assert keyframe.points.shape == (123_389, 4)
    raw = np.fromfile(REAL_SCAN / "000000.label", np.uint32) & 0xFFFF
    assert set(raw[keyframe.labels == NAMES.index("road")]) <= {40, 60}
    assert set(raw[keyframe.labels == NAMES.index("car")]) <= {10, 252}
    assert (keyframe.labels == IGNORE_LABEL).sum() == np.isin(raw, [0, 1, 52, 99]).sum()
    # The road lies below the sensor, which drives at 1.73 m; buildings reach above it.
    height_m = {n: np.median(keyframe.points[keyframe.labels == NAMES.index(n), 2]) for n in
                ("road", "car", "vegetation")}  # fmt: skip
    assert -2.1 < height_m["road"] < -1.5
    assert height_m["road"] < height_m["car"] < height_m["vegetation"] + 2


def test_points_in_real_boxes_are_seen_in_the_boxes_of_the_picture(tmp_path):
    """The boxes of KITTI's object frames, in 3D and in the picture, were made by other people."""
    write_kitti_frames(tmp_path)
    checked = 0
    dataset = SemanticKittiDataset(tmp_path, with_poses=False)
    for number, sample in enumerate(dataset):
        (camera,) = sample.cameras
        assert camera.image.shape[1] > 1200
        pairs = pair_pixels_with_points([sample.keyframe], [camera])
        points = sample.keyframe.points[pairs.point_index, :3]
        T_camera_lidar = np.linalg.inv(camera.T_global_camera)
        seen = points @ T_camera_lidar[:3, :3].T + T_camera_lidar[:3, 3]
        for line in (KITTI_FRAMES / f"label_2/{number:06d}.txt").read_text().splitlines():
            kind, *values = line.split()
            left, top, right, bottom, height, width, length, x, y, z, turn = map(float, values[3:])
            if kind == "DontCare":
                continue
            # Boxes stand on (x, y, z) of the rectified camera 0, 6 cm from camera 2.
            off = seen - [x + 0.06, y - height / 2, z]
            along = np.cos(turn) * off[:, 0] - np.sin(turn) * off[:, 2]
            across = np.sin(turn) * off[:, 0] + np.cos(turn) * off[:, 2]
            inside = (
                (np.abs(along) < length / 2) & (np.abs(across) < width / 2)
                & (np.abs(off[:, 1]) < height / 2)
            )  # fmt: skip
            u, v = pairs.pixels[inside].T
            if inside.sum() < 5:
                continue
            margin = 6
            in_box = (
                (u > left - margin) & (u < right + margin)
                & (v > top - margin) & (v < bottom + margin)
            )  # fmt: skip
            assert in_box.mean() > 0.95, (number, kind, in_box.mean())
            checked += 1
    assert checked >= 4


def test_a_picture_that_was_resized_is_refused(tiny_kitti):
    path = tiny_kitti / "sequences/00/image_2/000001.png"
    picture(1, 2).resize((28, 16)).save(path)
    dataset = SemanticKittiDataset(tiny_kitti, ["00"])
    with pytest.raises(DatasetError, match=r"000001.png is 28 x 16 pixels, but .* at 28, 16"):
        dataset[1]
