"""The full scale of a LiDAR's intensity: a number that is given, or read off the clouds."""

from __future__ import annotations

import logging
from typing import Final

import numpy as np
from numpy.typing import NDArray

AUTO: Final = "auto"
"""In place of a number: read the full scale off the clouds."""

FULL_SCALES: Final = (1.0, 255.0, 4095.0, 65535.0)
"""Largest intensities that drivers send: a fraction, 8, 12 and 16 bits."""

_OUTLIERS: Final = 1e-3

_LOGGER = logging.getLogger(__name__)


def check_intensity_scale(value: float | str) -> None:
    """Check that a value is "auto" or a positive number.

    Raises:
        ValueError: If it is not.
    """
    if value != AUTO and (isinstance(value, str) or not value > 0):
        raise ValueError(f"intensity_scale must be '{AUTO}' or a positive number, got {value!r}")


class IntensityScale:
    """Divides intensities by the LiDAR's full scale.

    With "auto" it is the least of FULL_SCALES that 99.9 % of a cloud's intensities stay within. It
    never shrinks: a dark cloud says nothing about the scale. The log names each scale that it took.

    Args:
        scale: The LiDAR's largest intensity, or "auto".

    Raises:
        ValueError: If it is neither.
    """

    def __init__(self, scale: float | str) -> None:
        check_intensity_scale(scale)
        self._is_auto = scale == AUTO
        self._scale = FULL_SCALES[0] if isinstance(scale, str) else float(scale)
        self._is_known = not self._is_auto

    def divide(self, points: NDArray[np.float32]) -> float:
        """Divide the intensities of a cloud by the full scale, in place.

        Args:
            points: (N, 4) float32 x, y, z and the intensity as it was sent.

        Returns:
            What they were divided by.
        """
        if self._is_auto:
            self._follow(points[:, 3])
        points[:, 3] /= np.float32(self._scale)
        return self._scale

    def _follow(self, intensities: NDArray[np.float32]) -> None:
        most = _OUTLIERS * len(intensities)
        if not self._is_known and np.count_nonzero(intensities > 0) <= most:
            return  # no cloud so far had any intensity
        scales = [scale for scale in FULL_SCALES if scale >= self._scale]
        fitting = (s for s in scales if np.count_nonzero(intensities > s) <= most)
        scale = next(fitting, scales[-1])
        if scale != self._scale or not self._is_known:
            self._is_known, self._scale = True, scale
            _LOGGER.info("intensity_scale is auto: took %g from the clouds", scale)
