"""A robot's full stream: how it is made, what counts as lost, and the node under it."""

from __future__ import annotations

import io
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from checkout import ROOT
from PIL import Image

from clip2scene_ros.bags.io import BagError, create_bag
from clip2scene_ros.bags.messages import STORE, cloud_message, header_message
from clip2scene_ros.harness.load_report import MEBI, LoadRun, Traffic
from clip2scene_ros.harness.load_stream import LoadOptions, looped_stream, robot_stream
from clip2scene_ros.messages.decode import stamp_ns

STREET = ROOT / "rosbags" / "synthetic_street"
SMALL = LoadOptions(lidar_hz=20, camera_hz=12, num_points=20_000, image_size=(160, 90))


@pytest.fixture(scope="module")
def two_seconds():
    """Two seconds of the stream, by topic."""
    stream = robot_stream(STREET, SMALL)
    until = itertools.takewhile(lambda sending: sending.due_s < 2, stream.sendings)
    return stream, [(sending, stream.types[sending.topic]) for sending in until]


def read(sending, message_type):
    return STORE.deserialize_cdr(sending.content, message_type)


def test_a_robot_sends_at_its_rates_and_in_the_order_of_time(two_seconds):
    stream, sendings = two_seconds
    counts = Counter(sending.topic for sending, _ in sendings)
    assert counts.pop("/lidar_top") == 40
    assert counts.pop("/odom") == 100
    assert len(counts) == 12
    assert set(counts.values()) <= {23, 24, 25}
    times = [sending.due_s for sending, _ in sendings]
    assert times == sorted(times)
    firsts = {topic: time for time, topic in reversed([(s.due_s, s.topic) for s, _ in sendings])}
    images = sorted(firsts[camera.image] for camera in stream.profile.cameras.values())
    np.testing.assert_allclose(np.diff(images), 1 / 72)


def test_clouds_are_padded_and_images_enlarged_with_their_calibration(two_seconds):
    stream, sendings = two_seconds
    firsts = {s.topic: read(s, kind) for s, kind in reversed(sendings)}
    cloud = firsts["/lidar_top"]
    assert (cloud.width, cloud.row_step, len(cloud.data)) == (20_000, 400_000, 400_000)
    rows = np.frombuffer(cloud.data, np.uint8).reshape(-1, 20)
    xyz = rows[:, :12].copy().view("<f4")
    assert len(np.unique(xyz, axis=0)) > 19_000
    info = firsts["/cam_front/camera_info"]
    assert (info.width, info.height) == (160, 90)
    (original, *_) = (
        read(s, stream.types[s.topic])
        for s in itertools.islice(looped_stream(STREET).sendings, 100)
        if s.topic == "/cam_front/camera_info"
    )
    np.testing.assert_allclose(info.k[:3], original.k[:3] * (160 / original.width))
    np.testing.assert_allclose(info.k[3:6], original.k[3:6] * (90 / original.height))
    np.testing.assert_allclose(info.p[:4], original.p[:4] * (160 / original.width))
    np.testing.assert_allclose(info.p[4:8], original.p[4:8] * (90 / original.height))
    picture = Image.open(io.BytesIO(firsts["/cam_front/image_rect_compressed"].data.tobytes()))
    assert picture.size == (160, 90)


def test_a_message_gets_the_stamp_of_its_sending(two_seconds):
    _, sendings = two_seconds
    for sending, kind in sendings[:40]:
        stamped = STORE.deserialize_cdr(sending.stamped(1_234_567_891_000_000_123), kind)
        assert stamp_ns(stamped.header) == 1_234_567_891_000_000_123


def test_a_bag_is_played_over_and_over_with_its_own_stamps():
    stream = looped_stream(STREET)
    clouds = [s for s in itertools.islice(stream.sendings, 3000) if s.topic == "/lidar_top"]
    assert clouds[31].stamp_ns == clouds[0].stamp_ns
    assert clouds[31].content == clouds[0].content
    assert 3.0 < clouds[31].due_s - clouds[0].due_s < 3.2
    assert stamp_ns(read(clouds[3], stream.types["/lidar_top"]).header) == clouds[3].stamp_ns


def test_a_bag_without_odometry_is_refused(tmp_path):
    points = np.zeros(3, [("x", "<f4"), ("y", "<f4"), ("z", "<f4")])
    cloud = cloud_message(points, header_message(1, "lidar_top"))
    kind = cloud.__msgtype__
    with create_bag(tmp_path / "bag") as writer:
        connection = writer.add_connection("/points", kind, typestore=STORE)
        writer.write(connection, 1, STORE.serialize_cdr(cloud, kind))
    with pytest.raises(BagError, match="has no nav_msgs/msg/Odometry on /odom"):
        looped_stream(tmp_path / "bag")


RUN = LoadRun(
    seconds=10.0,
    traffic={"/points": Traffic(200, 200, 20.0), "/odom": Traffic(500, 500, 50.0)},
    labelled=90,
    dropped={"overtaken": 109, "no pose": 1},
    answered=90,
    ages_ms=[10.0, 20.0, 30.0],
    reported_ages_ms=[9.0, 19.0, 29.0],
    memory=[(t, int((500 + 0.1 * max(t, 5)) * MEBI)) for t in range(11)],
    cpu_s=5.0,
    voxels=7,
)


def test_what_is_accounted_for_is_not_lost():
    assert RUN.losses() == []
    assert "90 labelled, 110 dropped on purpose (109 overtaken, 1 no pose)" in RUN.lines()[3]
    assert RUN.lines()[4] == "sending to receiving labels: 20 (95 %: 29, longest 30) ms"


def test_what_is_not_accounted_for_is_lost():
    traffic = {**RUN.traffic, "/odom": Traffic(500, 499, 50.0)}
    assert replace(RUN, traffic=traffic).losses() == ["/odom: 500 sent, 499 received"]
    assert replace(RUN, labelled=89).losses() == [
        "200 clouds received, but 89 labelled and 110 dropped"
    ]


def test_memory_is_judged_after_it_has_settled():
    assert RUN.growth_mb_per_min() == pytest.approx(6.0, abs=0.1)


@pytest.mark.ros
@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "num_clouds", "drop"),
    [
        (["--mode", "fused", "--seconds", "5"], 100, "overtaken"),
        (
            ["--loop", "--seconds", "7", "--parameters", "sweeps_at_once:=2"],
            71,
            "from before a time jump",
        ),
    ],
)
def test_the_node_loses_nothing_of_a_robots_stream(tmp_path, arguments, num_clouds, drop):
    """Clouds at 20 Hz, six cameras at 12 Hz; and a bag that starts again: from another process.

    Deep queues: a test machine may leave the node without a processor for seconds, and what is lost
    by that says nothing of the node.
    """
    pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    report = tmp_path / "load.json"
    command = [sys.executable, "-m", "clip2scene_ros.cli.main", "load", *arguments]
    done = subprocess.run(
        [*command, "--depth", "200", "--report", str(report)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=400,
    )
    assert done.returncode == 0, done.stderr
    assert "Nothing got lost" in done.stdout
    run = json.loads(report.read_text())
    assert all(topic["sent"] == topic["received"] > 0 for topic in run["traffic"].values())
    assert abs(run["traffic"]["/lidar_top"]["sent"] - num_clouds) <= 1
    assert len(run["traffic"]) == (14 if "fused" in arguments else 2)
    assert run["labelled"] + sum(run["dropped"].values()) == run["traffic"]["/lidar_top"]["sent"]
    assert run["labelled"] > 0
    assert drop in run["dropped"]
    # The node's own clock says no more than what passes between sending and hearing.
    assert 0 < np.median(run["reported_ages_ms"]) < np.median(run["ages_ms"]) + 100
    assert run["memory"][-1][1] > 50 * MEBI
