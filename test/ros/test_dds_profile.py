"""The shipped Fast DDS profile carries large clouds between two processes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2

pytestmark = pytest.mark.ros

PROFILE = ROOT / "config/fastdds_large_cloud.xml"
NUM_CLOUDS = 40
PUBLISHER = f"""
import time, rclpy
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import PointCloud2
rclpy.init()
node = rclpy.create_node("lidar")
qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
publisher = node.create_publisher(PointCloud2, "/points", qos)
while not publisher.get_subscription_count():
    time.sleep(0.05)
time.sleep(0.3)
cloud = PointCloud2(height=1, width=34720, point_step=20, row_step=694400, data=bytes(694400))
for _ in range({NUM_CLOUDS}):
    publisher.publish(cloud)
    time.sleep(0.05)
"""


@pytest.mark.skipif(
    not Path("/dev/shm").is_dir() or shutil.disk_usage("/dev/shm").free < 64 << 20,
    reason="needs 64 MB of /dev/shm",
)
def test_best_effort_clouds_arrive_when_their_publisher_has_the_profile(monkeypatch):
    graph = {
        "ROS_DOMAIN_ID": str(os.getpid() % 100 + 1),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    for name, value in graph.items():
        monkeypatch.setenv(name, value)
    context = Context()
    rclpy.init(context=context)
    node = rclpy.create_node("listener", context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    received = []
    qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
    node.create_subscription(PointCloud2, "/points", received.append, qos)
    environment = os.environ | {
        "FASTRTPS_DEFAULT_PROFILES_FILE": str(PROFILE),
        "FASTDDS_DEFAULT_PROFILES_FILE": str(PROFILE),
    }
    publisher = subprocess.Popen([sys.executable, "-c", PUBLISHER], env=environment)
    try:
        end_s = time.monotonic() + 30
        while publisher.poll() is None and time.monotonic() < end_s:
            executor.spin_once(timeout_sec=0.05)
    finally:
        publisher.kill()
        executor.shutdown()
        node.destroy_node()
        context.shutdown()
    assert len(received) >= 0.95 * NUM_CLOUDS
