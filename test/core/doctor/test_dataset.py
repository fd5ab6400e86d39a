"""Damaged data sets each give their finding; whole ones give no problem."""

import json
import re
import shutil

import numpy as np
import pytest
from checkout import SHARED_DATA
from kitti_frames import write_kitti_frames
from PIL import Image

from clip2scene_core.datasets import open_dataset
from clip2scene_core.doctor.dataset import DatasetExamination, DatasetPlace
from clip2scene_core.doctor.finding import Finding, Level, problems_of
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.tiles import TilePyramid
from clip2scene_core.training.pretrain.data.pixel_embeddings import fill_cache


def examine(root, **how):
    examination = DatasetExamination(DatasetPlace(root, **how))
    examination.run()
    return examination.findings


def worst(findings):
    return [f"{finding.subject}: {finding.text}" for finding in problems_of(findings)]


def lines_of(findings, subject):
    return [finding.text for finding in findings if finding.subject == subject]


def table(root, name):
    path = root / "v1.0-tiny" / f"{name}.json"
    return path, json.loads(path.read_text())


@pytest.fixture(params=["tiny_nuscenes", "tiny_kitti", "tiny_scannet"])
def whole(request):
    return request.getfixturevalue(request.param)


def test_a_finding_says_what_to_do():
    with pytest.raises(ValueError, match="what to do"):
        Finding(Level.PROBLEM, "files", "one is missing")


def test_a_whole_data_set_has_no_problem(whole):
    findings = examine(whole)
    assert worst(findings) == []
    assert "as long as they should be" in lines_of(findings, "files")[0]
    assert all(finding.remedy for finding in findings if finding.level is not Level.OK)


def test_no_data_set_at_all(tmp_path):
    (found,) = worst(examine(tmp_path))
    assert "no data set that can be read" in found


def test_missing_files_are_counted_by_scene(tiny_nuscenes):
    shutil.rmtree(tiny_nuscenes / "sweeps" / "LIDAR_TOP")
    found = worst(examine(tiny_nuscenes))
    assert len(found) == 1
    assert "4 files are missing" in found[0]
    assert "0 of 1 scenes are whole" in found[0]


@pytest.mark.parametrize(
    ("pattern", "keep", "said"),
    [
        ("samples/LIDAR_TOP/0.pcd.bin", -7, "not a multiple of 20"),
        ("samples/LIDAR_TOP/0.pcd.bin", -20, "labels for 47 points"),
        ("sweeps/LIDAR_TOP/2.pcd.bin", 0, "it is empty"),
        ("samples/CAM_BACK/0.jpg", -30, "does not end as a picture"),
    ],
)
def test_files_that_are_cut_off(tiny_nuscenes, pattern, keep, said):
    path = tiny_nuscenes / pattern
    path.write_bytes(path.read_bytes()[:keep])
    found = worst(examine(tiny_nuscenes))
    assert said in found[0]
    assert path.name.split(".")[0] in found[0]


def test_zeros_in_place_of_a_picture(tiny_kitti):
    path = tiny_kitti / "sequences/00/image_2/000001.png"
    path.write_bytes(bytes(path.stat().st_size))
    found = worst(examine(tiny_kitti))
    assert "it holds zeros" in found[0]


def test_tables_that_lack_rows(tiny_nuscenes):
    path, rows = table(tiny_nuscenes, "ego_pose")
    path.write_text(json.dumps(rows[:-1]))
    assert "lacks 1 poses" in worst(examine(tiny_nuscenes))[0]
    path.write_text(path.read_text()[:-10])
    assert "not a valid table" in worst(examine(tiny_nuscenes))[0]


def test_labels_that_do_not_exist(tiny_nuscenes):
    (path,) = list((tiny_nuscenes / "lidarseg/v1.0-tiny").glob("LIDAR_TOP-0*"))
    np.full(48, 77, np.uint8).tofile(path)
    found = worst(examine(tiny_nuscenes))
    assert len(found) == 1
    assert "77" in found[0]


def test_labels_are_not_needed(tiny_nuscenes):
    (tiny_nuscenes / "v1.0-tiny/lidarseg.json").unlink()
    assert worst(examine(tiny_nuscenes)) == []


def test_a_sequence_without_calibration_leaves_the_others(tiny_kitti):
    (tiny_kitti / "sequences/08/calib.txt").unlink()
    findings = examine(tiny_kitti)
    found = worst(findings)
    assert any("1 of 2 scenes cannot be read (08)" in line for line in found)
    assert lines_of(findings, "files")  # those of sequence 00
    shutil.copytree(tiny_kitti / "sequences/00", tiny_kitti / "sequences/01")
    scan = tiny_kitti / "sequences/01/velodyne/000001.bin"
    scan.write_bytes(scan.read_bytes()[:-3])
    assert any("not a multiple of 16" in line for line in worst(examine(tiny_kitti)))


def test_a_sequence_with_a_hole(tiny_kitti):
    (tiny_kitti / "sequences/00/velodyne/000002.bin").unlink()
    found = worst(examine(tiny_kitti))
    assert any("000002" in line for line in found)


def test_a_scene_of_scannet_that_is_cut_off(tiny_scannet):
    path = tiny_scannet / "scans/scene0001_00/scene0001_00_vh_clean_2.ply"
    path.write_bytes(path.read_bytes()[:-50])
    found = worst(examine(tiny_scannet))
    assert "scene0001_00_vh_clean_2.ply: is no readable PLY file" in found[0]


def change_points(root, change):
    for path in (root / "samples/LIDAR_TOP").iterdir():
        points = np.fromfile(path, np.float32).reshape(-1, 5)
        change(points)
        points.tofile(path)


def test_intensities_of_another_scale(tiny_nuscenes):
    change_points(tiny_nuscenes, lambda points: np.multiply(points[:, 3], 16, out=points[:, 3]))
    findings = examine(tiny_nuscenes)
    (found,) = problems_of(findings)
    assert found.subject == "intensity"
    assert "--intensity-scale 4095" in found.remedy
    assert worst(examine(tiny_nuscenes, intensity_scale=4095)) == []


def test_intensities_that_are_constant(tiny_nuscenes):
    change_points(tiny_nuscenes, lambda points: points[:, 3].fill(0))
    findings = examine(tiny_nuscenes)
    assert "one number" in lines_of(findings, "intensity")[0]


def test_extrinsics_the_wrong_way_round(tiny_nuscenes):
    path, rows = table(tiny_nuscenes, "calibrated_sensor")
    for row in rows:
        if row["token"] == "calibration-CAM_FRONT":
            row["rotation"] = [0.5, 0.5, -0.5, 0.5]  # the inverse
            row["translation"] = [0, 0, 500.0]
    path.write_text(json.dumps(rows))
    (found,) = worst(examine(tiny_nuscenes))
    assert found.startswith("camera cam_front: ")
    assert found.endswith(": none")


def test_a_matrix_of_another_size_of_picture(tiny_nuscenes):
    path, rows = table(tiny_nuscenes, "calibrated_sensor")
    for row in rows:
        if row["camera_intrinsic"]:
            row["camera_intrinsic"] = [[60.0, 0, 56], [0, 60.0, 32], [0, 0, 1]]
    path.write_text(json.dumps(rows))
    found = worst(examine(tiny_nuscenes))
    assert "the calibration is of a picture of about 112 x 64" in found[0]


def test_stamps_that_fall_are_told(tiny_kitti):
    (tiny_kitti / "sequences/00/times.txt").write_text("0\n0.1\n0.05\n0.3\n")
    findings = examine(tiny_kitti)
    told = [f for f in findings if f.level is not Level.OK]
    assert any("earlier than the one before" in f.text or "rise" in f.text for f in told)


def test_a_picture_of_another_size(tiny_nuscenes):
    path = tiny_nuscenes / "samples/CAM_BACK/0.jpg"
    Image.new("RGB", (28, 16)).save(path)
    assert "the table says 32 x 56" in worst(examine(tiny_nuscenes))[0]


def test_time_of_the_teacher_is_measured_if_it_is_named(tiny_nuscenes, tiny_clip, tmp_path):
    examination = DatasetExamination(DatasetPlace(tiny_nuscenes))
    examination.run(f"small:{tiny_clip}", tmp_path / "not" / "there")
    (text,) = lines_of(examination.findings, "teacher")
    assert text.startswith("4 pictures of ")
    assert "tiny" not in lines_of(examination.findings, "disk")[0]


def test_tiles_are_counted_where_points_lie_and_timed(tiny_nuscenes, tiny_clip, tmp_path):
    dataset = open_dataset(tiny_nuscenes)
    cache = TeacherCache(
        tmp_path, DenseClip(load_clip(f"small:{tiny_clip}"), None), TilePyramid(num_levels=3)
    )
    fill_cache(cache, dataset, range(len(dataset)), lambda done, total: None)
    lists = [json.loads(path.read_text()) for path in cache.folder.glob("tiles/*.json")]
    counts = [len(tiles) - 1 for keyframe in lists for tiles in keyframe]
    assert sum(counts) > len(counts)

    examination = DatasetExamination(DatasetPlace(tiny_nuscenes))
    examination.run(f"small:{tiny_clip}", tmp_path)
    (text,) = lines_of(examination.findings, "far things")
    told = re.search(r"about (\d+) tiles a picture, \d+ s and", text)
    assert told is not None
    assert int(told[1]) == round(np.mean(counts))


def test_without_a_teacher_tiles_have_no_time(tiny_nuscenes):
    examination = DatasetExamination(DatasetPlace(tiny_nuscenes))
    examination.run()
    (text,) = lines_of(examination.findings, "far things")
    assert re.search(r"tiles a picture, \d+\.\d\d GB$", text)


def test_the_real_keyframe_is_calibrated(real_keyframe, tmp_path):
    examination = DatasetExamination(DatasetPlace(real_keyframe))
    examination.run()
    assert worst(examination.findings) == []
    (fit,) = [f for f in examination.findings if f.subject == "projection"]
    assert fit.level is Level.OK
    assert "better than in 100 %" in fit.text
    assert examination.keyframes.save_picture(tmp_path / "shown.png")
    assert Image.open(tmp_path / "shown.png").width > 2000


def test_a_real_keyframe_with_a_camera_that_was_turned(real_keyframe, tmp_path):
    root = tmp_path / "turned"
    shutil.copytree(real_keyframe, root)
    path = root / "v1.0-mini" / "calibrated_sensor.json"
    rows = json.loads(path.read_text())
    half = np.radians(2.0) / 2
    for row in rows:
        if row["camera_intrinsic"]:
            w, x, y, z = row["rotation"]
            cos, sin = np.cos(half), np.sin(half)  # times a turn about the camera's y
            row["rotation"] = [
                w * cos - y * sin, x * cos - z * sin, y * cos + w * sin, z * cos + x * sin
            ]  # fmt: skip
    path.write_text(json.dumps(rows))
    findings = examine(root)
    (fit,) = [f for f in findings if f.subject == "projection"]
    assert fit.level is Level.NOTE


def test_a_real_scan_of_kitti(tmp_path):
    scan = SHARED_DATA / "semantickitti_scan"
    if not scan.is_dir():
        pytest.skip("the real scan is not beside this repository")
    folder = tmp_path / "sequences" / "00"
    for kind, pattern in (("velodyne", "*.bin"), ("labels", "*.label")):
        (folder / kind).mkdir(parents=True)
        shutil.copy(next(scan.rglob(pattern)), folder / kind / f"000000{pattern[1:]}")
    findings = examine(tmp_path)
    assert "classes" in lines_of(findings, "labels")[-1]
    assert "below the sensor" in lines_of(findings, "ground")[0]


def test_real_frames_of_kitti(tmp_path):
    write_kitti_frames(tmp_path)
    findings = examine(tmp_path)
    assert worst(findings) == []
    (fit,) = [f for f in findings if f.subject == "projection"]
    assert "better than in" in fit.text
    assert fit.level is Level.OK
