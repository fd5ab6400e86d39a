"""`clip2scene bag`: write a scene as a ROS 2 bag."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

SUMMARY = "write a scene of a data set in nuScenes' format as a ROS 2 bag"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("dataset", type=Path, help="data set in nuScenes' format")
    parser.add_argument("--version", help="version folder, if there are several")
    parser.add_argument("--scene", required=True, help="name of the scene, such as scene-0061")
    parser.add_argument("--out", type=Path, required=True, help="bag to write")
    parser.add_argument("--storage", choices=("mcap", "sqlite3"), default="mcap", help="of the bag")
    parser.add_argument("--start", type=float, default=0.0, help="seconds to leave out")
    parser.add_argument("--duration", type=float, help="seconds to write; all if not given")
    parser.add_argument("--max-sweep-rate", type=float, help="leave out sweeps above this rate, Hz")
    parser.add_argument(
        "--labels", action="store_true", help="write lidarseg labels as /lidar_top/lidarseg"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.datasets import NuScenesDataset
    from clip2scene_ros.bags.from_dataset import BagOptions, write_scene_bag

    dataset = NuScenesDataset(
        arguments.dataset,
        arguments.version,
        scenes=[arguments.scene],
        with_labels=arguments.labels,
        with_images=False,
    )
    options = BagOptions(
        arguments.start,
        arguments.duration,
        arguments.max_sweep_rate,
        arguments.labels,
        arguments.storage,
    )
    with tqdm(desc="writing", unit="reading") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        summary = write_scene_bag(dataset, arguments.scene, arguments.out, options, progress)
    print(
        f"bag: {arguments.out} ({summary.duration_s:.1f} s, {summary.num_sweeps} sweeps, "
        f"{summary.num_images} images, {summary.num_labelled_sweeps} sweeps with labels)"
    )
