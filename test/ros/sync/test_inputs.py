"""Which topic goes to which method of the synchronizer."""

from __future__ import annotations

import pytest
import ros_messages
from synchronizer_inputs import MS, POINTS, START, make_synchronizer

from clip2scene_ros.sync.inputs import find_input, inputs_of

INFO = "sensor_msgs/msg/CameraInfo"
TF = "tf2_msgs/msg/TFMessage"


@pytest.fixture
def synchronizer():
    return make_synchronizer(has_extrinsics=False, cameras=("cam_front",))


def test_the_inputs_are_those_of_the_profile_and_its_cameras(synchronizer):
    topics = {name: each.topic for name, each in inputs_of(synchronizer).items()}
    assert topics == {
        "lidar": "/lidar_top",
        "cam_front image": "/cam_front/image_rect_compressed",
        "cam_front info": "/cam_front/camera_info",
        "odometry": "/odom",
        "tf": "/tf",
        "tf_static": "/tf_static",
    }


@pytest.mark.parametrize(
    ("topic", "message_type", "name"),
    [
        ("/cam_front/camera_info", INFO, "cam_front info"),
        ("cam_front/camera_info", INFO, "cam_front info"),
        ("/robot/tf", TF, "tf"),
        ("robot/tf_static", TF, "tf_static"),
        ("/cam_back/camera_info", INFO, None),
    ],
)
def test_a_bags_topic_is_found(synchronizer, topic, message_type, name):
    inputs = inputs_of(synchronizer)
    assert find_input(inputs, topic, message_type) is (inputs[name] if name else None)


def test_a_sweep_comes_out_of_what_the_inputs_take(synchronizer):
    inputs = inputs_of(synchronizer)
    rig = [(0, "base_link", frame, (0, 0, 2)) for frame in ("lidar_top", "cam_front")]
    pose = (START, "map", "base_link", (0, 0, 0))
    image = ros_messages.compressed_image(ros_messages.jpeg(), START)
    for name, message in (
        ("tf_static", ros_messages.transforms(*rig)),
        ("tf", ros_messages.transforms(pose)),
        ("cam_front info", ros_messages.camera_info()),
        ("cam_front image", image),
        ("lidar", ros_messages.cloud(POINTS, START)),
    ):
        inputs[name].take(message, START)
    synchronized = synchronizer.next_sweep(START + MS)
    assert synchronized is not None
    assert [view.name for view in synchronized.cameras] == ["cam_front"]
