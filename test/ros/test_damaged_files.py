"""Every reader of the shell turns whatever damage into its own error, of one short line."""

from __future__ import annotations

import yaml
from damage import EXAMPLES, damaged_bytes, damaged_tree
from hypothesis import given

from clip2scene_ros.launch_arguments import LaunchError, topics_of_bag
from clip2scene_ros.sync.camera_info_files import CalibrationFileError, load_camera_infos
from clip2scene_ros.sync.extrinsics import ExtrinsicsError, load_extrinsics

EXTRINSICS = {
    "transforms": [
        {
            "parent": "base_link", "child": "lidar", "translation": [0.0, 0.0, 1.5],
            "rotation_xyzw": [0.0, 0.0, 0.0, 1.0],
        }
    ]
}  # fmt: skip
CAMERA = {
    "image_width": 64, "image_height": 36, "camera_name": "front",
    "camera_matrix": {"rows": 3, "cols": 3, "data": [30.0, 0, 32, 0, 30.0, 18, 0, 0, 1]},
    "distortion_model": "plumb_bob",
    "distortion_coefficients": {"rows": 1, "cols": 5, "data": [0.0] * 5},
}  # fmt: skip
METADATA = {
    "rosbag2_bagfile_information": {
        "topics_with_message_count": [
            {
                "topic_metadata": {
                    "name": "/points", "type": "sensor_msgs/msg/PointCloud2",
                    "serialization_format": "cdr",
                },
                "message_count": 3,
            }
        ]
    }
}  # fmt: skip


def damage_of(values):
    return damaged_tree(values).map(lambda v: yaml.safe_dump(v).encode()) | damaged_bytes(
        yaml.safe_dump(values).encode()
    )


def read_or_refuse(read, error):
    try:
        read()
    except error as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017
        assert len(str(refusal)) < 1000  # noqa: PT017


@EXAMPLES
@given(damage_of(EXTRINSICS))
def test_extrinsics(tmp_path, content):
    path = tmp_path / "extrinsics.yaml"
    path.write_bytes(content)
    read_or_refuse(lambda: load_extrinsics(path), ExtrinsicsError)


@EXAMPLES
@given(damage_of(CAMERA))
def test_calibrations(tmp_path, content):
    path = tmp_path / "front.yaml"
    path.write_bytes(content)
    read_or_refuse(lambda: load_camera_infos(str(path), ["front"]), CalibrationFileError)


@EXAMPLES
@given(damage_of(METADATA))
def test_metadata_of_bags(tmp_path, content):
    (tmp_path / "metadata.yaml").write_bytes(content)
    read_or_refuse(lambda: topics_of_bag(tmp_path), LaunchError)
