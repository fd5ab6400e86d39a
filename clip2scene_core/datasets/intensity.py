"""Bring the intensities of a data set's files to [0, 1], and say if the full scale seems wrong."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import DatasetError

_OUTLIERS: Final = 1e-3
_WRONG_BY: Final = 100
"""A largest intensity this many times below the full scale is one of another scale."""

_LOGGER = logging.getLogger(__name__)


class DatasetIntensity:
    """Divides the intensities of one data set by their full scale.

    Where a file's largest intensity cannot be of this scale, as 1 or 65535 cannot be of 255, the
    log says so once. Such intensities stay beyond 1, so that ranks of them are still right.

    Args:
        full_scale: The sensor's largest intensity.

    Raises:
        DatasetError: If it is not a positive number.
    """

    def __init__(self, full_scale: float) -> None:
        if not 0 < full_scale < np.inf:
            raise DatasetError(f"intensity_scale must be a positive number, got {full_scale}")
        self._full_scale = full_scale
        self._is_said = False

    def scale(self, intensity: NDArray[np.float32], path: Path) -> NDArray[np.float32]:
        """Divide the intensities of a file.

        Args:
            intensity: (N,) float32 as in the file.
            path: The file, for the log.

        Returns:
            (N,) float32, not negative, at most 1 if the full scale is right; NaN where the file's
            is not finite, see `normalize_intensity`.
        """
        known = intensity[np.isfinite(intensity)]
        largest = float(known.max(initial=0))
        beyond = np.count_nonzero(known > self._full_scale)
        is_beyond = beyond > _OUTLIERS * len(known)
        is_below = 0 < largest <= self._full_scale / _WRONG_BY
        if (is_beyond or is_below) and not self._is_said:
            self._is_said = True
            _LOGGER.warning(
                "%s: its largest intensity is %g, but the full scale is taken as %g; give the "
                "sensor's largest intensity as intensity_scale",
                path,
                largest,
                self._full_scale,
            )
        with np.errstate(invalid="ignore"):
            divided = np.maximum(intensity / np.float32(self._full_scale), 0)
        if not is_beyond:  # a few outliers
            divided = np.minimum(divided, 1)
        return np.where(np.isfinite(intensity), divided, np.float32(np.nan)).astype(np.float32)
