"""Recordings where a command takes a data set: found, and made a data set once."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_ros.bags.pose_track import PoseTrack
    from clip2scene_ros.bags.to_dataset import RecordingOptions, RecordingSummary

_SUFFIXES: Final = (".mcap", ".db3", ".bag")


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
        return (path,) if path.suffix in _SUFFIXES else ()
    if _is_bag_folder(path):
        return (path,)
    if not path.is_dir():
        return ()
    inside = sorted(path.iterdir())
    return tuple(one for one in inside if one.suffix in _SUFFIXES or _is_bag_folder(one))


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
    arguments: argparse.Namespace, bags: Sequence[Path], out: Path
) -> RecordingSummary:
    """Write recordings as a data set, with progress.

    Raises:
        BagError: See `write_dataset`.
    """
    from clip2scene_ros.bags.to_dataset import write_dataset

    with tqdm(desc="reading recordings", unit="message") as bar:

        def progress(done: int, total: int) -> None:
            if done < bar.n:
                bar.reset(total)
            bar.total = total
            bar.update(done - bar.n)

        options = [recording_options(arguments, bag) for bag in bags]
        tracks = [
            track_of(arguments, bag, how, progress) for bag, how in zip(bags, options, strict=True)
        ]
        return write_dataset(bags, out, options, tracks, progress)


def settle_recordings(arguments: argparse.Namespace) -> tuple[Path, ...]:
    """Put data sets in the place of recordings among the arguments; each is made only once.

    A data set's name depends on the recordings and on how they are read. Which one it is goes to
    stderr.

    Args:
        arguments: Of a command that takes one data set or several, and of
            `add_recording_arguments`.

    Returns:
        The data sets that were made of recordings, now or earlier.

    Raises:
        BagError: See `write_dataset`.
    """
    is_one = not isinstance(arguments.dataset, list)
    settled, made = [], []
    for path in [arguments.dataset] if is_one else arguments.dataset:
        bags = find_recordings(path)
        if bags:
            name = f"{bags[0].stem}-{_digest(arguments, bags)[:12]}"
            path = arguments.recordings / name
            if not path.is_dir():
                make_dataset(arguments, bags, path)
            print(f"data set of {len(bags)} recordings: {path}", file=sys.stderr)
            made.append(path)
        settled.append(path)
    arguments.dataset = settled[0] if is_one else settled
    return tuple(made)


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


def _digest(arguments: argparse.Namespace, bags: Sequence[Path]) -> str:
    """Identify recordings by name, size and change, and how they are read."""
    names = (
        "points_topic", "poses", "fixed_frame", "base_frame", "extrinsics", "camera_info_url",
        "frame_overrides", "keyframe_period", "keyframe_distance", "previous_sweeps",
        "scene_length",
    )  # fmt: skip
    files = [file for bag in bags for file in ([bag] if bag.is_file() else sorted(bag.iterdir()))]
    for named in (arguments.extrinsics, Path(arguments.poses)):
        if named is not None and named.is_file():
            files.append(named)
    content = [
        [str(getattr(arguments, name)) for name in names],
        [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
