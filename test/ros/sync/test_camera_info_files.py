from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.sample import PINHOLE, Lens
from clip2scene_ros.messages.camera_info import camera_model
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
        intrinsics, lens = camera_model(infos[name], (8, 16))
        assert lens == PINHOLE
        np.testing.assert_array_equal(intrinsics, [[focal, 0, 8], [0, 10, 4], [0, 0, 1]])


def test_an_image_of_another_size_scales_the_intrinsics(folder):
    info = load_camera_infos(f"{folder}/front.yaml", ["front"])["front"]
    intrinsics, _ = camera_model(info, (16, 32))
    np.testing.assert_array_equal(intrinsics, [[20, 0, 16], [0, 20, 8], [0, 0, 1]])


def test_a_file_of_camera_calibration_says_it_all(tmp_path):
    """As its cameracalibrator writes it, with fixed decimals and the rectified image's matrix."""
    (tmp_path / "front.yaml").write_text(
        "image_width: 640\nimage_height: 480\ncamera_name: narrow_stereo\n"
        "camera_matrix:\n  rows: 3\n  cols: 3\n"
        "  data: [438.78360,   0.     , 305.59336,\n           0.     , 437.35224, 243.73870,\n"
        "           0.     ,   0.     ,   1.     ]\n"
        "distortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n  cols: 5\n"
        "  data: [-0.361976, 0.110510, 0.001014, 0.000505, 0.000000]\n"
        "rectification_matrix:\n  rows: 3\n  cols: 3\n"
        "  data: [1.000000, 0., 0., 0., 1., 0., 0., 0., 1.]\n"
        "projection_matrix:\n  rows: 3\n  cols: 4\n"
        "  data: [393.65329,   0.     , 322.79793,   0.     ,\n"
        "           0.     , 418.77383, 241.28585,   0.     ,\n"
        "           0.     ,   0.     ,   1.     ,   0.     ]\n"
    )
    info = load_camera_infos(f"{tmp_path}/front.yaml", ["front"])["front"]
    intrinsics, lens = camera_model(info, (480, 640))
    assert intrinsics.tolist() == [[438.7836, 0, 305.59336], [0, 437.35224, 243.7387], [0, 0, 1]]
    assert lens == Lens("brown", (-0.361976, 0.11051, 0.001014, 0.000505, 0.0))
    intrinsics, lens = camera_model(info, (480, 640), is_rectified=True)
    assert intrinsics.tolist() == [[393.65329, 0, 322.79793], [0, 418.77383, 241.28585], [0, 0, 1]]
    assert lens == PINHOLE


def test_a_file_of_a_fisheye_is_a_fisheyes(tmp_path):
    (tmp_path / "front.yaml").write_text(
        "{image_width: 16, image_height: 8, camera_matrix: {data: [7, 0, 8, 0, 7, 4, 0, 0, 1]}, "
        "distortion_model: equidistant, "
        "distortion_coefficients: {rows: 1, cols: 4, data: [-0.02, 0.007, -3e-3, 1e-05]}}"
    )
    info = load_camera_infos(f"{tmp_path}/front.yaml", ["front"])["front"]
    assert camera_model(info, (8, 16))[1] == Lens("fisheye", (-0.02, 0.007, -3e-3, 1e-5))


def test_a_file_without_a_model_is_a_plumb_bobs(tmp_path):
    text = CALIBRATION.format(name="front", focal=10, k1=-0.3)
    (tmp_path / "front.yaml").write_text(text.replace("distortion_model: plumb_bob\n", ""))
    info = load_camera_infos(f"{tmp_path}/front.yaml", ["front"])["front"]
    assert camera_model(info, (8, 16))[1] == Lens("brown", (-0.3, 0, 0, 0, 0))


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
        (
            "{camera_matrix: {data: [1, 2, 3, 4, 5, 6, 7, 8, 9]}, projection_matrix: {data: [1]}}",
            "projection_matrix must have 12 finite numbers",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_refused_by_name(tmp_path, text, complaint):
    (tmp_path / "front.yaml").write_text(text)
    with pytest.raises(CalibrationFileError, match=complaint) as error:
        load_camera_infos(str(tmp_path / "front.yaml"), ["front"])
    assert str(tmp_path / "front.yaml") in str(error.value)


def test_a_long_value_is_cut_in_the_message(folder):
    path = folder / "front.yaml"
    for value, changed in (("k1", {"k1": "a" * 5000}), ("focal", {"focal": "[1, 2]"})):
        text = CALIBRATION.format(**{"name": "front", "focal": 10.0, "k1": 0, **changed})
        path.write_text(text)
        with pytest.raises(CalibrationFileError, match="must have data") as error:
            load_camera_infos(str(path), ["front"])
        assert len(str(error.value)) < 1000, value
    path.write_text(CALIBRATION.format(name="front", focal=10.0, k1=0).replace("16", "b" * 5000, 1))
    with pytest.raises(CalibrationFileError, match="must be a number of pixels") as error:
        load_camera_infos(str(path), ["front"])
    assert len(str(error.value)) < 1000
