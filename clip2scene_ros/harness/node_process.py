"""The node in another process, and a ROS graph without other nodes."""

from __future__ import annotations

import contextlib
import importlib
import os
import random
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import rclpy
from rclpy.context import Context
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

_STOP_S = 30.0


def random_domain() -> int:
    """Choose a ROS_DOMAIN_ID, so that topics of other robots stay out of the graph."""
    return random.SystemRandom().randint(1, 100)


@contextlib.contextmanager
def running_node(domain: int, arguments: Sequence[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Start the node as users do, and stop it in the end.

    Args:
        domain: ROS_DOMAIN_ID.
        arguments: Arguments after `--ros-args`.

    Yields:
        The process.
    """
    command = [sys.executable, "-m", "clip2scene_ros.segment_node", "--ros-args", *arguments]
    environment = os.environ | {
        "ROS_DOMAIN_ID": str(domain),
        "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST",
    }
    process = subprocess.Popen(command, env=environment)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()


@contextlib.contextmanager
def own_graph(domain: int, name: str) -> Iterator[tuple[Node, SingleThreadedExecutor]]:
    """Join a domain with one node, and leave it in the end.

    Args:
        domain: ROS_DOMAIN_ID.
        name: Name of the node.

    Yields:
        The node, and an executor that holds it.
    """
    context = Context()
    rclpy.init(context=context, domain_id=domain)
    node = Node(name, context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        yield node, executor
    finally:
        executor.shutdown()
        node.destroy_node()
        rclpy.shutdown(context=context)


def message_class(message_type: str) -> Any:
    """Import the class of a message type such as "sensor_msgs/msg/PointCloud2".

    Raises:
        ImportError: If its package is not installed.
    """
    package, _, name = message_type.split("/")
    return getattr(importlib.import_module(f"{package}.msg"), name)
