import json
import re
from pathlib import Path

import numpy as np
import pytest
from street_sweep import make_street

from clip2scene_core.corruptions.apply import corrupt, corrupt_points
from clip2scene_core.corruptions.corruption import STRENGTHS, Corruption
from clip2scene_core.corruptions.writer import write_corrupted
from clip2scene_core.datasets import DatasetError, NuScenesDataset, Sample, read_points
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables

NUM_KEYFRAMES = 2


@pytest.fixture
def street(tiny_nuscenes: Path) -> Path:
    return make_street(tiny_nuscenes)


def write(source: Path, out: Path, kind: str, strength: int = 3, seed: int = 0):
    return write_corrupted(
        NuScenesTables(source, None, None), out, Corruption(kind, strength, seed)
    )


def read(root: Path, num_sweeps: int = 3) -> list[Sample]:
    dataset = NuScenesDataset(root, num_sweeps=num_sweeps, with_labels=True)
    return [dataset[index] for index in range(len(dataset))]


def table(root: Path, name: str) -> list[dict]:
    return json.loads((root / "v1.0-tiny" / f"{name}.json").read_text())


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_written_data_set_reads_as_the_samples_do_in_memory(street, tmp_path, kind):
    out = tmp_path / "out"
    summary = write(street, out, kind)
    assert (summary.num_keyframes, summary.num_sweeps) == (NUM_KEYFRAMES, 6)
    for original, written in zip(read(street), read(out), strict=True):
        if kind == "time_offset" and len(original.sweeps) == 1:
            continue  # in memory, the first keyframe shows no motion
        expected = corrupt(original, Corruption(kind, 3))
        for a, b in zip(written.sweeps, expected.sweeps, strict=True):
            np.testing.assert_allclose(a.points, b.points, atol=1e-5)
        np.testing.assert_array_equal(written.keyframe.labels, expected.keyframe.labels)
        assert [view.name for view in written.cameras] == [v.name for v in expected.cameras]
        for a, b in zip(written.cameras, expected.cameras, strict=True):
            np.testing.assert_allclose(a.T_global_camera, b.T_global_camera, atol=1e-6)
            assert a.stamp_ns == b.stamp_ns
            # JPEG is written once more.
            assert np.abs(a.image.astype(int) - b.image).mean() < 3


def test_raw_labels_rings_and_things_go_with_their_points(street, tmp_path):
    out = tmp_path / "out"
    write(street, out, "cross_talk", 5)
    (record, *_) = (r for r in table(street, "sample_data") if r["token"] == "LIDAR_TOP-0")
    before, after = (read_points(root / record["filename"]) for root in (street, out))
    points = before[:, :4] / np.array([1, 1, 1, 255], dtype=np.float32)
    stamp_ns = record["timestamp"] * 1000
    echoes = corrupt_points(points, Corruption("cross_talk", 5), "scene-a", stamp_ns)
    assert echoes.is_false.any()
    np.testing.assert_array_equal(after[:, 4], before[echoes.beam, 4])
    raw = np.fromfile(out / "lidarseg/v1.0-tiny/LIDAR_TOP-0_lidarseg.bin", dtype=np.uint8)
    is_true = ~echoes.is_false
    np.testing.assert_array_equal(raw[is_true], (echoes.beam % 32)[is_true])
    assert (raw[echoes.is_false] == 0).all()
    with np.load(out / "objects" / "sample-0.npz") as objects:
        np.testing.assert_array_equal(objects["index"][is_true], echoes.beam[is_true])
        assert (objects["index"][echoes.is_false] == -1).all()
        assert objects["index"].dtype == np.int32
        assert objects["words"].tolist() == ["car"]


def test_class_images_are_kept_and_the_corruption_is_named(street, tmp_path):
    out = tmp_path / "out"
    write(street, out, "fog", 2, seed=9)
    image = out / "class_images" / "sample-0" / "CAM_FRONT.png"
    assert image.read_bytes() == b"as it is"
    named = json.loads((out / "corruption.json").read_text())
    assert named == {"kind": "fog", "strength": 2, "seed": 9}


def test_lost_cameras_are_gone_from_the_table_and_from_the_disk(street, tmp_path):
    out = tmp_path / "out"
    assert write(street, out, "camera_loss", 1).num_images == 3
    channels = {row["filename"].split("/")[1] for row in table(out, "sample_data")}
    assert len(channels) == 2
    assert "LIDAR_TOP" in channels
    assert {path.parent.name for path in out.rglob("*.jpg")} == channels - {"LIDAR_TOP"}
    write(street, tmp_path / "blind", "camera_loss", 5)
    assert all(sample.cameras == () for sample in read(tmp_path / "blind"))


def test_a_wrong_calibration_is_a_row_of_its_own_for_each_scene(street, tmp_path):
    out = tmp_path / "out"
    write(street, out, "calibration")
    before, after = (table(root, "calibrated_sensor") for root in (street, out))
    assert after[: len(before)] == before
    assert len(after) == len(before) + 2
    used = {row["calibrated_sensor_token"] for row in table(out, "sample_data")}
    assert used == {"calibration-LIDAR_TOP", *(row["token"] for row in after[len(before) :])}


def test_late_images_have_late_stamps_and_poses(street, tmp_path):
    out = tmp_path / "out"
    write(street, out, "time_offset")
    rows = {row["token"]: row for row in table(out, "sample_data")}
    poses = {row["token"]: row for row in table(out, "ego_pose")}
    for before in table(street, "sample_data"):
        if before["token"] not in rows:
            continue  # radar
        after = rows[before["token"]]
        is_camera = before["token"].startswith("CAM")
        late_us = 100_000 if is_camera else 0
        assert after["timestamp"] - before["timestamp"] == late_us
        x = poses[after["ego_pose_token"]]["translation"][0]
        seconds = (before["timestamp"] - 1_500_000_000_000_000) / 1e6
        assert x == pytest.approx(100 + 10 * seconds + late_us / 1e5)


def test_the_seed_decides_and_the_data_set_does_not_change(street, tmp_path):
    def contents(root: Path) -> dict[str, bytes]:
        files = (path for path in sorted(root.rglob("*")) if path.is_file())
        return {str(path.relative_to(root)): path.read_bytes() for path in files}

    original = contents(street)
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        write(street, tmp_path / name, "rain", 5, seed)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert contents(tmp_path / "a") != contents(tmp_path / "c")
    assert contents(street) == original


def test_only_the_open_scenes_are_written(street, tmp_path):
    folder = street / "v1.0-tiny"
    for name, field in (("scene", "token"), ("sample", "scene_token")):
        rows = table(street, name)
        second = [{**row, "token": f"{row['token']}-b", field: "scene-b"} for row in rows]
        second = [{**row, "name": "scene-0002"} if name == "scene" else row for row in second]
        (folder / f"{name}.json").write_text(json.dumps(rows + second))
    tables = NuScenesTables(street, None, ["scene-0001"])
    write_corrupted(tables, tmp_path / "out", Corruption("cross_talk", 1))
    assert [row["token"] for row in table(tmp_path / "out", "scene")] == ["scene-a"]
    assert {row["scene_token"] for row in table(tmp_path / "out", "sample")} == {"scene-a"}


def test_what_was_interrupted_does_not_open(street, tmp_path):
    next((street / "sweeps" / "LIDAR_TOP").iterdir()).unlink()
    with pytest.raises(DatasetError, match="missing"):
        write(street, tmp_path / "out", "cross_talk")
    with pytest.raises(DatasetError, match=re.escape("v1.0-*")):
        NuScenesDataset(tmp_path / "out")


def test_labels_of_another_length_are_refused(street, tmp_path):
    next(street.rglob("*_lidarseg.bin")).write_bytes(b"\0" * 7)
    with pytest.raises(DatasetError, match="7 values"):
        write(street, tmp_path / "out", "cross_talk")


def test_damaged_things_are_refused(street, tmp_path):
    (street / "objects" / "sample-0.npz").write_bytes(b"PK\3\4 not a zip file")
    with pytest.raises(DatasetError, match="damaged file of objects"):
        write(street, tmp_path / "out", "cross_talk")


def test_a_folder_of_a_former_version_is_refused(street, tmp_path):
    (street / "objects").rename(street / "things")
    with pytest.raises(DatasetError, match="an older version, which called objects/ things/"):
        write(street, tmp_path / "out", "cross_talk")
    assert not (tmp_path / "out").exists()


def test_an_existing_data_set_is_never_written_over(street):
    with pytest.raises(FileExistsError, match="not empty"):
        write(street, street, "fog")


@pytest.mark.parametrize("kind", ["beam_loss", "calibration"])
def test_the_real_keyframe_is_corrupted_without_labels(real_keyframe, tmp_path, kind):
    out = tmp_path / "out"
    summary = write(real_keyframe, out, kind, 2)
    assert (summary.num_keyframes, summary.num_sweeps, summary.num_images) == (1, 1, 6)
    before, after = NuScenesDataset(real_keyframe)[0], NuScenesDataset(out)[0]
    assert (len(after.keyframe.points) < len(before.keyframe.points)) == (kind == "beam_loss")
    for a, b in zip(after.cameras, before.cameras, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        is_same_place = np.allclose(a.T_global_camera, b.T_global_camera)
        assert is_same_place == (kind == "beam_loss")


def test_intensities_keep_the_full_scale_of_the_files(street, tmp_path, caplog):
    for path in street.rglob("*.pcd.bin"):
        raw = read_points(path)
        raw[:, 3] *= 257
        raw.tofile(path)
    tables, corruption = NuScenesTables(street, None, None), Corruption("motion_smear", 1)
    write_corrupted(tables, tmp_path / "out", corruption, intensity_scale=65535)
    assert caplog.records == []
    for path in (tmp_path / "out").rglob("*.pcd.bin"):
        original = read_points(street / path.relative_to(tmp_path / "out"))[:, 3]
        np.testing.assert_allclose(read_points(path)[:, 3], original, rtol=1e-5)
