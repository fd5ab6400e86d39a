"""Corrected labels as a data set that fine-tuning takes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.intensity import DatasetIntensity
from clip2scene_core.datasets.keyframe_dataset import SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import SemanticClass
from clip2scene_core.preprocessing.levelling import mount_rotation
from clip2scene_core.sample import DatasetError, Sample, Sweep
from clip2scene_core.scans.corrected import find_corrected, read_corrected
from clip2scene_core.scans.legend import LEGEND, read_legend
from clip2scene_core.scans.scan import Scan, ScanError


class CorrectedScans:
    """Scans with the labels that an annotator saved; every scan with labels is a keyframe.

    Points are turned by the legend's mount, so that z points up. There are no images, no previous
    sweeps and no poses.

    Args:
        folder: What the annotator saved, with legend.json; see `find_corrected`.
        scans: The scans that were labelled, if they lie elsewhere; the legend may lie there, too.
        intensity_scale: The LiDAR's largest intensity in the files; by default the legend's, or 1
            if no intensity of the first scan is larger.
        columns: Of .bin scans, see `read_scan`.
        field: Field of the labels, see `read_corrected`.

    Attributes:
        classes: Those of the legend; the index of a class is its label.
        scenes: A scene for each sequence, or one for the whole folder.
        with_labels: True.

    Raises:
        ScanError: If there are no labels or no legend, labels belong to no scan, or the scale of
            the intensities is not known.
    """

    with_labels = True

    def __init__(
        self,
        folder: Path,
        scans: Path | None = None,
        intensity_scale: float | None = None,
        columns: int | None = None,
        field: str | None = None,
    ) -> None:
        self._field = field
        self._files = find_corrected(folder, scans)
        beside = scans is not None and not (folder / LEGEND).is_file()
        self._legend_path = (scans if beside and scans is not None else folder) / LEGEND
        self._legend, self._columns = read_legend(self._legend_path), columns
        vocabulary = self._legend.vocabulary
        self.classes = tuple(
            SemanticClass(name, prompt, (red, green, blue))
            for name, prompt, (red, green, blue) in zip(
                vocabulary.names, vocabulary.prompts, vocabulary.colors.tolist(), strict=True
            )
        )
        self._name = folder.resolve().name
        self._intensity = DatasetIntensity(self._scale(intensity_scale))

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The sequences, or the folder."""
        tokens = [self.scene_token(index) for index in range(len(self))]
        return tuple(
            SceneRecord(token, token, tokens.count(token)) for token in dict.fromkeys(tokens)
        )

    def __len__(self) -> int:
        return len(self._files)

    def __getitem__(self, index: int) -> Sample:
        """Load one scan; see `load`."""
        return self.load(index, ())

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one scan, see `KeyframeDataset.load`.

        Raises:
            DatasetError: If previous sweeps are asked for, or an intensity is negative.
            ScanError: See `read_corrected`.
            IndexError: If there is no such scan.
        """
        if len(previous):
            raise DatasetError("corrected scans have no poses, so they have no previous sweeps")
        scan, labels = self._read(index)
        points = scan.points.copy()
        points[:, 3] = self._intensity.scale(points[:, 3], self._files[index].scan)
        if self._legend.T_base_lidar is not None:
            T_upright_lidar = mount_rotation(self._legend.T_base_lidar)
            points[:, :3] = transform_points(T_upright_lidar, points[:, :3])
        sweep = Sweep(points, np.full((4, 4), np.nan), 0, labels)
        return Sample(self.token(index), self.scene_token(index), (sweep,), ())

    def token(self, index: int) -> str:
        """The token of a scan, such as "labels-street-00-000012"; opens no file."""
        return f"labels-{self._name}-{self._files[index].name.replace('/', '-')}"

    def scene_token(self, index: int) -> str:
        """The token of the sequence of a scan; opens no file."""
        sequence = self._files[index].name.rpartition("/")[0]
        return "-".join(part for part in ("labels", self._name, sequence) if part)

    def num_previous(self, index: int, limit: int) -> int:
        """Always 0."""
        return 0

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a scan, see `KeyframeDataset.files`; the legend counts as its placement."""
        file = self._files[index]
        legend = hashlib.sha256(self._legend_path.read_bytes()).digest()
        numbers = np.frombuffer(legend, np.int64)
        return KeyframeFiles((file.scan,), (), (numbers,), file.labels)

    def _read(self, index: int) -> tuple[Scan, NDArray[np.uint8]]:
        return read_corrected(self._files[index], self._legend, self._columns, self._field)

    def _scale(self, given: float | None) -> float:
        known = self._legend.intensity_scale if given is None else given
        if known is not None:
            return known
        scan, _ = self._read(0)
        largest = float(np.nan_to_num(scan.points[:, 3]).max(initial=0))
        if largest > 1:
            raise ScanError(
                f"{self._files[0].scan} has intensities up to {largest:g}, and {self._legend_path} "
                f"does not say the sensor's largest one; give it as --intensity-scale"
            )
        return 1.0
