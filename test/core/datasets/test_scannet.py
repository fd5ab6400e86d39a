"""ScanNet's layout: scenes, labels, frames, which points a frame shows, and damaged files."""

from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest
import tiny_scannet as tiny
from PIL import Image

from clip2scene_core.datasets import DatasetError, ScanNetDataset, open_dataset
from clip2scene_core.datasets.label_files import write_scannet_labels
from clip2scene_core.datasets.scannet_format.ply import read_ply_vertices, write_ply_vertices
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import IGNORE_LABEL, SCANNET_CLASSES, scannet_label_map

NAMES = [one.name for one in SCANNET_CLASSES]


def folder_of(root, number=0):
    return root / "scans" / tiny.SCENES[number]


def test_a_scene_is_one_keyframe_with_colors(tiny_scannet):
    dataset = open_dataset(tiny_scannet, with_labels=True)
    assert isinstance(dataset, ScanNetDataset)
    assert [(s.name, s.token, s.num_keyframes) for s in dataset.scenes] == [
        (name, f"scannet-{name}", 1) for name in tiny.SCENES
    ]
    assert [dataset.token(k) for k in range(2)] == [dataset.scene_token(k) for k in range(2)]
    assert dataset.num_previous(1, 9) == 0
    sample = dataset[1]
    sweep, (positions, raw) = sample.keyframe, tiny.room()
    assert sweep.points.shape == (len(positions), 7)
    assert sweep.points.dtype == np.float32
    there = transform_points(sweep.T_global_lidar, sweep.points[:, :3])
    np.testing.assert_allclose(there, positions + tiny.CORNER, atol=1e-5)
    low, high = sweep.points[:, :3].min(axis=0), sweep.points[:, :3].max(axis=0)
    np.testing.assert_allclose(low, -high, atol=1e-5)
    np.testing.assert_array_equal(np.rint(255 * sweep.points[:, 4:]), tiny.colors(positions, 1))
    assert not sweep.points[:, 3].any()
    classes = {tiny.WALL: "wall", tiny.FLOOR: "floor", tiny.BOARD: "other furniture"}
    expected = [NAMES.index(classes[r]) if r in classes else IGNORE_LABEL for r in raw.tolist()]
    assert sweep.labels.tolist() == expected
    assert ScanNetDataset(tiny_scannet)[0].keyframe.labels is None


def test_the_labels_are_those_of_the_benchmark():
    found = {raw: NAMES[k] for raw, k in enumerate(scannet_label_map()) if k != IGNORE_LABEL}
    assert found == {
        1: "wall", 2: "floor", 3: "cabinet", 4: "bed", 5: "chair", 6: "sofa", 7: "table",
        8: "door", 9: "window", 10: "bookshelf", 11: "picture", 12: "counter", 14: "desk",
        16: "curtain", 24: "refrigerator", 28: "shower curtain", 33: "toilet", 34: "sink",
        36: "bathtub", 39: "other furniture",
    }  # fmt: skip


def test_frames_without_a_pose_are_left_out(tiny_scannet):
    cameras = ScanNetDataset(tiny_scannet)[0].cameras
    assert [camera.name for camera in cameras] == ["frame_0", "frame_20"]
    assert [camera.depth.depth_m.shape for camera in cameras] == [tiny.DEPTH_SIZE[::-1]] * 2
    np.testing.assert_array_equal(cameras[1].T_global_camera, tiny.pose(0.4))
    assert np.unique(cameras[0].depth.depth_m).tolist() == [0.0, tiny.BOARD_M, tiny.WALL_M]
    # One frame of each run of frames: with two runs, 0 of (0, 10) and 20.
    assert [c.name for c in ScanNetDataset(tiny_scannet, max_frames=2)[0].cameras] == [
        "frame_0", "frame_20",
    ]  # fmt: skip
    assert [c.name for c in ScanNetDataset(tiny_scannet, max_frames=1)[0].cameras] == ["frame_0"]


def test_a_frame_shows_the_points_that_lie_where_it_measured(tiny_scannet):
    """Against a reference that knows the room and no depth image."""
    sample = ScanNetDataset(tiny_scannet)[0]
    pairs = pair_pixels_with_points([sample.keyframe], sample.cameras)
    positions, _ = tiny.room()
    for number, x in enumerate((0.0, 0.4)):
        across = (positions[:, 0] - x) / positions[:, 1].clip(1e-6)
        up = (positions[:, 2] - tiny.HEIGHT_M) / positions[:, 1].clip(1e-6)
        columns = tiny.FOCAL * across + (tiny.COLOR_SIZE[0] - 1) / 2
        rows = -tiny.FOCAL * up + (tiny.COLOR_SIZE[1] - 1) / 2
        inside = (columns > 0) & (columns < tiny.COLOR_SIZE[0] - 1) & (positions[:, 1] > 0)
        inside &= (rows > 2) & (rows < tiny.COLOR_SIZE[1] - 1)  # the first row has no depth
        # A depth pixel is 0.1 m wide on the board; at its rim either answer is right.
        on_plane = [
            np.abs(np.abs(value) - 0.5) < 0.07
            for value in (x + across * tiny.BOARD_M, up * tiny.BOARD_M)
        ]
        clear = ~(on_plane[0] | on_plane[1])
        of_camera = pairs.camera_index == number
        paired = np.zeros(len(positions), dtype=bool)
        paired[pairs.point_index[of_camera]] = True
        expected = inside & tiny.is_visible(positions, x)
        assert expected[clear].sum() > 100
        np.testing.assert_array_equal(paired[inside & clear], expected[inside & clear])
        rows_of_pairs = pairs.point_index[of_camera]
        np.testing.assert_allclose(
            pairs.pixels[of_camera], np.stack([columns, rows], 1)[rows_of_pairs], atol=1e-3
        )


def test_near_points_count_where_depth_was_measured(tiny_scannet):
    """The LiDAR's nearest metre is no limit for a depth camera."""
    sample = ScanNetDataset(tiny_scannet)[0]
    camera = sample.cameras[0]
    camera.depth.depth_m[:] = 0.5
    points = np.zeros((1, 7), dtype=np.float32)
    sweep = type(sample.keyframe)(points, camera.T_global_camera, 0)
    sweep.points[0, 2] = 0.53
    assert len(pair_pixels_with_points([sweep], [camera])) == 1
    sweep.points[0, 2] = 0.56
    assert len(pair_pixels_with_points([sweep], [camera])) == 0
    # Nor is it one for a cloud with colors and a camera without depth, as on a robot.
    plain = replace(camera, depth=None)
    assert len(pair_pixels_with_points([sweep], [plain])) == 1
    assert len(pair_pixels_with_points([replace(sweep, points=points[:, :4])], [plain])) == 0


def test_intrinsics_follow_pictures_that_were_resized(tiny_scannet):
    path = folder_of(tiny_scannet) / "intrinsic/intrinsic_color.txt"
    full = tiny.intrinsics(1296, 968, 40.0 * 1296 / 64)
    tiny.write_matrix(path, full)
    fitted = ScanNetDataset(tiny_scannet)[0].cameras[0].intrinsics
    expected = tiny.intrinsics(*tiny.COLOR_SIZE, 40.0)[:3, :3]
    np.testing.assert_allclose(fitted[0], expected[0], atol=1e-9)
    np.testing.assert_allclose(fitted[1, 2], expected[1, 2], atol=1e-9)
    tiny.write_matrix(path, tiny.intrinsics(200, 150, 120))
    with pytest.raises(DatasetError, match="pictures of another size"):
        _ = ScanNetDataset(tiny_scannet)[0]


def test_frames_may_lie_apart(tiny_scannet):
    for name in tiny.SCENES:
        apart = tiny_scannet / "scannet_frames_25k" / name
        apart.mkdir(parents=True)
        source = tiny_scannet / "scans" / name
        for kind in ("color", "depth", "pose"):
            shutil.move(source / kind, apart / kind)
        for kind in ("color", "depth"):
            shutil.move(
                source / f"intrinsic/intrinsic_{kind}.txt", apart / f"intrinsics_{kind}.txt"
            )
    assert len(ScanNetDataset(tiny_scannet)[0].cameras) == 2
    # The folders of the scenes may also be the root.
    assert len(open_dataset(tiny_scannet / "scans", with_images=False)) == 2


def test_splits_are_scannet_s_lists(tiny_scannet):
    for split, name in zip(("train", "val"), tiny.SCENES, strict=True):
        assert [s.name for s in open_dataset(tiny_scannet, split=split).scenes] == [name]
    with pytest.raises(DatasetError, match=r"scannetv2_test\.txt"):
        open_dataset(tiny_scannet, split="test")
    with pytest.raises(DatasetError, match="has the splits train, val, test"):
        open_dataset(tiny_scannet, split="minival")
    (tiny_scannet / "scannetv2_val.txt").write_text("scene0001_00 scene0009_00")
    with pytest.raises(DatasetError, match="lacks 1 of 2 scenes, the first is scene0009_00"):
        open_dataset(tiny_scannet, split="val")
    with pytest.raises(DatasetError, match="not both"):
        open_dataset(tiny_scannet, split="val", scenes=["scene0001_00"])


def test_previous_sweeps_are_refused(tiny_scannet):
    with pytest.raises(DatasetError, match="no previous sweeps"):
        open_dataset(tiny_scannet, num_sweeps=2)


def _cut(path):
    path.write_bytes(path.read_bytes()[:-2000])


def _swap_vertices(path):
    positions, raw = tiny.room()
    tiny.write_ply(path, positions[::-1], labels=raw[::-1])


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("{}_vh_clean_2.ply", _cut, "vertices announced"),
        ("{}_vh_clean_2.ply", lambda path: path.write_bytes(b"solid\n"), "no PLY file"),
        ("{}_vh_clean_2.labels.ply", _swap_vertices, "m from those of the cloud"),
        (
            "{}_vh_clean_2.labels.ply",
            lambda path: tiny.write_ply(path, tiny.room()[0][:50], labels=tiny.room()[1][:50]),
            "has 50 vertices, but the cloud",
        ),
        (
            "{}_vh_clean_2.labels.ply",
            lambda path: tiny.write_ply(path, tiny.room()[0], labels=tiny.room()[1] + 1000),
            "NYU's 40 labels are 0 to 40",
        ),
        (
            "{}_vh_clean_2.labels.ply",
            lambda path: tiny.write_ply(path, tiny.room()[0]),
            "has no label for its vertices",
        ),
        ("depth/0.png", lambda p: Image.new("L", (32, 24)).save(p), "one channel of 16 bit"),
        ("depth/0.png", lambda p: Image.new("I;16", (64, 48)).save(p), "are of another size"),
        ("depth/0.png", lambda path: path.write_bytes(b"nothing"), "no readable picture"),
        ("color/0.jpg", lambda path: path.write_bytes(b"nothing"), "no readable picture"),
        ("pose/0.txt", lambda path: path.write_text("1 0 0\n0 1"), "holds no matrix"),
        ("pose/0.txt", lambda path: tiny.write_matrix(path, 2 * np.eye(4)), "is no rotation"),
    ],
)
def test_damaged_files_are_named(tiny_scannet, name, damage, message):
    path = folder_of(tiny_scannet) / name.format(tiny.SCENES[0])
    damage(path)
    with pytest.raises(DatasetError, match=message) as error:
        _ = ScanNetDataset(tiny_scannet, with_labels=True)[0]
    assert path.name.split(".")[0] in str(error.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{}_vh_clean_2.labels.ply", "1 of 2 scenes have no labels, the first is scene0000_00"),
        ("{}_vh_clean_2.ply", "lacks 1 of 2 scenes"),
        ("depth/20.png", "depth lacks 1 of 3 frames of color/, the first is 20.png"),
        ("pose/10.txt", "pose lacks 1 of 3 frames of color/, the first is 10.txt"),
        ("intrinsic/intrinsic_depth.txt", "intrinsics_depth.txt"),
    ],
)
def test_missing_files_are_named_before_anything_is_read(tiny_scannet, name, message):
    (folder_of(tiny_scannet) / name.format(tiny.SCENES[0])).unlink()
    with pytest.raises(DatasetError, match=message):
        ScanNetDataset(tiny_scannet, tiny.SCENES, with_labels=True)


def test_a_scene_that_was_never_tracked_is_refused(tiny_scannet):
    for number in tiny.FRAMES:
        tiny.write_matrix(folder_of(tiny_scannet) / f"pose/{number}.txt", tiny.pose(None))
    with pytest.raises(DatasetError, match="no frame has a pose"):
        _ = ScanNetDataset(tiny_scannet)[0]


@pytest.mark.parametrize("angle_deg", [25, 90])
def test_a_cloud_that_was_turned_is_refused(tmp_path, angle_deg):
    """As by ScanNet's axis alignment: a turn about z, which leaves the floor where it was."""
    pytest.importorskip(
        "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
    )
    from clip2scene_core.world.rooms.writer import RoomOptions, write_rooms

    out = write_rooms(tmp_path / "rooms", RoomOptions(num_rooms=1, image_size=(60, 80))).out
    path = out / "scans/scene0000_00/scene0000_00_vh_clean_2.ply"
    assert len(ScanNetDataset(out)[0].cameras) == 12
    vertices = read_ply_vertices(path, ("x", "y", "z"))
    angle = np.deg2rad(angle_deg)
    turned = {name: vertices[name] for name in vertices.dtype.names}
    turned["x"] = (np.cos(angle) * vertices["x"] - np.sin(angle) * vertices["y"]).astype("<f4")
    turned["y"] = (np.sin(angle) * vertices["x"] + np.cos(angle) * vertices["y"]).astype("<f4")
    write_ply_vertices(path, turned)
    with pytest.raises(DatasetError, match="not turned by axisAlignment"):
        _ = ScanNetDataset(out)[0]
    assert ScanNetDataset(out, with_images=False)[0].cameras == ()


def test_scenes_without_frames(tiny_scannet):
    shutil.rmtree(folder_of(tiny_scannet) / "color")
    assert [len(ScanNetDataset(tiny_scannet, with_images=None)[k].cameras) for k in (0, 1)] == [
        0,
        2,
    ]
    assert ScanNetDataset(tiny_scannet, with_images=False)[1].cameras == ()
    with pytest.raises(DatasetError, match="open the data set without images"):
        ScanNetDataset(tiny_scannet)


@pytest.mark.parametrize("form", ["ascii", "binary_big_endian"])
def test_other_forms_of_ply(tiny_scannet, form):
    before = ScanNetDataset(tiny_scannet, with_labels=True, with_images=False)[0].keyframe
    positions, raw = tiny.room()
    path = folder_of(tiny_scannet) / "scene0000_00_vh_clean_2{}.ply"
    tiny.write_ply(
        path.with_name(path.name.format("")), positions, tiny.colors(positions, 0), form=form
    )
    tiny.write_ply(path.with_name(path.name.format(".labels")), positions, labels=raw, form=form)
    after = ScanNetDataset(tiny_scannet, with_labels=True, with_images=False)[0].keyframe
    np.testing.assert_allclose(after.points, before.points, atol=1e-6)
    np.testing.assert_array_equal(after.labels, before.labels)


def test_predictions_are_written_for_the_benchmark(tmp_path):
    labels = np.array([0, 19, IGNORE_LABEL, 12], dtype=np.uint8)
    path = write_scannet_labels(tmp_path / "out", "scannet-scene0707_00", labels)
    assert (path.name, path.read_text()) == ("scene0707_00.txt", "1\n39\n0\n14\n")
    with pytest.raises(ValueError, match="0 to 19"):
        write_scannet_labels(tmp_path, "scannet-scene0707_00", labels + 1)
    with pytest.raises(ValueError, match="no scene of ScanNet"):
        write_scannet_labels(tmp_path, "semantic-kitti-08-000012", labels)
