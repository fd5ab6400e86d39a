"""Recordings where a command takes a data set: found, and made a data set once."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from clip2scene_core.jobs.record import Job
    from clip2scene_core.jobs.work import Do
    from clip2scene_ros.bags.pose_track import PoseTrack
    from clip2scene_ros.bags.to_dataset import RecordingOptions, RecordingSummary

_SUFFIXES: Final = (".mcap", ".db3", ".bag")
_PACKED: Final = ".zstd"
_NUM_NAMED: Final = 3


def add_recording_arguments(parser: argparse.ArgumentParser, are_kept: bool = True) -> None:
    """Declare how recordings are read.

    Args:
        parser: Of the command.
        are_kept: Whether the data sets made of them are kept for other commands.
    """
    group = parser.add_argument_group("recordings")
    if are_kept:
        group.add_argument(
            "--recordings",
            type=Path,
            default=Path("recordings"),
            metavar="DIR",
            help="folder that keeps the data sets made of recordings",
        )
    group.add_argument("--points-topic", help="the cloud, if a recording has several")
    group.add_argument(
        "--poses",
        default="tf",
        metavar="SOURCE",
        help="where poses are: tf, odometry, a file of lines 'stamp x y z qx qy qz qw' (base in a "
        "fixed frame), kiss-icp (LiDAR odometry, where there are none), or none: each keyframe "
        "stands alone",
    )
    group.add_argument("--fixed-frame", help="fixed frame of the poses; default: map")
    group.add_argument("--base-frame", default="base_link", help="frame of the robot")
    group.add_argument("--extrinsics", type=Path, help="YAML file, if there is no /tf_static")
    group.add_argument(
        "--camera-info-url",
        default="",
        metavar="URL",
        help="calibration files in place of CameraInfo topics; {camera} is the camera's name",
    )
    group.add_argument(
        "--frame-overrides",
        nargs="+",
        default=(),
        metavar="NAME=FRAME",
        help="frames in place of the headers': points=FRAME, CAMERA=FRAME",
    )
    group.add_argument(
        "--keyframe-period", type=float, default=0.5, metavar="S", help="least time between two"
    )
    group.add_argument(
        "--keyframe-distance", type=float, default=0.5, metavar="M", help="least motion between two"
    )
    group.add_argument(
        "--previous-sweeps", type=int, default=0, help="sweeps before each keyframe to keep"
    )
    group.add_argument("--scene-length", type=float, default=20.0, metavar="S", help="of a scene")


def find_recordings(path: Path) -> tuple[Path, ...]:
    """Find the recordings at a path: it is one, or a folder of some; () if it is something else."""
    if path.is_file():
        return (path,) if _is_file_of_one(path) else ()
    if _is_bag_folder(path):
        return (path,)
    if not path.is_dir():
        return ()
    inside = sorted(path.iterdir())
    return tuple(one for one in inside if _is_file_of_one(one) or _is_bag_folder(one))


def name_of(bag: Path) -> str:
    """What a recording is called: its folder, or its file without endings."""
    if bag.is_dir():
        return bag.resolve().name if bag.name in ("", "..") else bag.name
    return Path(bag.name.removesuffix(_PACKED)).stem


def _is_file_of_one(path: Path) -> bool:
    return path.is_file() and path.name.removesuffix(_PACKED).endswith(_SUFFIXES)


def recording_options(arguments: argparse.Namespace, bag: Path) -> RecordingOptions:
    """What the arguments of `add_recording_arguments` say of one recording.

    Raises:
        ValueError: If an argument is out of its range, or the recording cannot be read.
    """
    from clip2scene_ros.bags.keyframes import KeyframeOptions
    from clip2scene_ros.bags.profile import choose_bag_profile
    from clip2scene_ros.bags.to_dataset import RecordingOptions
    from clip2scene_ros.sync.sweeps import SyncOptions

    profile = choose_bag_profile(bag, arguments.points_topic, bool(arguments.camera_info_url))
    given: dict[str, Any] = {
        "base_frame": arguments.base_frame,
        "pose_source": arguments.poses if arguments.poses in ("odometry", "none") else "tf",
        "extrinsics_file": arguments.extrinsics,
        "camera_info_url": arguments.camera_info_url,
        "frame_overrides": tuple(arguments.frame_overrides),
    }
    if arguments.fixed_frame is not None:
        given["fixed_frame"] = arguments.fixed_frame
    return RecordingOptions(
        SyncOptions(**(profile.sync_options() | given)),
        arguments.points_topic,
        KeyframeOptions(arguments.keyframe_period, arguments.keyframe_distance),
        arguments.previous_sweeps,
        arguments.scene_length,
    )


def make_dataset(
    arguments: argparse.Namespace,
    bags: Sequence[Path],
    out: Path,
    progress: Callable[[int, int], None],
) -> RecordingSummary:
    """Write recordings as one data set.

    Args:
        arguments: Those of `add_recording_arguments`.
        bags: The recordings.
        out: Folder to make.
        progress: Called with the number of messages read and their total, bag by bag.

    Raises:
        BagError: See `write_dataset`.
    """
    from clip2scene_ros.bags.to_dataset import write_dataset

    options = [recording_options(arguments, bag) for bag in bags]
    tracks = [
        track_of(arguments, bag, how, progress) for bag, how in zip(bags, options, strict=True)
    ]
    return write_dataset(bags, out, options, tracks, progress)


def settle_recordings(arguments: argparse.Namespace, num_processes: int = 1) -> tuple[Path, ...]:
    """Put data sets in the place of recordings among the arguments, one each, made only once.

    A data set's name depends on the recording and on how it is read. Where they are goes to stderr.
    Other processes may do the same at the same time: each makes some, and waits for the others.

    Args:
        arguments: Of a command that takes one data set or several, and of
            `add_recording_arguments`. Several recordings in the place of one data set become a
            list.
        num_processes: Processes that read recordings.

    Returns:
        The data sets that were made of recordings, now or earlier.

    Raises:
        BagError: See `write_dataset`; of several recordings a ValueError that names those that
            cannot be read.
    """
    is_one = not isinstance(arguments.dataset, list)
    settled: list[Path] = []
    made: dict[Path, Path] = {}
    for path in [arguments.dataset] if is_one else arguments.dataset:
        bags = find_recordings(path)
        kept = {arguments.recordings / _name(arguments, bag): bag for bag in bags}
        made |= kept
        settled += list(kept) or [path]
    if any(not path.is_dir() for path in made):
        _make_datasets(arguments, made, num_processes)
    if len(made) > _NUM_NAMED:
        print(f"data sets of {len(made)} recordings: {arguments.recordings}", file=sys.stderr)
    else:
        for path in made:
            print(f"data set of a recording: {path}", file=sys.stderr)
    arguments.dataset = settled[0] if is_one and len(settled) == 1 else settled
    return tuple(made)


def require_labels(path: Path, cloud_topic: str | None) -> None:
    """Refuse recordings without ground truth before they are read; data sets pass.

    Args:
        path: What a command that compares labels was given.
        cloud_topic: The cloud, for recordings that have several.

    Raises:
        BagError: If a recording cannot be read.
        ValueError: If one has none; the message names the topic that it would be on.
    """
    from clip2scene_ros.bags.io import open_bag
    from clip2scene_ros.bags.profile import profile_of
    from clip2scene_ros.sync.topics import GROUND_TRUTH_SUFFIX

    for bag in find_recordings(path):
        with open_bag(bag) as reader:
            topic = profile_of(reader, cloud_topic).cloud_topic + GROUND_TRUTH_SUFFIX
            if all(connection.topic != topic for connection in reader.connections):
                raise ValueError(
                    f"{bag} has no labels to compare with: there is no {topic}. Without labels, "
                    f"'clip2scene segment' shows what a student says, and the end of 'clip2scene "
                    f"pretrain' how far it agrees with its teacher; labels of your own are for "
                    f"'clip2scene export' and 'finetune --labels'"
                )


def _make_datasets(
    arguments: argparse.Namespace, made: Mapping[Path, Path], num_processes: int
) -> None:
    """Make the data sets that are not there, a job each.

    Args:
        arguments: Those of `add_recording_arguments`.
        made: Recordings by the data sets to make of them.
        num_processes: Of this machine.
    """
    from clip2scene_core.jobs.folder import JobFolder
    from clip2scene_core.jobs.record import Job
    from clip2scene_ros.cli.jobs import do_jobs

    jobs = tuple(
        Job(path.name, bag.resolve(), path.name, _reading(arguments))
        for path, bag in made.items()
        if not path.is_dir()
    )
    folder = JobFolder(arguments.recordings, jobs)
    print(do_jobs(folder, None, num_processes, partial(_make_do, arguments)), file=sys.stderr)


def _make_do(arguments: argparse.Namespace) -> Do:
    from clip2scene_ros.cli.jobs import naming_failures, throttled

    def do(job: Job, draft: Path, tell: Callable[[float], None]) -> Mapping[str, Any]:
        with naming_failures(job):
            return asdict(make_dataset(arguments, [job.source], draft, throttled(tell)))

    return do


def track_of(
    arguments: argparse.Namespace, bag: Path, options: RecordingOptions, progress: Any
) -> PoseTrack | None:
    """Poses that stand in place of a recording's own; None if those are taken.

    Args:
        arguments: Those of `add_recording_arguments`.
        bag: The recording.
        options: From `recording_options`.
        progress: Called with the number of messages read and their total.

    Raises:
        BagError: If poses cannot be read or found.
    """
    from clip2scene_ros.bags.pose_track import KISS_ICP, read_pose_file, track_by_kiss_icp
    from clip2scene_ros.bags.profile import choose_bag_profile

    if arguments.poses in ("tf", "odometry", "none"):
        return None
    if arguments.poses != KISS_ICP:
        return read_pose_file(Path(arguments.poses))
    assert options.sync is not None
    profile = choose_bag_profile(bag, arguments.points_topic, bool(arguments.camera_info_url))
    return track_by_kiss_icp(bag, profile, options.sync, progress)


def _is_bag_folder(path: Path) -> bool:
    if not path.is_dir():
        return False
    if (path / "metadata.yaml").is_file():
        return True
    # One bag in pieces, not several bags: those pieces are numbered from 0.
    pieces = [one.stem for one in path.iterdir() if one.suffix in (".mcap", ".db3")]
    return bool(pieces) and all(one.rpartition("_")[2].isdigit() for one in pieces)


def _name(arguments: argparse.Namespace, bag: Path) -> str:
    """Name the data set of a recording: by name, size and change of its files, and its reading."""
    from clip2scene_ros.cli.jobs import files_of

    files = list(files_of(bag))
    for named in (arguments.extrinsics, Path(arguments.poses)):
        if named is not None and named.is_file():
            files.append(named)
    content = [
        list(_reading(arguments).values()),
        [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files],
    ]
    return f"{name_of(bag)}-{hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]}"


def _reading(arguments: argparse.Namespace) -> dict[str, str]:
    """How recordings are read."""
    names = (
        "points_topic", "poses", "fixed_frame", "base_frame", "extrinsics", "camera_info_url",
        "frame_overrides", "keyframe_period", "keyframe_distance", "previous_sweeps",
        "scene_length",
    )  # fmt: skip
    return {name: str(getattr(arguments, name)) for name in names}
