"""`clip2scene convert`: recordings as a data set."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from clip2scene_ros.cli.recordings import add_recording_arguments, find_recordings, make_dataset

SUMMARY = "write recordings of a robot as a data set in nuScenes' format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "recordings", type=Path, nargs="+", help="bags, or folders of bags, with LiDAR and cameras"
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set to make")
    add_recording_arguments(parser, are_kept=False)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    bags: list[Path] = []
    for path in arguments.recordings:
        found = find_recordings(path)
        if not found:
            raise ValueError(f"{path} is no recording (.mcap, .db3, .bag), nor a folder of some")
        bags += found
    summary = make_dataset(arguments, bags, arguments.out)
    for kind, count in summary.rejections.items():
        print(f"left out: {count} x {kind}: {summary.reasons[kind]}", file=sys.stderr)
    print(
        f"data set: {arguments.out} ({summary.num_keyframes} keyframes in {summary.num_scenes} "
        f"scenes, {summary.num_images} images; of {summary.num_clouds} clouds "
        f"{summary.num_without_image} had no image)"
    )
