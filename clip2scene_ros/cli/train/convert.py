"""`clip2scene convert`: recordings, or a data set of another layout, in nuScenes' format."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tqdm import tqdm

from clip2scene_ros.cli.examination import showing
from clip2scene_ros.cli.recordings import add_recording_arguments, find_recordings, make_dataset

SUMMARY = "write recordings of a robot, or SemanticKITTI, as a data set in nuScenes' format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "source",
        type=Path,
        nargs="+",
        help="bags, or folders of bags, with LiDAR and cameras; or one data set in SemanticKITTI's "
        "layout, with poses, whose labels are left out",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the data set to make")
    parser.add_argument(
        "--scenes", nargs="+", metavar="NAME", help="of a data set: sequences such as 00 08"
    )
    add_recording_arguments(parser, are_kept=False)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if len(arguments.source) == 1 and (arguments.source[0] / "sequences").is_dir():
        _copy_dataset(arguments)
        return
    if arguments.scenes:
        raise ValueError("--scenes chooses sequences of a data set; recordings have none")
    bags: list[Path] = []
    for path in arguments.source:
        found = find_recordings(path)
        if not found:
            raise ValueError(
                f"{path} is no recording (.mcap, .db3, .bag), no folder of some, and no data set "
                f"in SemanticKITTI's layout (sequences/NN/velodyne)"
            )
        bags += found
    with tqdm(desc="reading recordings", unit="message") as bar:
        summary = make_dataset(arguments, bags, arguments.out, showing(bar))
    for kind, count in summary.rejections.items():
        print(f"left out: {count} x {kind}: {summary.reasons[kind]}", file=sys.stderr)
    print(
        f"data set: {arguments.out} ({summary.num_keyframes} keyframes in {summary.num_scenes} "
        f"scenes, {summary.num_images} images; of {summary.num_clouds} clouds "
        f"{summary.num_without_image} had no image)"
    )


def _copy_dataset(arguments: argparse.Namespace) -> None:
    """Write a data set of another layout in nuScenes' format."""
    from clip2scene_core.datasets import open_dataset
    from clip2scene_core.datasets.nuscenes_copy import write_nuscenes_copy

    dataset = open_dataset(arguments.source[0], scenes=arguments.scenes)
    with tqdm(total=len(dataset), unit="keyframe") as bar:

        def progress(done: int, _total: int) -> None:
            bar.update(done - bar.n)

        write_nuscenes_copy(dataset, arguments.out, progress)
    print(
        f"data set: {arguments.out} ({len(dataset)} keyframes in {len(dataset.scenes)} scenes, "
        f"without labels)"
    )
