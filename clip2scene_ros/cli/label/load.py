"""`clip2scene load`: send a robot's full stream to the node and account for every message."""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from tqdm import tqdm

from clip2scene_core.atomic_write import atomic_write, scratch_folder

SUMMARY = "send a robot's full stream to the node in real time and say what got lost"

_BAG = Path("rosbags") / "synthetic_street"
_DDS_PROFILE = Path("config") / "fastdds_large_cloud.xml"
_DDS_VARIABLES = ("FASTRTPS_DEFAULT_PROFILES_FILE", "FASTDDS_DEFAULT_PROFILES_FILE")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    from clip2scene_ros.harness.load_stream import LoadOptions

    default = LoadOptions()
    parser.add_argument("--seconds", type=float, default=60.0, help="how long")
    parser.add_argument("--mode", choices=("lidar", "camera", "fused"), default="lidar")
    parser.add_argument(
        "--loop",
        action="store_true",
        help="play the shipped bag as it is, over and over, in place of a robot's stream",
    )
    parser.add_argument("--lidar-hz", type=float, default=default.lidar_hz, help="clouds a second")
    parser.add_argument(
        "--camera-hz", type=float, default=default.camera_hz, help="images a second, of each camera"
    )
    parser.add_argument("--points", type=int, default=default.num_points, help="of each cloud")
    parser.add_argument(
        "--depth",
        type=int,
        default=0,
        help="messages that the node keeps of each input; 0: its own choice",
    )
    parser.add_argument(
        "--parameters",
        nargs="+",
        default=[],
        metavar="NAME:=VALUE",
        help="other parameters of the node, for example sweeps_at_once:=2",
    )
    parser.add_argument("--report", type=Path, help="JSON file to write")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_ros.bags.extrinsics import read_bag_extrinsics
    from clip2scene_ros.harness.load_driver import run_under_load
    from clip2scene_ros.harness.load_stream import LoadOptions, looped_stream, robot_stream
    from clip2scene_ros.share import share_directory
    from clip2scene_ros.sync.extrinsics import save_extrinsics

    bag = share_directory() / _BAG
    # As in the launch file: for the node, and for this process, which publishes.
    if not any(name in os.environ for name in _DDS_VARIABLES):
        os.environ |= dict.fromkeys(_DDS_VARIABLES, str(share_directory() / _DDS_PROFILE))
    if arguments.loop:
        stream = looped_stream(bag)
    else:
        options = LoadOptions(arguments.lidar_hz, arguments.camera_hz, arguments.points)
        stream = robot_stream(bag, options)
    with (
        scratch_folder("clip2scene-load") as folder,
        tqdm(total=round(arguments.seconds), desc="sending", unit="s") as bar,
    ):

        def progress(seconds: float) -> None:
            bar.update(round(seconds) - bar.n)

        extrinsics_file = folder / "extrinsics.yaml"
        save_extrinsics(extrinsics_file, read_bag_extrinsics(bag))
        result = run_under_load(
            stream,
            arguments.seconds,
            arguments.mode,
            extrinsics_file,
            arguments.depth,
            arguments.parameters,
            progress,
        )
    for line in result.lines():
        print(line)
    if arguments.report is not None:
        with atomic_write(arguments.report) as draft:
            draft.write_text(json.dumps(asdict(result), indent=1))
    losses = result.losses()
    if losses:
        raise ValueError(f"messages got lost: {'; '.join(losses)}")
    print("Nothing got lost: every message was received, every sweep labelled or counted.")
