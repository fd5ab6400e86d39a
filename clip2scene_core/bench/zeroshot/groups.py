"""Mean IoU of seen, unseen and all classes and hIoU, as numbers of confusion counts."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.statistics import Statistic, class_iou, mean_iou, mean_of_present

SEEN: Final = "seen"
UNSEEN: Final = "unseen"
ALL: Final = "all"
HARMONIC: Final = "hIoU"


def group_statistics(is_unseen: NDArray[np.bool_]) -> MappingProxyType[str, Statistic]:
    """Make the four numbers of a split without ignored classes.

    All classes compete for every point, and points of all classes count, as in
    `evaluation.score_zeroshot`; classes that are absent are left out of the means.

    Args:
        is_unseen: (C,) bool.

    Returns:
        By SEEN, UNSEEN, ALL and HARMONIC, functions of (..., C, C + 1) int64 counts.
    """

    def seen(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return mean_of_present(class_iou(counts)[..., ~is_unseen])

    def unseen(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        return mean_of_present(class_iou(counts)[..., is_unseen])

    def harmonic(counts: NDArray[np.int64]) -> NDArray[np.float64]:
        of_seen, of_unseen = seen(counts), unseen(counts)
        total = of_seen + of_unseen
        return np.where(total == 0, 0.0, 2 * of_seen * of_unseen / np.where(total == 0, 1, total))

    return MappingProxyType({SEEN: seen, UNSEEN: unseen, ALL: mean_iou, HARMONIC: harmonic})
