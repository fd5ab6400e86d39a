"""Scans in files through the segmenter: what `segment` and `export` share."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm import tqdm

from clip2scene_ros.cli.arguments import make_segmenter
from clip2scene_ros.cli.label.params_file import apply_params, apply_prompts, read_params_file

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from clip2scene_core.inference.online import OnlineSegmenter
    from clip2scene_core.scans import LabelledScan

_WHOLE_NUMBERS: Final = (".las", ".laz")  # whose intensities are no fractions

_OF_SCANS: Final = frozenset(
    (
        "bags", "out", "prompts", "weights", "min_confidence", "views", "teacher", "level",
        "device", "precision", "threads", "mode", "intensity_scale", "columns", "extrinsics",
        "base_frame", "sensor_frame", "params_file",
    )
)  # fmt: skip
"""Arguments of `segment` that mean something for scans."""


class ScanLabeller:
    """Labels files one by one; each stands alone, without pose, map or the ground of another.

    Args:
        segmenter: In mode "lidar", without colors.
        intensity_scale: The LiDAR's largest intensity, or "auto", see `IntensityScale`.
        columns: Of .bin files, see `read_scan`.
        T_base_lidar: (4, 4) float64, how the LiDAR is mounted; None: z of the points points up.

    Raises:
        ValueError: If the segmenter needs cameras or colors, or the scale is none.

    Attributes:
        notes: What was odd about the files, a line each.
    """

    def __init__(
        self,
        segmenter: OnlineSegmenter,
        intensity_scale: float | str = "auto",
        columns: int | None = None,
        T_base_lidar: NDArray[np.float64] | None = None,
    ) -> None:
        from clip2scene_ros.sync.intensity import IntensityScale

        if segmenter.reads_colors:
            raise ValueError(
                "this student reads colors, which are not read from scans; take a student of LiDAR"
            )
        self._segmenter = segmenter
        self._intensity = IntensityScale(intensity_scale)
        self._columns, self._T_base_lidar = columns, T_base_lidar
        self.notes: dict[str, None] = {}

    def label(self, path: Path) -> LabelledScan:
        """Read and label a file.

        Returns:
            All points of the file in their order, intensities in its unit.

        Raises:
            ScanError: See `read_scan`; or if the file has no points.
        """
        from clip2scene_core.sample import Sweep
        from clip2scene_core.scans import LabelledScan, ScanError, read_scan

        scan = read_scan(path, self._columns)
        if not len(scan.points):
            raise ScanError(f"{path} has no points")
        divided = scan.points.copy()
        is_integer = path.suffix.lower() in _WHOLE_NUMBERS
        scale = self._intensity.divide(divided, is_integer) if scan.has_intensity else None
        pose = np.full((4, 4), np.nan)
        sweep = Sweep(divided, pose, 0, T_base_lidar=self._T_base_lidar)
        self._segmenter.reset()
        cloud = self._segmenter.segment(sweep)
        self._note(path, scale, divided, cloud.notes)
        return LabelledScan(
            scan.points,
            cloud.labels,
            cloud.scores,
            cloud.vocabulary,
            pose,
            source=path.name,
            intensity_scale=scale,
            T_base_lidar=self._T_base_lidar,
        )

    def _note(
        self, path: Path, scale: float | None, divided: NDArray[np.float32], notes: tuple[str, ...]
    ) -> None:
        from clip2scene_core.preprocessing.statistics import kind_of_note

        told = self._segmenter.input
        found = list(notes)
        if told is not None and told.intensity != "none":
            if scale is None:
                found.append("it has no intensity, which counts as unknown")
            elif told.intensity == "raw" and (doubt := self._intensity.doubt(divided, scale)):
                found.append(doubt)
        said = {kind_of_note(note.partition(": ")[2]) for note in self.notes}
        for note in found:
            if kind_of_note(note) not in said:
                self.notes[f"{path.name}: {note}"] = None


def make_scan_labeller(arguments: argparse.Namespace, defaults: Any = None) -> ScanLabeller:
    """Build the labeller of scans that arguments describe.

    Args:
        arguments: Of `add_segmenter_arguments`, with `intensity_scale`, `columns`, `extrinsics`,
            `base_frame` and `sensor_frame`, perhaps `params_file`.
        defaults: Parser with the defaults of the arguments, where there is a `params_file`.

    Raises:
        ValueError: If they do not fit scans; one line says why.
    """
    if arguments.mode != "lidar":
        raise ValueError(
            f"mode '{arguments.mode}' uses cameras, and scans in files have none; take --mode "
            f"lidar, or a recording or a data set with images"
        )
    mounting = read_mount(arguments)
    values = None
    if getattr(arguments, "params_file", None) is not None:
        values = read_params_file(arguments.params_file)
        apply_params(values, arguments, defaults)
    without_map = {"map_enabled": False}
    arguments.online_options = getattr(arguments, "online_options", {}) | without_map
    segmenter = make_segmenter(arguments)
    if values is not None:
        apply_prompts(values, segmenter, arguments.prompts)
    scale = "auto" if arguments.intensity_scale is None else arguments.intensity_scale
    return ScanLabeller(segmenter, scale, arguments.columns, mounting)


def read_mount(arguments: argparse.Namespace) -> NDArray[np.float64] | None:
    """How the LiDAR of scans is mounted: T_base_lidar by --extrinsics; None without.

    Raises:
        ValueError: If the file cannot be used, or does not say which frame is the LiDAR's.
        TransformError: If it does not connect the LiDAR with the base.
    """
    if arguments.extrinsics is None:
        return None
    from clip2scene_core.geometry.transform_tree import TransformTree
    from clip2scene_ros.sync.extrinsics import load_extrinsics

    transforms = load_extrinsics(arguments.extrinsics)
    frame = getattr(arguments, "sensor_frame", "")
    if not frame:
        if len(transforms) != 1:
            raise ValueError(
                f"{arguments.extrinsics} has several frames, "
                f"{', '.join(one.child for one in transforms)}; name the LiDAR's as --sensor-frame"
            )
        frame = transforms[0].child
    tree = TransformTree()
    for one in transforms:
        tree.set_static_transform(one.T_parent_child, one.parent, one.child)
    return tree.latest(arguments.base_frame, frame)


def segment_scans(
    arguments: argparse.Namespace, scans: tuple[Path, ...], defaults: argparse.ArgumentParser
) -> None:
    """Label scans into a folder that appears when it is complete.

    Args:
        arguments: Of `clip2scene segment`.
        scans: From `find_scans`.
        defaults: Knows the default of each argument.

    Raises:
        ValueError: If an argument is for bags alone, `out` exists, or a scan cannot be labelled.
    """
    from clip2scene_core.atomic_write import atomic_folder
    from clip2scene_core.scans import ScanError
    from clip2scene_core.scans.files import LabelledFiles

    for name, usual in vars(defaults.parse_args(["-", "--out", "-"])).items():
        if name not in _OF_SCANS and getattr(arguments, name) != usual:
            raise ValueError(
                f"--{name.replace('_', '-')} is for bags, and {arguments.bags[0]} holds scans; "
                f"leave it out"
            )
    if arguments.columns is not None and scans[0].suffix.lower() != ".bin":
        raise ValueError(f"--columns is for .bin scans, and {scans[0].name} is another kind")
    if arguments.out.exists():
        raise ScanError(f"{arguments.out} exists already; remove it or name another")
    labeller = make_scan_labeller(arguments, defaults)
    num_points = 0
    with atomic_folder(arguments.out) as draft:
        draft.mkdir(parents=True)
        folder = LabelledFiles(draft)
        for path in tqdm(scans, desc="labelling", unit="scan"):
            scan = labeller.label(path)
            num_points += len(scan.points)
            folder.add(path, scan)
        folder.close()
    for note in labeller.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{len(scans)} scans, {num_points} points")
    print(f"labelled scans: {arguments.out}")
