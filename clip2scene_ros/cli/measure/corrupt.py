"""`clip2scene corrupt`: copy a data set with bad weather or failing sensors."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

from clip2scene_core.corruptions.corruption import NUM_STRENGTHS, STRENGTHS, Corruption
from clip2scene_ros.cli.arguments import add_dataset_arguments, add_intensity_argument
from clip2scene_ros.cli.recordings import (
    add_recording_arguments,
    find_recordings,
    settle_recordings,
)

SUMMARY = "copy a data set in nuScenes' format, or a recording, with fog, rain or failing sensors"

_WHAT = {
    "fog": "droplets dim points and images, and shine back",
    "rain": "drops before the sensors, wet surfaces",
    "beam_loss": "rings of the LiDAR without points",
    "motion_smear": "motion in a revolution, not compensated",
    "cross_talk": "points at the range of another LiDAR's pulse",
    "calibration": "cameras turned and moved against their calibration",
    "time_offset": "images stamped too late",
    "camera_loss": "cameras that deliver nothing in the whole scene",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "\n".join(["what the strengths mean:", *_describe_strengths()])
    add_dataset_arguments(
        parser,
        "data set in nuScenes' format, or a recording, which becomes one first",
    )
    add_intensity_argument(parser)
    parser.add_argument("--kind", required=True, choices=tuple(STRENGTHS), help="see below")
    parser.add_argument(
        "--strength",
        required=True,
        type=int,
        choices=range(1, NUM_STRENGTHS + 1),
        help="1 (slight) to 5 (severe)",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="decides what is random (default: 0)")
    add_recording_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.corruptions.writer import write_corrupted
    from clip2scene_core.datasets.nuscenes import FULL_SCALE
    from clip2scene_core.datasets.nuscenes_format.scene_lists import read_scene_list
    from clip2scene_core.datasets.nuscenes_tables import NuScenesTables

    bags = find_recordings(arguments.dataset)
    if len(bags) > 1:
        raise ValueError(
            f"{arguments.dataset} has {len(bags)} recordings, and one data set is copied; "
            f"name one, or make one data set of them by 'clip2scene convert'"
        )
    settle_recordings(arguments)
    scenes = read_scene_list(arguments.scenes) if arguments.scenes else None
    corruption = Corruption(arguments.kind, arguments.strength, arguments.seed)
    tables = NuScenesTables(arguments.dataset, arguments.version, scenes, arguments.cameras)
    if arguments.cameras is None and tables.unread_cameras:
        names = " ".join(tables.unread_cameras)
        raise ValueError(f"{arguments.dataset} has cameras of other names; give --cameras {names}")
    with tqdm(desc=arguments.kind, unit="keyframe") as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        summary = write_corrupted(
            tables,
            arguments.out,
            corruption,
            progress,
            FULL_SCALE if arguments.intensity_scale is None else arguments.intensity_scale,
        )
    lost = summary.num_points - summary.num_kept
    print(
        f"{arguments.kind} {arguments.strength} ({corruption.parameters}): {arguments.out} "
        f"({summary.num_keyframes} keyframes, {summary.num_sweeps} sweeps, "
        f"{summary.num_images} images)"
    )
    print(
        f"of {summary.num_points} points {lost} are lost ({_percent(lost, summary.num_points)}); "
        f"{summary.num_false} are on no object"
    )


def _describe_strengths() -> list[str]:
    lines = []
    for kind, strengths in STRENGTHS.items():
        lines.append(f"  {kind}: {_WHAT[kind]}")
        lines += [f"    {index}  {numbers}" for index, numbers in enumerate(strengths, start=1)]
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / max(1, whole):.1f} %"
