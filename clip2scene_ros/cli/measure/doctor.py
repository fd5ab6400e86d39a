"""`clip2scene doctor`: examine a data set or a recording before hours are spent."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from clip2scene_ros.cli.arguments import (
    add_dataset_arguments,
    add_split_argument,
    add_threads_argument,
)
from clip2scene_ros.cli.examination import (
    NUM_KEYFRAMES,
    examine_recording,
    print_findings,
    showing,
)
from clip2scene_ros.cli.recordings import add_recording_arguments, find_recordings

if TYPE_CHECKING:
    from clip2scene_core.doctor.dataset import DatasetExamination
    from clip2scene_core.doctor.finding import Finding
    from clip2scene_ros.bags.doctor.recording import RecordingExamination

    Examination = DatasetExamination | RecordingExamination

SUMMARY = "examine a data set or recordings: files, stamps, calibration, motion, disk and time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "data set in the format of nuScenes, SemanticKITTI or ScanNet, a recording (bag) or a "
        "folder of recordings",
    )
    add_split_argument(parser)
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE",
        help="draw the points of a keyframe, and edges of depth, over the pictures of its cameras",
    )
    parser.add_argument(
        "--keyframes",
        type=int,
        default=NUM_KEYFRAMES,
        metavar="N",
        help="keyframes that are looked at whole; of all others files, stamps and poses are",
    )
    parser.add_argument("--teacher", help="CLIP whose pass is timed on two pictures")
    parser.add_argument(
        "--cache", type=Path, default=Path(), metavar="DIR", help="where its embeddings will be"
    )
    parser.add_argument("--device", default="cpu", help="of the teacher: cpu or cuda")
    add_recording_arguments(parser, are_kept=False)
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        ValueError: If there is a problem, or an argument is out of its range.
    """
    from clip2scene_core.device import use_threads
    from clip2scene_core.doctor.finding import Level

    if arguments.keyframes < 1:
        raise ValueError(f"--keyframes must be 1 or more, got {arguments.keyframes}")
    use_threads(arguments.threads)
    findings: list[Finding] = []
    bags = find_recordings(arguments.dataset)
    places = bags or (arguments.dataset,)
    for number, place in enumerate(places):
        if len(places) > 1:
            print(f"{place}:")
        examination = examine(arguments, place, bool(bags))
        print_findings(examination.findings)
        findings += examination.findings
        if arguments.picture is not None:
            name = arguments.picture.stem + (f"_{number}" if number else "")
            path = arguments.picture.with_stem(name)
            if examination.keyframes.save_picture(path):
                print(f"picture of the projection: {path}")
            else:
                print("no picture of the projection: no keyframe has a view", file=sys.stderr)
    counts = {level: sum(finding.level is level for finding in findings) for level in Level}
    print(f"{counts[Level.OK]} ok, {counts[Level.NOTE]} notes, {counts[Level.PROBLEM]} problems")
    if counts[Level.PROBLEM]:
        raise ValueError(
            f"{counts[Level.PROBLEM]} of {len(findings)} findings are problems; what to do stands "
            f"behind the arrows"
        )


def examine(arguments: argparse.Namespace, place: Path, is_recording: bool) -> Examination:
    """Examine one data set or recording, with progress.

    Args:
        arguments: Those of `add_arguments`.
        place: The data set, or the recording.
        is_recording: Whether it is a recording.

    Raises:
        ValueError: If the teacher or an argument cannot be used.
    """
    from clip2scene_core.datasets.nuscenes_format.scene_lists import read_scene_list
    from clip2scene_core.doctor.dataset import DatasetExamination, DatasetPlace

    if is_recording:
        return examine_recording(
            arguments,
            place,
            arguments.keyframes,
            arguments.teacher,
            arguments.cache,
            arguments.device,
        )
    scenes = read_scene_list(arguments.scenes) if arguments.scenes else None
    examination = DatasetExamination(
        DatasetPlace(
            place,
            arguments.version,
            scenes,
            arguments.split,
            arguments.cameras,
            arguments.intensity_scale,
        ),
        arguments.keyframes,
    )
    with tqdm(desc="examined", unit="keyframe") as bar:
        examination.run(arguments.teacher, arguments.cache, arguments.device, showing(bar))
    return examination
