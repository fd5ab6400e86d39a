"""What must be installed: checked before the imports, whose errors would be long and name less.

The executable imports this module second, after `interruption`.
"""

from __future__ import annotations

import importlib.util
import sys

from clip2scene_ros.node.interruption import is_executable


class MissingRequirementError(ImportError):
    """Something that the node needs is missing; the message is one line and says what to do."""


def check_requirements() -> None:
    """Check that there is an rclpy, that it can do what the node needs, and that there is a torch.

    Raises:
        MissingRequirementError: If one of them is missing.
    """
    if importlib.util.find_spec("rclpy") is None:
        raise MissingRequirementError(
            "there is no rclpy: source ROS 2 Jazzy or newer, or install the wheels by "
            "pip install '.[ros]'"
        )
    missing = _missing_in_rclpy()
    if missing:
        raise MissingRequirementError(
            f"this rclpy lacks {' and '.join(missing)}, as in ROS 2 Humble; the node needs Jazzy, "
            f"everything else of clip2scene runs here (docs/install.md)"
        )
    if importlib.util.find_spec("torch") is None:
        raise MissingRequirementError(
            f"there is no torch for {sys.executable}; build with the Python of the environment "
            f"that has it, or launch with python:= (docs/install.md)"
        )


def _missing_in_rclpy() -> list[str]:
    from rclpy.node import Node

    missing = []
    if importlib.util.find_spec("rclpy.event_handler") is None:
        missing.append("rclpy.event_handler")
    for name in ("add_pre_set_parameters_callback", "add_post_set_parameters_callback"):
        if not hasattr(Node, name):
            missing.append(f"Node.{name}")
    return missing


def _check_or_exit() -> None:
    try:
        check_requirements()
    except MissingRequirementError as error:
        if not is_executable():
            raise
        print(f"segment_node: error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


_check_or_exit()
