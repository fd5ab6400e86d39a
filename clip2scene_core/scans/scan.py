"""The records of scans in files: points, and points with labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary


class ScanError(ValueError):
    """A file that holds no scan that can be read, or cannot be written; the message is one line."""


@dataclass(frozen=True)
class Scan:
    """Points of a file.

    Attributes:
        points: (N, 4) float32: x, y, z in metres as in the file, intensity in the file's unit.
        has_intensity: Whether the file has intensities; they are 0 without.
        columns: What the file has beside, for people, such as "ring".
        ids: By the name of their field, (N,) numbers of any dtype: what may be labels that some
            tool saved.
        scores: (N,) float32, the confidence beside them; None if there is none.
    """

    points: NDArray[np.float32]
    has_intensity: bool
    columns: tuple[str, ...] = ()
    ids: Mapping[str, NDArray[np.generic]] = field(default_factory=dict)
    scores: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class LabelledScan:
    """Labelled points of one sweep.

    Attributes:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in the unit of the
            sensor.
        labels: (N,) uint8, IGNORE_LABEL where a point has none.
        scores: (N,) float32 in [0, 1], 0 where a point has no label.
        vocabulary: Classes of the labels.
        T_global_lidar: (4, 4) float64; the identity where it is not known.
        stamp_ns: Time, nanoseconds; 0 where it is not known.
        source: What the scan was called where it comes from, such as a file or a token; "" if it
            had no name.
        intensity_scale: The sensor's largest intensity; None where it is not known.
        T_base_lidar: (4, 4) float64, how the LiDAR is mounted, see `Sweep`; None where it is not
            known.

    Raises:
        ValueError: If numbers of points differ.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    vocabulary: Vocabulary
    T_global_lidar: NDArray[np.float64]
    stamp_ns: int = 0
    source: str = ""
    intensity_scale: float | None = None
    T_base_lidar: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.points), len(self.labels), len(self.scores)}
        if len(sizes) != 1:
            raise ValueError(
                f"a scan has as many labels and scores as points, got {len(self.points)} points, "
                f"{len(self.labels)} labels and {len(self.scores)} scores"
            )

    @property
    def colors(self) -> NDArray[np.uint8]:
        """(N, 3) red, green, blue of the labels."""
        palette = np.full((IGNORE_LABEL + 1, 3), IGNORE_COLOR, dtype=np.uint8)
        palette[: len(self.vocabulary)] = self.vocabulary.colors
        colors: NDArray[np.uint8] = palette[self.labels]
        return colors

    @property
    def ids(self) -> NDArray[np.uint32]:
        """(N,) labels for other tools: 0 is unlabelled, 1 the first class."""
        ids = self.labels.astype(np.uint32) + 1
        ids[self.labels == IGNORE_LABEL] = 0
        return ids

    @property
    def doubt(self) -> float:
        """How unsure the labels are: 1 minus their mean score; 1 without labels."""
        is_labelled = self.labels != IGNORE_LABEL
        return float(1 - self.scores[is_labelled].mean()) if is_labelled.any() else 1.0

    def listed_as(self, file: str) -> dict[str, str | int | float]:
        """What the list of a folder's scans says of this one, in a file of this name."""
        return {
            "file": file,
            "source": self.source,
            "stamp_ns": self.stamp_ns,
            "doubt": round(self.doubt, 4),
        }
