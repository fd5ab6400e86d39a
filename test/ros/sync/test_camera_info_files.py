from __future__ import annotations

import numpy as np
import pytest

from clip2scene_ros.messages.decode import CalibrationError, intrinsics_from_camera_info
from clip2scene_ros.sync.camera_info_files import CalibrationFileError, load_camera_infos

CALIBRATION = """\
image_width: 16
image_height: 8
camera_name: {name}
camera_matrix:
  rows: 3
  cols: 3
  data: [{focal}, 0, 8, 0, 10, 4, 0, 0, 1]
distortion_model: plumb_bob
distortion_coefficients:
  rows: 1
  cols: 5
  data: [{k1}, 0, 0, 0, 0]
rectification_matrix:
  rows: 3
  cols: 3
  data: [1, 0, 0, 0, 1, 0, 0, 0, 1]
"""


@pytest.fixture
def folder(tmp_path):
    for name, focal in (("front", 10.0), ("back", 20.0)):
        text = CALIBRATION.format(name=name, focal=focal, k1=0)
        (tmp_path / f"{name}.yaml").write_text(text)
    return tmp_path


@pytest.mark.parametrize("url", ["{}/{{camera}}.yaml", "file://{}/${{NAME}}.yaml"])
def test_each_camera_has_its_own_file(folder, url):
    infos = load_camera_infos(url.format(folder), ["front", "back"])
    for name, focal in (("front", 10.0), ("back", 20.0)):
        intrinsics = intrinsics_from_camera_info(infos[name], (8, 16))
        np.testing.assert_array_equal(intrinsics, [[focal, 0, 8], [0, 10, 4], [0, 0, 1]])


def test_an_image_of_another_size_scales_the_intrinsics(folder):
    info = load_camera_infos(f"{folder}/front.yaml", ["front"])["front"]
    intrinsics = intrinsics_from_camera_info(info, (16, 32))
    np.testing.assert_array_equal(intrinsics, [[20, 0, 16], [0, 20, 8], [0, 0, 1]])


def test_a_distorted_camera_is_refused_when_its_image_comes(tmp_path):
    (tmp_path / "front.yaml").write_text(CALIBRATION.format(name="front", focal=10, k1=-0.3))
    info = load_camera_infos(f"{tmp_path}/front.yaml", ["front"])["front"]
    with pytest.raises(CalibrationError, match=r"distortion \[-0\.3, 0\.0, 0\.0, 0\.0, 0\.0\]"):
        intrinsics_from_camera_info(info, (8, 16))


def test_a_file_in_a_package_is_found(folder, monkeypatch):
    packages = pytest.importorskip(
        "ament_index_python.packages", reason="needs ROS packages: pip install '.[ros]'"
    )
    monkeypatch.setattr(packages, "get_package_share_directory", {"my_robot": str(folder)}.get)
    infos = load_camera_infos("package://my_robot/${NAME}.yaml", ["back"])
    assert infos["back"].k[0] == 20.0


def test_capitals_are_a_variable_of_their_own(folder):
    (folder / "front.yaml").rename(folder / "FRONT.yaml")
    assert load_camera_infos(f"{folder}/{{CAMERA}}.yaml", ["front"])["front"].width == 16


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("{}/front.yaml", r"must contain \$\{NAME\} or \{camera\}, because there are 2 cameras"),
        ("{}/${{ROS_HOME}}/${{NAME}}.yaml", r"knows no variable but \$\{NAME\}"),
        ("https://host/${{NAME}}.yaml", "must be file:// or package://"),
        ("{}/{{camera}}.yml", "front.yml: cannot be read"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(folder, url, complaint):
    with pytest.raises(CalibrationFileError, match=complaint):
        load_camera_infos(url.format(folder), ["front", "back"])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("a: [", "not valid YAML"),
        ("just text", "must hold the keys"),
        ("image_width: 16", "camera_matrix must have data, a list of numbers; got None"),
        ("camera_matrix: {data: [1, 2]}", "camera_matrix must have 9 finite numbers"),
        ("camera_matrix: {data: [1, 2, 3, 4, 5, 6, 7, 8, .nan]}", "must have 9 finite numbers"),
        ("camera_matrix: {data: [1, 2, 3, 4, 5, 6, 7, 8, 9]}", "image_height must be a number"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path, text, complaint):
    (tmp_path / "front.yaml").write_text(text)
    with pytest.raises(CalibrationFileError, match=complaint) as error:
        load_camera_infos(str(tmp_path / "front.yaml"), ["front"])
    assert str(tmp_path / "front.yaml") in str(error.value)
