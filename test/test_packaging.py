"""What a user gets from `pip install` and from `colcon build`."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest
from checkout import ROOT

_OF_ROS = {"rclpy", "launch", "launch_ros", "ament_index_python", "tf2_ros"}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory):
    """Install as colcon does, into an empty folder."""
    pytest.importorskip("setuptools", reason="needs setuptools")
    folder = tmp_path_factory.mktemp("colcon")
    base = folder / "build"
    base.mkdir()
    command = [
        *(sys.executable, "setup.py", "-q", "egg_info", "--egg-base", base),
        *("build", "--build-base", base / "build", "install", "--prefix", folder / "install"),
        *("--single-version-externally-managed", "--record", base / "install.log"),
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return folder / "install"


def test_ros2_run_finds_the_node(prefix):
    assert (prefix / "lib/clip2scene_ros/segment_node").is_file()


def test_ros2_finds_the_package_by_its_marker(prefix):
    assert (prefix / "share/ament_index/resource_index/packages/clip2scene_ros").is_file()
    assert (prefix / "share/clip2scene_ros/package.xml").is_file()


@pytest.mark.parametrize("folder", ["launch", "config", "docs", "rosbags"])
def test_every_file_of_a_shared_folder_is_installed(prefix, folder):
    wanted = {
        path.relative_to(ROOT)
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    share = prefix / "share/clip2scene_ros"
    assert {path.relative_to(share) for path in (share / folder).rglob("*") if path.is_file()} == (
        wanted
    )


def test_both_packages_and_the_type_marker_are_installed(prefix):
    (site,) = prefix.glob("lib/python*/site-packages")
    assert (site / "clip2scene_ros/__init__.py").is_file()
    assert (site / "clip2scene_core/geometry/se3.py").is_file()
    assert (site / "clip2scene_core/py.typed").is_file()


def test_shipped_models_are_installed(prefix):
    (site,) = prefix.glob("lib/python*/site-packages")
    models = sorted(path.name for path in (ROOT / "clip2scene_core/models").glob("*.*"))
    assert sorted(path.name for path in (site / "clip2scene_core/models").glob("*.*")) == models


def test_nothing_but_our_packages_is_importable(prefix):
    """`launch`, `rosbags` and `test` in site-packages would hide other people's modules."""
    (site,) = prefix.glob("lib/python*/site-packages")
    folders = {path.name for path in site.iterdir() if path.suffix != ".egg-info"}
    assert folders == {"clip2scene_core", "clip2scene_ros"}


def test_package_xml_and_setup_py_name_one_version(prefix):
    (metadata,) = prefix.glob("lib/python*/site-packages/*.egg-info/PKG-INFO")
    version = ElementTree.parse(ROOT / "package.xml").findtext("version")
    assert f"\nVersion: {version}\n" in metadata.read_text()


def test_constraints_pin_what_the_ros_extra_asks_for():
    pins = dict(re.findall(r"^([\w.-]+)==([\w.]+)", read("constraints.txt"), re.MULTILINE))
    wanted = dict(re.findall(r'"(ros-[\w-]+)==([\w.]+)"', read("setup.py")))
    assert wanted
    assert {name: pins.get(name) for name in wanted} == wanted


def test_constraints_name_each_package_exactly():
    lines = [line for line in read("constraints.txt").splitlines() if line and line[0] != "#"]
    loose = [line for line in lines if not re.fullmatch(r"[\w.-]+==[\w.]+(; .+|  # .+)?", line)]
    assert loose == []


def test_rosbags_folder_holds_no_python():
    """It would be taken for a part of the `rosbags` library, whose namespace it shares."""
    assert list((ROOT / "rosbags").rglob("*.py")) == []


def test_package_xml_names_every_ros_package_that_is_used():
    depends = {entry.text for entry in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")}
    used = {"ros2launch", "ros2bag", "rosbag2_storage_mcap", "rviz2"}  # commands, plugins
    used |= {name for name in imported() if name in _OF_ROS or name.endswith(("_msgs", "_srvs"))}
    used |= imported() & {"builtin_interfaces", "rcl_interfaces"}
    assert {"rclpy", "launch_ros", "ament_index_python", "rosgraph_msgs"} <= used
    assert used - depends == set()


def test_pixi_brings_what_package_xml_names():
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    pixi = tomllib.loads(read("pixi.toml"))
    depends = [entry.text for entry in ElementTree.parse(ROOT / "package.xml").iter("exec_depend")]
    wanted = {
        f"ros-jazzy-{name.replace('_', '-')}" for name in depends if not name.startswith("python3-")
    }
    named = set(pixi["dependencies"])
    assert {name for name in named if name.startswith("ros-")} == wanted
    for name, conda_name in (("torch", "pytorch"), ("torchvision", "torchvision")):
        assert f'"{name}{pixi["dependencies"][conda_name]}"' in read("setup.py")
    assert pixi["pypi-dependencies"] == {"clip2scene_ros": {"path": "."}}


def imported() -> set[str]:
    """The top-level names that our packages and the launch file import."""
    names = set()
    for folder in ("clip2scene_core", "clip2scene_ros", "launch"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Import):
                    names |= {alias.name.split(".")[0] for alias in node.names}
                elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names.add(node.module.split(".")[0])
                elif isinstance(node, ast.Constant) and node.value == "vision_msgs.msg":
                    names.add("vision_msgs")  # imported by its name, where it is installed
    return names


def read(name: str) -> str:
    return (ROOT / name).read_text()
