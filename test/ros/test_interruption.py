"""Signals to a real process, at every moment of its life: status 0, soon, and no traceback."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

from clip2scene_ros.node import interruption

pytestmark = [pytest.mark.ros, pytest.mark.slow]

END_S = 2.0
CONSOLE_SCRIPT = """
import sys
sys.argv[0] = "bin/segment_node"  # as pip's script, which then imports the node
from clip2scene_ros.segment_node import main
print("imported", file=sys.stderr, flush=True)
sys.exit(main())
"""
# A node and its driver in one process: what works is said on stderr, and never ends by itself.
AT_WORK = """
import sys, threading, time
sys.path[:0] = ["test/helpers", "test/helpers/ros"]
sys.argv[0] = "bin/segment_node"
import numpy as np
import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter
from rcl_interfaces.srv import SetParameters
from sensor_msgs.msg import PointCloud2
from clip2scene_ros import segment_node
from ros_graph import QuadrantSegmenter, make_cloud

class BusySegmenter(QuadrantSegmenter):
    def segment(self, sweep, cameras=()):
        print("at work", file=sys.stderr, flush=True)
        {labelling}
        return super().segment(sweep, cameras)

    def encode(self, prompt_set):
        if "endless" in prompt_set.prompts:
            print("at work", file=sys.stderr, flush=True)
            time.sleep(60)
        return super().encode(prompt_set)

def drive():
    context = Context()
    rclpy.init(context=context)
    driver = rclpy.create_node("driver", context=context)
    clouds = driver.create_publisher(PointCloud2, "/points", 5)
    client = driver.create_client(SetParameters, "/clip2scene/set_parameters")
    client.wait_for_service()
    {driving}
    time.sleep(60)

segment_node.make_segmenter = lambda values: BusySegmenter()
threading.Thread(target=drive, daemon=True).start()
sys.exit(segment_node.main(["--ros-args", "-p", "pose_source:=none", "-p", "output.lazy:=false"]))
"""
SEND_CLOUD = """
    while not clouds.get_subscription_count():
        time.sleep(0.05)
    clouds.publish(make_cloud(np.random.rand(900_000, 4) * 50, 1.0))
"""
SET_PROMPTS = """
    request = SetParameters.Request(
        parameters=[Parameter("prompts", value=["endless"]).to_parameter_msg()]
    )
    client.call_async(request)
"""
COMPUTE = "import torch; [torch.rand(1500, 1500) @ torch.rand(1500, 1500) for _ in range(100_000)]"
SPIN = "[sum(range(10_000)) for _ in range(1_000_000)]"


@pytest.fixture
def start(monkeypatch):
    """Start a process in a graph of its own; it is killed in the end."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    monkeypatch.setenv("ROS_DOMAIN_ID", str(random.SystemRandom().randint(1, 100)))
    processes = []

    def start_process(*command):
        process = subprocess.Popen(
            [sys.executable, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start_process
    for process in processes:
        process.kill()
        process.wait()


def check_end(process, number):
    """Send a signal, and check how the process ends; returns what else it said."""
    begin_s = time.monotonic()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert time.monotonic() - begin_s < END_S
    assert "Traceback" not in errors
    assert "KeyboardInterrupt" not in errors
    return errors


def wait_for(process, text):
    assert process.stderr is not None
    assert any(text in line for line in iter(process.stderr.readline, ""))


def handles_signals(pid):
    """Whether a process has a handler of its own for SIGTERM, as the kernel says."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (caught,) = [line.split()[1] for line in lines if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("command", "delay_s", "number"),
    [
        (["-m", "clip2scene_ros.segment_node"], 0.0, signal.SIGINT),
        (["-c", CONSOLE_SCRIPT], 0.3, signal.SIGTERM),
        (["-m", "clip2scene_ros.segment_node"], 1.0, signal.SIGTERM),
        (["-c", CONSOLE_SCRIPT], 2.5, signal.SIGINT),
    ],
)
def test_it_ends_while_it_imports_and_loads(start, command, delay_s, number):
    process = start(*command)
    while not handles_signals(process.pid):  # what comes before is Python's own start
        assert process.poll() is None
        time.sleep(0.001)
    time.sleep(delay_s)
    if process.poll() is None:
        check_end(process, number)


def test_handlers_are_there_before_anything_that_takes_long_is_imported():
    script = (
        "import sys; sys.argv[0] = 'segment_node'\n"
        "class Finder:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.split('.')[0] in ('rclpy', 'torch', 'numpy', 'clip2scene_core'):\n"
        "            import signal\n"
        "            print(name, signal.getsignal(signal.SIGTERM)); raise SystemExit\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import clip2scene_ros.segment_node\n"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "Interruption._come" in done.stdout, done


@pytest.mark.parametrize(
    ("labelling", "driving", "number"),
    [
        pytest.param(COMPUTE, SEND_CLOUD, signal.SIGTERM, id="large cloud, in torch"),
        pytest.param(SPIN, SEND_CLOUD, signal.SIGINT, id="large cloud, in Python"),
        pytest.param("pass", SET_PROMPTS, signal.SIGTERM, id="prompts"),
    ],
)
def test_it_ends_while_it_works(start, labelling, driving, number):
    process = start("-c", AT_WORK.format(labelling=labelling, driving=driving))
    wait_for(process, "at work")
    check_end(process, number)


def test_another_program_keeps_its_handlers():
    assert interruption.EARLY is None
