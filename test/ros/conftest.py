"""Fixtures for what speaks ROS: nodes in a graph, bags, and the message class of /tf.

Those of a graph import its helpers when they are used: they need rclpy, other tests do not.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import tf2_msgs_build

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_ros.bags.from_dataset import write_scene_bag

_MANY_THREADS = 60
"""Of eight participants or so."""


@pytest.fixture(autouse=True)
def few_participants() -> None:
    """Free what tests before left, so that nodes of other processes find this one.

    A context that was shut down keeps its DDS participant until it is collected, and a node that
    looks on its own machine alone looks for the first 32 participants of a process.
    """
    threads = Path("/proc/self/task")  # not those of Python alone
    if threads.is_dir() and len(os.listdir(threads)) > _MANY_THREADS:
        gc.collect()


@pytest.fixture(scope="session")
def tf2_msgs(pytestconfig: pytest.Config) -> SimpleNamespace:
    """The class TFMessage as `message`; `environment` makes another process find it.

    Where ROS brings none it is built, once, into pytest's cache; skips where it can't be built.
    """
    pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    try:
        from tf2_msgs.msg import TFMessage
    except ImportError:
        try:
            prefix = tf2_msgs_build.build_tf2_msgs(pytestconfig.cache.mkdir("tf2_msgs"))
        except tf2_msgs_build.CannotBuildError as error:
            pytest.skip(f"/tf needs tf2_msgs, which is built from source here: {error}")
        return SimpleNamespace(
            message=tf2_msgs_build.load_tf_message(prefix),
            environment=tf2_msgs_build.environment_with(prefix),
        )
    return SimpleNamespace(message=TFMessage, environment=dict(os.environ))


@pytest.fixture
def segmenter():
    """A segmenter that labels by quadrant and knows no prompt "unknown"."""
    from ros_graph import QuadrantSegmenter

    return QuadrantSegmenter()


@pytest.fixture
def extrinsics_file(tmp_path: Path) -> str:
    """The extrinsics of the LiDAR, at the base, and of two cameras, as a parameter."""
    from ros_graph import write_extrinsics

    return write_extrinsics(tmp_path)


@pytest.fixture
def start_graph(segmenter, monkeypatch: pytest.MonkeyPatch):
    """Start a graph with the given parameters, without poses unless they say otherwise."""
    from ros_graph import starting_graphs

    with starting_graphs(lambda _: segmenter, monkeypatch, pose_source="none") as start:
        yield start


@pytest.fixture
def start_robot(segmenter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Start a robot with the given parameters, without poses unless they say otherwise."""
    from fault_graph import robots

    with robots(segmenter, tmp_path, monkeypatch) as start:
        yield start


@pytest.fixture
def scene_bag(tiny_nuscenes: Path, tmp_path: Path) -> Path:
    """A bag of the tiny data set's first scene, in a folder that a test may damage."""
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    write_scene_bag(dataset, "scene-0001", tmp_path / "bag")
    return tmp_path / "bag"
