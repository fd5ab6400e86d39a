"""`clip2scene export`: labels as files that annotation tools open; or a student as a network."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

from clip2scene_ros.cli.arguments import add_segmenter_arguments, make_segmenter, open_chosen
from clip2scene_ros.cli.label.export_network import (
    add_network_arguments,
    export_network,
    names_network,
)
from clip2scene_ros.cli.label.scan_files import make_scan_labeller
from clip2scene_ros.cli.label.segment import intensity_scale
from clip2scene_ros.cli.recordings import (
    add_recording_arguments,
    find_recordings,
    settle_recordings,
)

if TYPE_CHECKING:
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.scans import LabelledScan

SUMMARY = (
    "write labels as files of annotation tools (SemanticKITTI, PCD, PLY, LAS, lidarseg, NPZ), or a "
    "student as a network for C++ (.pt2, .onnx)"
)

_LIDARSEG: Final = "lidarseg"
_FORMATS: Final = ("semantickitti", "pcd", "ply", "las", "laz", "npz", _LIDARSEG)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "labelled",
        type=Path,
        help="labelled bag; or what a student labels here: a data set, recordings, or scans in "
        "files; or labelled scans with legend.json; or a student, to export the network itself: "
        "a .safetensors file, small or large",
    )
    parser.add_argument("--format", choices=_FORMATS, help="of the files; labels need it")
    parser.add_argument(
        "--out", type=Path, required=True, help="folder to make; of a network, a .pt2 or .onnx file"
    )
    parser.add_argument(
        "--sort-by",
        choices=("time", "doubt"),
        default="time",
        help="doubt numbers the scans so that those with the lowest confidence come first",
    )
    add_segmenter_arguments(parser)
    parser.set_defaults(weights=None)
    parser.add_argument("--version", help="version folder of nuScenes, if there are several")
    parser.add_argument("--scenes", type=Path, help="text file of the scenes to take, one a line")
    parser.add_argument("--split", help="official split of a data set in place of --scenes")
    parser.add_argument(
        "--intensity-scale",
        type=intensity_scale,
        metavar="auto|NUMBER",
        help="the LiDAR's largest intensity; by default the data set's, or auto",
    )
    parser.add_argument("--columns", type=int, choices=(4, 5), help="of .bin scans")
    parser.add_argument(
        "--label-field", metavar="FIELD", help="of labelled scans, such as classification"
    )
    parser.add_argument("--sensor-frame", default="", metavar="FRAME", help="frame of the LiDAR")
    add_recording_arguments(parser)
    add_network_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if names_network(arguments.labelled):
        export_network(arguments)
    else:
        _export_labels(arguments)


def _export_labels(arguments: argparse.Namespace) -> None:
    from clip2scene_core.atomic_write import atomic_folder
    from clip2scene_core.scans import ScanError
    from clip2scene_core.scans.folders import LabelledFolder
    from clip2scene_core.scans.lidarseg import LidarsegFolder

    _check_labels(arguments)
    if arguments.out.exists():
        raise ScanError(f"{arguments.out} exists already; remove it or name another")
    by_doubt = arguments.sort_by == "doubt"
    source = _Source(arguments)
    with atomic_folder(arguments.out) as draft:
        if arguments.format == _LIDARSEG:
            if by_doubt:
                raise ScanError(
                    "lidarseg has no order: its files are called by tokens; scans.json lists the "
                    "most doubtful first, so leave out --sort-by"
                )
            folder: Any = LidarsegFolder(draft, source.nuscenes())
        else:
            folder = LabelledFolder(draft, arguments.format, by_doubt)
        num_located = 0
        for scan in source.scans():
            num_located += bool(np.isfinite(scan.T_global_lidar).all())
            folder.add(scan)
        if not len(folder):
            raise ScanError(f"{arguments.labelled}: there is no labelled scan to write")
        folder.close()
    for note in source.notes:
        print(f"note: {note}", file=sys.stderr)
    if arguments.format == "semantickitti" and num_located < len(folder):
        print(
            f"note: {len(folder) - num_located} of {len(folder)} scans have no pose; they lie on "
            f"one another where scans are shown together",
            file=sys.stderr,
        )
    print(f"{len(folder)} scans as {arguments.format}: {arguments.out}")


def _check_labels(arguments: argparse.Namespace) -> None:
    """Refuse options that labels do not have, or that they need and that are not there."""
    is_file = arguments.out.suffix in (".pt2", ".onnx")
    if arguments.aot or (arguments.format is None and is_file):
        raise ValueError(
            f"--aot, .pt2 and .onnx are for networks, and {arguments.labelled} is none: name a "
            f"student's .safetensors file, small or large"
        )
    if arguments.format is None:
        raise ValueError(
            f"name the --format that the labels of {arguments.labelled} shall have: "
            f"{', '.join(_FORMATS)}; only a network (.safetensors, small or large) needs none"
        )


class _Source:
    """Where labelled scans come from.

    Args:
        arguments: Of the command.

    Raises:
        ValueError: If there is nothing at the path that can be exported.

    Attributes:
        notes: What people should know of the scans; complete after them.
    """

    def __init__(self, arguments: argparse.Namespace) -> None:
        from clip2scene_core.scans.files import find_scans
        from clip2scene_core.scans.legend import LEGEND

        if arguments.mode != "lidar":
            raise ValueError(
                f"export labels by a student alone, got --mode {arguments.mode}; label a bag by "
                f"'clip2scene segment --mode {arguments.mode}', and export its labels"
            )
        self._arguments = arguments
        self.notes: list[str] = []
        self._dataset: KeyframeDataset | None = None
        path: Path = arguments.labelled
        is_anew = arguments.weights is not None or arguments.prompts is not None
        arguments.weights = arguments.weights or "small"
        bags = find_recordings(path)
        files = () if bags else find_scans(path)
        if bags and not is_anew:
            self._kind = "bag"
            if len(bags) > 1:
                raise ValueError(
                    f"{path} has {len(bags)} recordings; export one labelled bag at a time, or "
                    f"name --prompts to label them here"
                )
        elif (path / LEGEND).is_file() and not is_anew:
            self._kind = "labelled"
        elif files:
            self._kind, self._files = "files", files
        else:
            self._kind = "dataset"
            self._dataset = self._open_dataset()

    def nuscenes(self) -> Any:
        """The data set, where it is in nuScenes' format.

        Raises:
            ValueError: If it is another one.
        """
        from clip2scene_core.datasets import NuScenesDataset

        if not isinstance(self._dataset, NuScenesDataset):
            raise ValueError(
                f"lidarseg belongs to a data set in nuScenes' format, which "
                f"{self._arguments.labelled} is not; make one of a recording by 'clip2scene "
                f"convert', or take another format"
            )
        return self._dataset

    def scans(self) -> Iterator[LabelledScan]:
        """The labelled scans, one at a time."""
        return {
            "bag": self._of_bag,
            "labelled": self._of_labelled,
            "files": self._of_files,
            "dataset": self._of_dataset,
        }[self._kind]()

    def _of_bag(self) -> Iterator[LabelledScan]:
        from clip2scene_ros.bags.labelled_stream import LabelledBag

        arguments = self._arguments
        if arguments.poses not in ("tf", "odometry", "none"):
            raise ValueError(
                f"poses of a labelled bag are its own, got --poses {arguments.poses}; take tf, "
                f"odometry or none"
            )
        given: dict[str, Any] = {
            "base_frame": arguments.base_frame,
            "extrinsics_file": arguments.extrinsics,
            "frame_overrides": tuple(arguments.frame_overrides),
            "sensor_frame": arguments.sensor_frame,
        }
        if arguments.poses != "tf":
            given["pose_source"] = arguments.poses
        if arguments.fixed_frame is not None:
            given["fixed_frame"] = arguments.fixed_frame
        if arguments.intensity_scale is not None:
            given["intensity_scale"] = arguments.intensity_scale
        (bag,) = find_recordings(arguments.labelled)
        labelled = LabelledBag(bag, given, arguments.points_topic)
        with tqdm(desc="exporting", unit="message") as bar:

            def progress(done: int, total: int) -> None:
                bar.total = total
                bar.update(done - bar.n)

            yield from labelled.scans(progress)
        for reason, count in labelled.left_out.items():
            self.notes.append(f"{count} of {labelled.num_labelled} labelled clouds came {reason}")

    def _of_labelled(self) -> Iterator[LabelledScan]:
        from clip2scene_core.scans.corrected import read_labelled_folder

        arguments = self._arguments
        scans = read_labelled_folder(arguments.labelled, arguments.columns, arguments.label_field)
        return iter(tqdm(scans, desc="exporting", unit="scan"))

    def _of_files(self) -> Iterator[LabelledScan]:
        labeller = make_scan_labeller(self._arguments)
        for path in tqdm(self._files, desc="labelling", unit="scan"):
            yield labeller.label(path)
        self.notes += labeller.notes

    def _of_dataset(self) -> Iterator[LabelledScan]:
        from clip2scene_core.scans import LabelledScan

        arguments, dataset = self._arguments, self._dataset
        assert dataset is not None
        arguments.online_options = {"map_enabled": False}
        segmenter = make_segmenter(arguments)
        scene_token, unknown = None, np.full((4, 4), np.nan)
        for index in tqdm(range(len(dataset)), desc="labelling", unit="keyframe"):
            if dataset.scene_token(index) != scene_token:
                scene_token = dataset.scene_token(index)
                segmenter.reset()
            sample = dataset.load(index, ())
            cloud = segmenter.segment(sample.keyframe)
            points = sample.keyframe.points[:, :4].copy()
            points[:, 3] *= np.float32(self._scale)
            yield LabelledScan(
                points,
                cloud.labels,
                cloud.scores,
                cloud.vocabulary,
                unknown if arguments.poses == "none" else sample.keyframe.T_global_lidar,
                sample.keyframe.stamp_ns,
                sample.token,
                self._scale,
            )
        if arguments.format == "semantickitti" and len(dataset.scenes) > 1:
            self.notes.append(
                f"{len(dataset.scenes)} scenes lie in one sequence, and their poses may be of "
                f"different places; choose one by --scenes"
            )

    def _open_dataset(self) -> KeyframeDataset:
        from clip2scene_core.datasets import NuScenesDataset

        arguments = self._arguments
        arguments.dataset = arguments.labelled
        made = settle_recordings(arguments)
        given = arguments.intensity_scale
        if given == "auto":
            raise ValueError("--intensity-scale auto is for bags and scans; give the number")
        dataset = open_chosen(
            arguments,
            arguments.dataset,
            with_images=False,
            with_poses=arguments.poses != "none",
        )
        usual = 255.0 if made or isinstance(dataset, NuScenesDataset) else 1.0
        self._scale: float = usual if given is None else given
        return dataset
