"""Where something is missing the executable says so in one line, and starts nothing."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
from checkout import ROOT

NEEDS = (
    "class Node:\n    add_pre_set_parameters_callback = add_post_set_parameters_callback = None\n"
)
RUN = (
    "import sys; sys.argv[0] = 'bin/segment_node'; sys.path.insert(0, {fakes!r})\n"
    "class Hide:\n"
    "    def find_spec(self, name, *_):\n"
    "        if name == {hidden!r}: raise ModuleNotFoundError(name)\n"
    "import importlib.util; found = importlib.util.find_spec\n"
    "importlib.util.find_spec = lambda name: None if name == {hidden!r} else found(name)\n"
    "from clip2scene_ros.segment_node import main\n"
)


@pytest.fixture
def run(tmp_path):
    """Run the executable over an rclpy made of these files, with one package hidden."""

    def start(files, hidden=""):
        package = tmp_path / "rclpy"
        package.mkdir()
        for name, text in {"__init__.py": "", **files}.items():
            (package / name).write_text(text)
        script = RUN.format(fakes=str(tmp_path), hidden=hidden)
        return subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
        )

    return start


@pytest.mark.parametrize(
    ("files", "hidden", "complaint"),
    [
        (
            {"node.py": "class Node:\n    pass\n", "qos_event.py": ""},
            "",
            "this rclpy lacks rclpy.event_handler and Node.add_pre_set_parameters_callback and "
            "Node.add_post_set_parameters_callback, as in ROS 2 Humble; the node needs Jazzy",
        ),
        ({"node.py": NEEDS}, "", "this rclpy lacks rclpy.event_handler, as in ROS 2 Humble"),
        ({"node.py": NEEDS, "event_handler.py": ""}, "torch", "there is no torch for "),
        ({}, "rclpy", "there is no rclpy: source ROS 2 Jazzy or newer"),
    ],
)
def test_what_is_missing_is_named_in_one_line(run, files, hidden, complaint):
    done = run(files, hidden)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("segment_node: error: ")
    assert complaint in line
