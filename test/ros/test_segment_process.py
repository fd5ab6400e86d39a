"""The node as a process: how it starts, how it refuses to, and how it stops."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from clip2scene_ros import segment_node
from clip2scene_ros.node import inputs

pytestmark = pytest.mark.ros

SCRIPT = """
import sys, time
sys.path[:0] = ["test/helpers", "test/helpers/ros"]
from clip2scene_ros import segment_node
from ros_graph import QuadrantSegmenter

def make_segmenter(values):
    print("loads", file=sys.stderr, flush=True)
    time.sleep({loading_s})
    return QuadrantSegmenter()

segment_node.make_segmenter = make_segmenter
sys.exit(segment_node.main(["--ros-args", "-p", "pose_source:=none"]))
"""


@pytest.fixture(autouse=True)
def own_graph(monkeypatch):
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(os.getpid() % 100 + 1))


@pytest.fixture
def run_main(capfd):
    """Run main in this process; returns its exit code and its error lines."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = [signal.getsignal(number) for number in numbers]

    def run(*arguments):
        code = segment_node.main(["--ros-args", *arguments])
        errors = capfd.readouterr().err
        return code, [line for line in errors.splitlines() if "error:" in line]

    yield run
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["-p", "mod:=fused"], "unknown parameter 'mod'; did you mean 'mode'?"),
        (["-p", "pose_source:=none", "-p", "weights:=absent.safetensors"], "absent.safetensors"),
        (["-p", "pose_source:=odometry", "-p", "extrinsics_file:=absent.yaml"], "absent.yaml"),
        (["-p", "pose_source:=none", "-p", "device:=cuda:99"], "device 'cuda:99' cannot be used"),
        (["--params-file", "absent.yaml"], "absent.yaml"),
    ],
)
def test_what_it_cannot_start_with_ends_it_with_1_and_one_line(run_main, arguments, complaint):
    code, (line,) = run_main(*arguments)
    assert code == 1
    assert line.startswith("segment_node: error: ")
    assert complaint in line


def test_without_tf2_msgs_it_names_the_two_ways_out(run_main, monkeypatch):
    monkeypatch.setattr(inputs, "TFMessage", None)
    code, (line,) = run_main("-p", "pose_source:=tf")
    assert code == 1
    assert "tf2_msgs" in line
    assert "pose_source to 'odometry'" in line
    assert "extrinsics_file" in line


@pytest.mark.parametrize(
    ("loading_s", "awaited", "signals"),
    [
        pytest.param(0, "will be labelled", [signal.SIGINT] * 2, id="impatient second SIGINT"),
        pytest.param(60, "loads", [signal.SIGTERM], id="SIGTERM while it loads"),
    ],
)
def test_it_stops_cleanly_on_signals(loading_s, awaited, signals):
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT.format(loading_s=loading_s)],
        cwd=ROOT,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        assert any(awaited in line for line in iter(process.stderr.readline, ""))
        for number in signals:
            process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_it_says_that_it_listens_at_every_log_level():
    """The launch file starts the player at this line."""
    script = SCRIPT.format(loading_s=0).replace(
        '"pose_source:=none"', '"pose_source:=none", "--log-level", "clip2scene:=fatal"'
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert any("will be labelled by 4 prompts" in line for line in process.stdout)
    finally:
        process.kill()
        process.wait()
