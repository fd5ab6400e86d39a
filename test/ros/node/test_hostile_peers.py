"""What any peer may send: forged lines, endless names, clouds and prompts beyond all measure."""

from __future__ import annotations

import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from nav_msgs.msg import Odometry
from ros_graph import ERROR, ONE_PER_QUADRANT, labels_of, make_cloud, make_image, make_info, stamp
from sensor_msgs.msg import PointCloud2, PointField
from std_msgs.msg import String

from clip2scene_ros.node import bounds
from clip2scene_ros.node.bounds import MAX_EDGES, EdgeLimit, reason_to_refuse

pytestmark = pytest.mark.ros

FORGED = "x\n[ERROR] [1700000000.000000000] [planner]: brakes failed\x1b[31m\x1b]0;owned\x07"
ENDLESS = "n" * 1_000_000


def forged_frame(cloud):
    cloud.header.frame_id = FORGED


def endless_frame(cloud):
    cloud.header.frame_id = ENDLESS


def forged_field(cloud):
    cloud.fields = [*cloud.fields, PointField(name=FORGED, offset=0, datatype=99, count=1)]


def endless_fields(cloud):
    cloud.fields = [PointField(name=str(i), offset=0, datatype=7, count=1) for i in range(10_000)]


def two_million_points(cloud):
    cloud.width, cloud.row_step = 2_000_000, 8_000_000
    cloud.point_step, cloud.data = 4, bytes(8_000_000)


def two_million_points_that_are_not_there(cloud):
    cloud.width = 2_000_000


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (forged_frame, r"the name 'x\n[ERROR] [1700000000.000000000] [planner]: brakes failed\x1b"),
        (endless_frame, "nnn...' (1000000 characters) is longer than 255 characters"),
        (forged_field, r"the name 'x\n[ERROR]"),
        (endless_fields, "a cloud of 10000 fields, the node takes 64"),
        (two_million_points, "a cloud of 2000000 points and 8000000 bytes, the node takes 1000000"),
        (two_million_points_that_are_not_there, "a cloud of 2000000 points and 80 bytes"),
    ],
)
def test_a_cloud_beyond_the_limits_is_refused_in_one_short_line(
    start_robot, capfd, spoil, complaint
):
    robot = start_robot()
    robot.label(1.0)
    cloud = make_cloud(ONE_PER_QUADRANT, 2.0)
    spoil(cloud)
    robot.publishers["cloud"].publish(cloud)
    item = robot.spin_until_diagnosed("lidar", "/points: ", complaint)
    assert item.level == ERROR
    assert all(text.isprintable() for text in texts_of(robot))
    assert len(item.message) < 300
    assert labels_of(robot.label(3.0)) == [0, 1, 2, 3]
    assert robot.labelled_s == [1.0, 3.0]
    check_log(capfd)


def texts_of(robot):
    """All that the node said on /diagnostics."""
    for array in robot.received.diagnostics:
        for status in array.status:
            yield status.message
            yield from (pair.value for pair in status.values)


def check_log(capfd):
    """No line of the log may be forged, steer a terminal, or be endless."""
    lines = capfd.readouterr().err.splitlines()
    assert lines
    for line in lines:
        assert line.isprintable()
        assert len(line) < 1500
        assert "[planner]" not in line or "[clip2scene]" in line.partition("[planner]")[0]


def test_a_short_forged_name_that_gets_far_is_quoted_where_it_is_shown(start_robot, capfd):
    """A frame of printable characters goes the whole way, and to the log of the tree."""
    robot = start_robot(pose_source="odometry", tf_timeout=0.05)
    for stamp_s in (1.0, 2.0):
        robot.publish_pose(stamp_s)
    robot.send(1.5, frame="all is well [ERROR]")
    robot.spin_until_diagnosed("tf", "frame 'all is well [ERROR]' is unknown")
    check_log(capfd)


@pytest.mark.parametrize("text", [FORGED, "x" * 10_000_000])
def test_a_query_that_cannot_be_used_is_refused_in_one_short_line(start_robot, capfd, text):
    robot = start_robot()
    queries = robot.driver.create_publisher(String, "/clip2scene/query", 5)
    robot.spin_until(queries.get_subscription_count)
    queries.publish(String(data=text if text == FORGED else text + "unknown"))
    if text != FORGED:  # the fake segmenter knows any word
        robot.spin_for(1.0)
        lines = capfd.readouterr().err.splitlines()
        (line,) = [line for line in lines if "~/query: refused 'xxx" in line]
        assert "(10000007 characters)" in line
        assert len(line) < 1000
        assert robot.node.get_parameter("query").value == ""
    else:
        robot.spin_until(lambda: robot.node.get_parameter("query").value == FORGED)
        check_log(capfd)


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"prompts": [f"thing {i}" for i in range(10_000)]}, "has 10000 entries"),
        ({"prompts": [f"thing {i}" for i in range(900)]}, "1 to 254 prompts, got 900"),
        ({"prompts": ["x" * 10_000_000]}, "(10000000 characters), the node takes texts of 4096"),
        ({"prompts": ["x" * 2000]}, "a text of 2000 characters is too long"),
        ({"prompt_groups": [f"g{i}: " + "a|" * 1000 for i in range(900)]}, "texts are too many"),
        ({"prompt_names": [ENDLESS] * 4}, "(1000000 characters)"),
        ({"prompt_template": "{}" + ENDLESS}, "(1000002 characters)"),
        ({"query": ENDLESS}, "(1000000 characters)"),
        ({"palette": list(range(256)) * 100}, "has 25600 entries"),
        ({"map.save_path": ENDLESS + ".npz"}, "(1000004 characters)"),
        ({"prompts": [FORGED, FORGED]}, r"names must differ, got x [ERROR]"),
    ],
)
def test_prompts_beyond_the_limits_are_refused_at_once(start_robot, capfd, parameters, complaint):
    robot = start_robot()
    before = robot.node.values
    begin_s = time.monotonic()
    ((is_taken, reason),) = robot.set_parameters(**parameters)
    assert time.monotonic() - begin_s < 10.0
    assert not is_taken
    assert complaint in reason
    assert reason.isprintable()
    assert len(reason) < 1100
    assert robot.node.values is before
    check_log(capfd)


def test_what_prompts_say_is_quoted_in_diagnostics(start_robot, capfd):
    robot = start_robot(prompts=[FORGED, "kerb stone"])
    robot.label(1.0)
    robot.spin_until(lambda: robot.diagnosis("prompts"))
    assert all(text.isprintable() for text in texts_of(robot))
    check_log(capfd)


def named(**names):
    return SimpleNamespace(
        header=SimpleNamespace(frame_id=names.get("parent", "map")),
        child_frame_id=names.get("child", "base_link"),
    )


def test_transforms_with_unfit_names_are_left_out_and_the_others_stay():
    limit = EdgeLimit()
    good = [named(), named(child="lidar")]
    bad = [named(child=ENDLESS), named(parent=FORGED)]
    taken, reason = limit.pick([good[0], *bad, good[1]])
    assert taken == good
    assert reason.startswith(r"the name 'x\n[ERROR]")
    assert limit.pick(good) == (good, None)
    assert limit.pick(good * 600)[0] == []


def test_new_frames_without_end_are_left_out_and_known_ones_stay():
    limit = EdgeLimit()
    for number in range(MAX_EDGES):
        assert limit.pick([named(child=f"frame{number}")])[1] is None
    new, known = named(child="one more"), named(child="frame7")
    taken, reason = limit.pick([new, known])
    assert taken == [known]
    assert reason == "more than 2000 pairs of frames; 'one more' is left out"


def test_odometry_images_and_calibrations_are_measured_too(monkeypatch):
    odometry = Odometry(child_frame_id=ENDLESS)
    assert "1000000 characters" in reason_to_refuse(odometry)
    image = make_image(1.0)
    assert reason_to_refuse(image) is None
    image.encoding = FORGED
    assert "cannot be printed" in reason_to_refuse(image)
    info = make_info()
    assert reason_to_refuse(info) is None
    info.d = [0.0] * 100_000
    assert reason_to_refuse(info) == "CameraInfo of 100000 coefficients, the node takes 64"
    monkeypatch.setattr(bounds, "MAX_IMAGE_BYTES", 10)
    assert reason_to_refuse(make_image(1.0)) == "an image of 24 bytes, the node takes 10"
    monkeypatch.setattr(bounds, "MAX_CLOUD_BYTES", 10)
    cloud = PointCloud2(point_step=16, width=1, height=1, row_step=16, data=bytes(16))
    cloud.header.stamp = stamp(1.0)
    assert reason_to_refuse(cloud) == "a cloud of 16 bytes, the node takes 10"


def test_a_wide_cloud_of_a_real_sensor_is_taken():
    cloud = make_cloud(np.zeros((128 * 2048, 4)), 1.0)
    assert reason_to_refuse(cloud) is None
