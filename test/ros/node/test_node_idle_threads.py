"""The node and the command ask torch's threads to sleep before they import torch."""

import os
import subprocess
import sys

import pytest
from checkout import ROOT

# The setting is made only before torch is imported: where it is there, it was in time.
NODE = """
import os, sys
sys.argv = [{program!r}]
import clip2scene_ros.segment_node
print(os.environ.get("GOMP_SPINCOUNT"), "torch" in sys.modules)
"""
COMMAND = """
import os, sys
from clip2scene_ros.cli.main import main
main(["models"])
print(os.environ.get("GOMP_SPINCOUNT"))
"""


def last_line(script: str) -> str:
    """What a new process prints last, whose environment says nothing of threads."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        environment.pop(name, None)
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("program", "expected"), [("bin/segment_node", "4000 True"), ("bin/other", "None True")]
)
def test_the_node_asks_before_torch_comes_and_other_programs_are_not_changed(
    program: str, expected: str
) -> None:
    pytest.importorskip("rclpy", reason="the node needs rclpy: pip install '.[ros]'")
    assert last_line(NODE.format(program=program)) == expected


def test_the_command_asks_before_torch_comes() -> None:
    assert last_line(COMMAND) == "4000"
