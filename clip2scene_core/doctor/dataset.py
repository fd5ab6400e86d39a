"""A data set on disk, examined from its tables to its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.joined import JoinedDataset
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.kitti_format.sequence import FULL_SCALE as KITTI_FULL_SCALE
from clip2scene_core.datasets.nuscenes import FULL_SCALE as NUSCENES_FULL_SCALE
from clip2scene_core.datasets.open_dataset import open_dataset
from clip2scene_core.datasets.scannet import is_scannet
from clip2scene_core.doctor.cost import check_cost
from clip2scene_core.doctor.files import REACH, check_all_files
from clip2scene_core.doctor.finding import Finding, note, ok, problem, some
from clip2scene_core.doctor.keyframes import KeyframeExamination
from clip2scene_core.doctor.motion import Track, check_motion, read_tracks
from clip2scene_core.doctor.splits import check_splits
from clip2scene_core.doctor.stamps import check_stamps
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import DatasetError

_PARTS: Final[tuple[dict[str, bool | None], ...]] = (
    {"with_labels": True, "with_images": True, "with_poses": True},
    {"with_labels": False, "with_images": True, "with_poses": True},
    {"with_labels": True, "with_images": None, "with_poses": True},
    {"with_labels": True, "with_images": None, "with_poses": False},
    {"with_labels": False, "with_images": None, "with_poses": False},
)
"""What of a data set is opened, from all of it to clouds alone."""


@dataclass(frozen=True)
class DatasetPlace:
    """Where a data set is, and how it is read; see `open_dataset`.

    Attributes:
        root: Folder.
        version: Version folder of nuScenes.
        scenes: Names of scenes; None means all.
        split: Official split in place of scenes.
        cameras: Names of cameras.
        intensity_scale: Largest intensity of the LiDAR; None means the layout's.
    """

    root: Path
    version: str | None = None
    scenes: Sequence[str] | None = None
    split: str | None = None
    cameras: Sequence[str] | None = None
    intensity_scale: float | None = None


class DatasetExamination:
    """Examines one data set.

    Args:
        place: Where it is.
        num_keyframes: How many keyframes are looked at whole, spread over the data set.

    Attributes:
        findings: What was found, in the order of the data.
        keyframes: What the keyframes showed; draws the picture of the projection.
    """

    def __init__(self, place: DatasetPlace, num_keyframes: int = 24) -> None:
        self._place = place
        self._num_keyframes = num_keyframes
        self._tracks: dict[str, Track] = {}
        self._pictures: list[NDArray[np.uint8]] = []
        self.findings: list[Finding] = []
        self.keyframes = KeyframeExamination()

    def run(
        self,
        teacher: str | None = None,
        cache: Path = Path("."),
        device: str = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        """Examine it all.

        Args:
            teacher: A CLIP whose pass is timed; None leaves that out.
            cache: Where the teacher's embeddings will be kept.
            device: Of the teacher.
            progress: Called with the number of keyframes whose files were looked at, and in total.

        Raises:
            ValueError: If the teacher cannot be loaded.
        """
        dataset = self._open()
        if dataset is None:
            return
        if len(dataset) == 0:
            remedy = "choose other scenes, or complete the tables"
            self.findings.append(problem("tables", "there is no keyframe", remedy))
            return
        if self._place.scenes is None and self._place.split is None:
            self.findings += check_splits(self._place.root, dataset)
        try:
            self.findings += check_all_files(dataset, progress)
            self._read_tracks(dataset)
        except DatasetError as error:
            remedy = "the tables do not fit each other: get them again, all of one release"
            self.findings.append(problem("tables", str(error), remedy))
            return
        num_images = self._look(dataset)
        self.findings += check_cost(
            num_images, self.keyframes.tiles_per_view, self._pictures, cache, teacher, device
        )

    def _open(self) -> KeyframeDataset | None:
        """Open it with labels, without, or what is whole of it."""
        try:
            return self._open_scenes(self._place.scenes, self._place.split)
        except DatasetError as error:
            whole = self._open_whole_scenes(error)
            if whole is None:
                remedy = "the data set cannot be read before this is right"
                self.findings.append(problem("tables", str(error), remedy))
            return whole

    def _open_scenes(self, scenes: Sequence[str] | None, split: str | None) -> KeyframeDataset:
        place = self._place
        given: dict[str, Any] = {
            "version": place.version,
            "scenes": scenes,
            "split": split,
            "cameras": place.cameras,
            "intensity_scale": place.intensity_scale,
        }
        faults: list[DatasetError] = []
        for parts in _PARTS:
            try:
                dataset = open_dataset(place.root, **{**given, **parts})
            except DatasetError as error:
                faults.append(error)
                continue
            # Scenes that are opened one by one say the same.
            self._note_parts(parts, faults, place.root)
            return dataset
        raise faults[0]

    def _note_parts(
        self, parts: dict[str, bool | None], faults: list[DatasetError], root: Path
    ) -> None:
        """Say what a data set was opened without, and why."""
        found = []
        if parts["with_labels"] is False and _has_labels(root):
            remedy = "fine for pre-training; evaluation and fine-tuning need labels"
            found.append(note("labels", str(faults[0]), remedy))
        if parts["with_images"] is None:
            remedy = "without pictures, calibration and poses nothing can be pre-trained on it"
            found.append(note("cameras", str(faults[1]), remedy))
        self.findings += [finding for finding in found if finding not in self.findings]

    def _open_whole_scenes(self, error: DatasetError) -> KeyframeDataset | None:
        """Open the scenes that can be opened one by one; None if the layout has tables, or none."""
        root, names = self._place.root, self._place.scenes
        if names is None and (root / "sequences").is_dir():
            names = [path.parent.name for path in sorted(root.glob("sequences/*/velodyne"))]
        elif names is None and is_scannet(root):
            clouds = [*root.glob("*/*_vh_clean_2.ply"), *root.glob("scans*/*/*_vh_clean_2.ply")]
            names = sorted(path.parent.name for path in clouds)
        else:
            return None
        opened, faults = [], {}
        for name in names:
            try:
                opened.append(self._open_scenes([name], None))
            except DatasetError as fault:
                faults[name] = fault
        if faults:
            text = f"{len(faults)} of {len(names)} scenes cannot be read ({some(faults)}): "
            remedy = "complete them, or name the others in a file for --scenes"
            self.findings.append(problem("scenes", text + str(next(iter(faults.values()))), remedy))
        if not opened:
            return None
        return opened[0] if len(opened) == 1 else JoinedDataset(opened)

    def _read_tracks(self, dataset: KeyframeDataset) -> None:
        """Read stamps and poses of all sweeps, from the tables."""
        self._tracks, keyframes = read_tracks(dataset, REACH)
        if not self._tracks:
            return
        self.findings += _check_scene_stamps(keyframes, self._tracks)
        self.findings += check_motion(list(self._tracks.values()))

    def _look(self, dataset: KeyframeDataset) -> int:
        """Look at some keyframes whole; give the number of pictures of all, about."""
        count = min(self._num_keyframes, len(dataset))
        chosen = np.unique(np.linspace(0, len(dataset) - 1, count).astype(int)).tolist()
        labels = np.zeros(256, dtype=np.int64)
        faults: list[DatasetError] = []
        for index in chosen:
            try:
                sample = dataset.load(index, ())
            except DatasetError as error:
                faults.append(error)
                continue
            if sample.keyframe.labels is not None:
                labels += np.bincount(sample.keyframe.labels, minlength=256)
            self.keyframes.add(
                sample.keyframe, sample.cameras, self._tracks.get(dataset.scene_token(index))
            )
            self._pictures += [view.image for view in sample.cameras[: 2 - len(self._pictures)]]
        if faults:
            text = f"{len(faults)} of {len(chosen)} cannot be read, the first: {faults[0]}"
            self.findings.append(problem("keyframes", text, "get these files again"))
        if labels.any():
            self.findings.append(_check_labels(labels, [c.name for c in dataset.classes]))
        self.findings += self.keyframes.findings(self._full_scale())
        keyframes = self.keyframes
        return round(keyframes.num_views * len(dataset) / max(1, keyframes.num_keyframes))

    def _full_scale(self) -> float:
        if self._place.intensity_scale is not None:
            return self._place.intensity_scale
        is_kitti = (self._place.root / "sequences").is_dir()
        return KITTI_FULL_SCALE if is_kitti else NUSCENES_FULL_SCALE


def _has_labels(root: Path) -> bool:
    patterns = ("*/lidarseg.json", "sequences/*/labels", "*/*_vh_clean_2.labels.ply")
    return any(any(root.glob(pattern)) for pattern in (*patterns, "*/*/*_vh_clean_2.labels.ply"))


def _check_labels(counts: NDArray[np.int64], names: Sequence[str]) -> Finding:
    seen = {name: int(count) for name, count in zip(names, counts, strict=False) if count}
    ignored = counts[IGNORE_LABEL] / counts.sum()
    text = (
        f"{len(seen)} of {len(names)} classes in the keyframes that were looked at, "
        f"{100 * ignored:.0f} % of the points without"
    )
    if not seen:
        remedy = "check that the labels are raw ones of this data set, of the same release"
        return problem("labels", text, remedy)
    if len(seen) == 1:
        remedy = "check the labels: scenes of one class alone are rare"
        return note("labels", f"{text}: all are {some(seen)}", remedy)
    return ok("labels", text)


def _check_scene_stamps(keyframes: dict[str, list[int]], tracks: dict[str, Track]) -> list[Finding]:
    findings: list[Finding] = []
    odd: list[Finding] = []
    rates: list[float] = []
    for scene, stamps in keyframes.items():
        found = check_stamps(f"stamps of {scene}", np.array(stamps, dtype=np.int64))
        odd += [finding for finding in found if finding.remedy]
        sweeps = np.diff(tracks[scene].stamps_ns) / 1e9
        rates += [1 / float(np.median(sweeps))] if len(sweeps) else []
    if rates:
        text = f"sweeps at {np.median(rates):.1f} Hz with poses, in {len(keyframes)} scenes"
        findings.append(ok("stamps", text))
    if len(odd) > 5:
        text = f"{len(odd)} scenes have odd stamps, the first: {odd[0].subject}: {odd[0].text}"
        findings.append(note("stamps", text, odd[0].remedy))
    else:
        findings += odd
    return findings
