"""`clip2scene demo`: label the shipped bag, change the prompts, and draw the result."""

from __future__ import annotations

import argparse
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_ros.bags.segment import PromptChange, ReplaySummary

SUMMARY = "label the shipped street by words, change the words, and draw what came of it"

_BAG = Path("rosbags") / "synthetic_street"
_NEW_PROMPTS = (
    "vehicle", "person", "street", "pavement", "traffic island", "house", "tree", "lawn",
)  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, default=Path("clip2scene_demo"), help="folder to write")
    parser.add_argument("--prompts", nargs="+", default=_NEW_PROMPTS, help="words to change to")
    parser.add_argument(
        "--no-ros", action="store_true", help="use the segmenter alone even if rclpy is installed"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_ros.bags.extrinsics import read_bag_extrinsics
    from clip2scene_ros.bags.labelled_reader import read_labelled_bag
    from clip2scene_ros.bags.segment import PromptChange
    from clip2scene_ros.share import share_directory
    from clip2scene_ros.sync.extrinsics import save_extrinsics
    from clip2scene_ros.viewers.report import draw_report, score

    bag = share_directory() / _BAG
    out = arguments.out
    has_ros = importlib.util.find_spec("rclpy") is not None and not arguments.no_ros
    labelled_bag = _free_path(out, "labelled")
    change = PromptChange(_middle_of(bag), tuple(arguments.prompts))
    route = "the ROS 2 node" if has_ros else "the segmenter, without ROS"
    print(f"Labelling {bag.name} through {route}. The street is synthetic: rendered, not recorded.")
    with tqdm(desc="labelling", unit="message") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        if has_ros:
            from clip2scene_ros.harness.replay import run_through_node

            # The ROS wheels have no tf2_msgs: poses come from /odom, extrinsics from a file.
            extrinsics_file = out / "extrinsics.yaml"
            out.mkdir(parents=True, exist_ok=True)
            save_extrinsics(extrinsics_file, read_bag_extrinsics(bag))
            summary = run_through_node(bag, labelled_bag, extrinsics_file, change, progress)
        else:
            summary = _run_without_ros(bag, labelled_bag, change, progress)
    sweeps = read_labelled_bag(labelled_bag)
    pictures = draw_report(sweeps, out)
    confusion = score(sweeps)
    print(
        f"\n{summary.num_labelled} sweeps: {summary.sweeps_per_second:.1f} a second, latency "
        f"{summary.latency_median_ms:.0f} ms (95 %: {summary.latency_p95_ms:.0f} ms)"
    )
    if not math.isnan(confusion.mean_iou()):
        print(
            f"mIoU against the synthetic world's ground truth: {100 * confusion.mean_iou():.1f} % "
            f"({confusion.points_per_class.sum()} points, first prompts; says nothing of real data)"
        )
    print(f"prompts: {', '.join(sweeps[0].vocabulary.prompts)}")
    print(f"   ->  {', '.join(sweeps[-1].vocabulary.prompts)}")
    print(f"labelled bag: {labelled_bag} (opens in Foxglove and RViz)")
    for picture in pictures:
        print(f"picture: {picture}")


def _run_without_ros(
    bag: Path, out: Path, change: PromptChange, progress: Callable[[int, int], None]
) -> ReplaySummary:
    from clip2scene_core.device import use_threads
    from clip2scene_core.inference.online import load_online_segmenter
    from clip2scene_ros.bags.segment import ReplayOptions, segment_bag

    use_threads()
    options = ReplayOptions(prompt_changes=[change])
    return segment_bag(bag, out, load_online_segmenter(), options, progress)


def _middle_of(bag: Path) -> float:
    """Half of the bag's length, in seconds."""
    from clip2scene_ros.bags.io import open_bag

    with open_bag(bag) as reader:
        return float(reader.duration) / 2e9


def _free_path(folder: Path, name: str) -> Path:
    """A path in `folder` that does not exist yet: a second demo keeps the bag of the first."""
    number = 1
    while (path := folder / (name if number == 1 else f"{name}_{number}")).exists():
        number += 1
    return path
