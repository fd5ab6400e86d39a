"""`clip2scene segment`: label every cloud of a bag."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from clip2scene_ros.cli.arguments import add_segmenter_arguments, make_segmenter
from clip2scene_ros.cli.jobs import add_share_argument
from clip2scene_ros.cli.label.params_file import (
    add_params_file_argument,
    apply_params,
    apply_prompts,
    read_params_file,
)
from clip2scene_ros.cli.label.scan_files import segment_scans
from clip2scene_ros.cli.label.several_bags import is_for_several, segment_several
from clip2scene_ros.cli.label.sync_arguments import (
    add_sync_arguments,
    sync_fields,
    with_named_cameras,
    with_option_names,
)
from clip2scene_ros.cli.recordings import find_recordings

if TYPE_CHECKING:
    from clip2scene_core.inference.online import OnlineSegmenter
    from clip2scene_ros.bags.segment import ReplayOptions, ReplaySummary
    from clip2scene_ros.viewers.rerun import RerunLog

SUMMARY = "label the clouds of bags, or scans in files, by words, without ROS"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "bags",
        type=Path,
        nargs="+",
        metavar="bag",
        help="bag of ROS 2 or ROS 1, folder or file; several, or a folder of several; or scans: a "
        ".pcd, .ply, .las, .laz, .bin or .npy file, or a folder of such",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        help="labelled bag to write; of several bags the folder of labelled bags, where the same "
        "command goes on; or folder of labelled scans",
    )
    parser.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="processes that label several bags, on this machine or with --ray; default: 1",
    )
    parser.add_argument(
        "--ray",
        metavar="ADDRESS",
        help="let --processes of a Ray cluster label several bags: auto for the cluster of this "
        "machine, HOST:PORT, or local for one that ends with the command",
    )
    add_share_argument(parser)
    add_segmenter_arguments(parser)
    parser.add_argument("--points-topic", help="the cloud to label, if the bag has several")
    parser.add_argument(
        "--pose-source", choices=("tf", "odometry", "none"), default="tf", help="where poses are"
    )
    parser.add_argument(
        "--fixed-frame", help="frame of the map; by default the bag's layout's, or map"
    )
    parser.add_argument(
        "--intensity-scale",
        type=intensity_scale,
        metavar="auto|NUMBER",
        help="the LiDAR's largest intensity; by default the bag's layout's, or auto: by the clouds",
    )
    parser.add_argument(
        "--columns",
        type=int,
        choices=(4, 5),
        help="numbers of a point in .bin scans: 4 as KITTI has them, or 5 as nuScenes; by default "
        "what fits the size",
    )
    parser.add_argument(
        "--intensity-field",
        default="intensity",
        metavar="FIELD",
        help="field of the cloud that holds the intensity, such as reflectivity",
    )
    parser.add_argument("--base-frame", default="base_link", help="frame of the robot")
    parser.add_argument(
        "--sensor-frame",
        default="",
        metavar="FRAME",
        help="frame of the LiDAR, for clouds in another one, such as base_link or map; by default "
        "the cloud's, where that is a sensor's",
    )
    parser.add_argument(
        "--extrinsics",
        "--extrinsics-file",
        type=Path,
        help="YAML file of extrinsics, if the bag has no /tf_static",
    )
    parser.add_argument(
        "--camera-info-url",
        default="",
        metavar="URL",
        help="calibration files in place of CameraInfo topics; {camera} is the camera's name",
    )
    parser.add_argument(
        "--image-kind",
        choices=("auto", "rectified", "raw"),
        help="which matrix of CameraInfo holds: P of rectified images, K and D of raw ones; by "
        "default the bag's layout's, or auto: by the images' topic",
    )
    parser.add_argument(
        "--frame-overrides",
        nargs="+",
        default=(),
        metavar="NAME=FRAME",
        help="frames in place of the headers': points=FRAME, CAMERA=FRAME, {camera}={camera}",
    )
    parser.add_argument(
        "--deskew", action="store_true", help="undo the motion within a sweep, by its points' times"
    )
    add_sync_arguments(parser)
    add_params_file_argument(parser)
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--view", action="store_true", help="show it in Rerun while it is made")
    shown.add_argument("--rrd", type=Path, help="write a Rerun recording of it")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if len(arguments.bags) == 1:
        scans = _find_scans(arguments.bags[0])
        if scans:
            defaults = argparse.ArgumentParser()
            add_arguments(defaults)
            segment_scans(arguments, scans, defaults)
            return
    if arguments.columns is not None:
        raise ValueError(f"--columns is for .bin scans, and {arguments.bags[0]} holds none")
    if is_for_several(arguments):
        segment_several(arguments, partial(BagLabeller, arguments))
        return
    (bag,) = arguments.bags
    viewer = _make_viewer(arguments)
    labeller = BagLabeller(arguments, viewer)
    with tqdm(desc="labelling", unit="message") as bar, viewer or nullcontext():

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        summary = labeller.label(bag, arguments.out, progress)
    for kind, count in summary.rejections.items():
        reason = with_option_names(summary.reasons[kind], vars(arguments))
        print(f"left out: {count} x {kind}: {reason}", file=sys.stderr)
    print(
        f"{summary.num_labelled} of {summary.num_clouds} clouds, {summary.num_points} points: "
        f"{summary.sweeps_per_second:.1f} sweeps/s, latency {summary.latency_median_ms:.0f} ms "
        f"(95 %: {summary.latency_p95_ms:.0f} ms)"
    )
    if summary.sensor is not None:
        print(f"{summary.sensor}; intensity_scale {summary.sensor.intensity_scale:g}")
    for note in labeller.notes_of(summary):
        print(f"note: {note}", file=sys.stderr)
    print(f"labelled bag: {arguments.out}")
    if arguments.rrd is not None:
        print(f"recording: {arguments.rrd} (open it with 'rerun')")


class BagLabeller:
    """Labels one bag after the other, as the arguments say.

    Args:
        arguments: Of `add_arguments`.
        viewer: Shown every labelled sweep and every map.
    """

    def __init__(self, arguments: argparse.Namespace, viewer: RerunLog | None = None) -> None:
        self._values = None
        if arguments.params_file is not None:
            self._values = read_params_file(arguments.params_file)
            defaults = argparse.ArgumentParser()
            add_arguments(defaults)
            apply_params(self._values, arguments, defaults)
        self._arguments, self._viewer = arguments, viewer
        self._segmenter: OnlineSegmenter | None = None

    def label(self, bag: Path, out: Path, progress: Callable[[int, int], None]) -> ReplaySummary:
        """Label a bag; see `segment_bag`.

        Raises:
            ValueError: If the bag, or what the arguments name, cannot be used.
        """
        from clip2scene_ros.bags.io import BagError
        from clip2scene_ros.bags.segment import segment_bag

        try:
            options = self._options_of(bag)
            segmenter = self.load()
            segmenter.reset()
            return segment_bag(bag, out, segmenter, options, progress, self._viewer)
        except BagError as error:
            raise BagError(with_option_names(str(error), vars(self._arguments))) from error

    def load(self) -> OnlineSegmenter:
        """Load what labels, once.

        Raises:
            ValueError: If weights, teacher or prompts cannot be used.
        """
        if self._segmenter is None:
            self._segmenter = make_segmenter(self._arguments)
            if self._values is not None:
                apply_prompts(self._values, self._segmenter, self._arguments.prompts)
        return self._segmenter

    def notes_of(self, summary: ReplaySummary) -> list[str]:
        """What is odd about a labelled bag, a line each."""
        if summary.sensor is None:
            return []
        settings = vars(self._arguments)
        notes = dict.fromkeys((summary.sensor.without_extrinsics, *summary.notes))
        said = [with_option_names(note, settings) for note in notes if note]
        if self.load().reads_colors and not summary.sensor.is_levelled:
            said.append(
                "z of the clouds is taken as up, but that of a depth camera points ahead; if so, "
                "give its extrinsics and --level on"
            )
        return said

    def _options_of(self, bag: Path) -> ReplayOptions:
        from clip2scene_ros.bags.profile import choose_bag_profile, require_cameras
        from clip2scene_ros.bags.segment import ReplayOptions
        from clip2scene_ros.sync.sweeps import SyncOptions

        arguments = self._arguments
        profile = choose_bag_profile(bag, arguments.points_topic, bool(arguments.camera_info_url))
        profile = with_named_cameras(profile, arguments)
        require_cameras(bag, profile, arguments.mode)
        if arguments.mode != "lidar":
            for image, reason in profile.passed_over.items():
                print(f"note: {image} is not used: {reason}", file=sys.stderr)
        typed = {
            "fixed_frame": arguments.fixed_frame,
            "intensity_scale": arguments.intensity_scale,
            "intensity_field": arguments.intensity_field,
            "sensor_frame": arguments.sensor_frame,
            "base_frame": arguments.base_frame,
            "pose_source": arguments.pose_source,
            "extrinsics_file": arguments.extrinsics,
            "camera_info_url": arguments.camera_info_url,
            "image_kind": arguments.image_kind,
            "frame_overrides": tuple(arguments.frame_overrides),
            "deskew": arguments.deskew,
            **sync_fields(arguments),
        }
        given = {name: value for name, value in typed.items() if value is not None}
        return ReplayOptions(
            sync=SyncOptions(**(profile.sync_options() | given)),
            with_cameras=arguments.mode != "lidar" or self._viewer is not None,
            profile=profile,
        )


def _find_scans(path: Path) -> tuple[Path, ...]:
    """The scans at a path; () where a bag lies, or nothing that is a scan.

    Raises:
        ValueError: If it is a data set, or has scans of several kinds.
    """
    from clip2scene_core.scans.files import find_scans

    if find_recordings(path):
        return ()
    scans = find_scans(path)
    if not scans and any(any(path.glob(one)) for one in ("sequences/*/velodyne", "v1.0-*")):
        raise ValueError(f"{path} is a data set: 'clip2scene export' labels it, by --prompts")
    return scans


def intensity_scale(text: str) -> float | str:
    """Read what is typed after --intensity-scale.

    Raises:
        ArgumentTypeError: If it is neither auto nor a number.
    """
    if text == "auto":
        return text
    try:
        return float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"must be auto or a number, got '{text}'") from error


def _make_viewer(arguments: argparse.Namespace) -> RerunLog | None:
    if not arguments.view and arguments.rrd is None:
        return None
    from clip2scene_ros.viewers.rerun import RerunLog

    return RerunLog(arguments.rrd)
