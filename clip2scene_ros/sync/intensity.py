"""The full scale of a LiDAR's intensity: a number that is given, or read off the clouds."""

from __future__ import annotations

import logging
import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_ros.messages.decode import INTENSITY

AUTO: Final = "auto"
"""In place of a number: read the full scale off the clouds."""

FULL_SCALES: Final = (1.0, 255.0, 4095.0, 65535.0)
"""Largest intensities that drivers send: a fraction, 8, 12 and 16 bits."""

_OUTLIERS: Final = 1e-3
_TOO_DARK: Final = 100
"""Intensities this many times below a scale that was given are of another scale."""
_COMMON: Final = 255.0
_HALF: Final = 0.5
"""Counts of photons have no full scale: above 255, a scale that is not half reached is a guess."""

_LOGGER = logging.getLogger(__name__)


def check_intensity_scale(value: float | str) -> None:
    """Check that a value is "auto" or a positive number.

    Raises:
        ValueError: If it is not.
    """
    if value != AUTO and (isinstance(value, str) or not 0 < value < math.inf):
        raise ValueError(f"intensity_scale must be '{AUTO}' or a positive number, got {value!r}")


class IntensityScale:
    """Divides intensities by the LiDAR's full scale.

    With "auto" it is the least of FULL_SCALES that 99.9 % of a cloud's intensities stay within. It
    never shrinks: a dark cloud says nothing about the scale. The log names each scale that it took.
    Intensities that are not finite are not looked at.

    Args:
        scale: The LiDAR's largest intensity, or "auto".
        field: Field of the clouds that holds the intensity.

    Raises:
        ValueError: If the scale is neither.

    Attributes:
        field: As given.
    """

    def __init__(self, scale: float | str, field: str = INTENSITY) -> None:
        check_intensity_scale(scale)
        self.field = field
        self._is_auto = scale == AUTO
        self._scale = FULL_SCALES[0] if isinstance(scale, str) else float(scale)
        self._is_known = not self._is_auto

    def divide(self, points: NDArray[np.float32], is_integer: bool = False) -> float:
        """Divide the intensities of a cloud by the full scale, in place.

        Args:
            points: (N, 4) float32 x, y, z and the intensity as it was sent.
            is_integer: It was sent as a whole number, so its full scale is not 1.

        Returns:
            What they were divided by.
        """
        if self._is_auto:
            self._follow(points[:, 3], is_integer)
        points[:, 3] /= np.float32(self._scale)
        return self._scale

    def doubt(self, points: NDArray[np.float32], scale: float) -> str:
        """Say why a scale may be wrong; a student that is told ranks does not mind.

        Args:
            points: (N, 4) float32, a cloud whose intensities were divided.
            scale: What they were divided by.

        Returns:
            A line for people; "" if nothing speaks against the scale.
        """
        known = points[np.isfinite(points[:, 3]), 3]
        largest = float(known.max(initial=0))
        if np.count_nonzero(known > 1) > _OUTLIERS * len(known):
            what = f"beyond intensity_scale {scale:g}"
        elif 0 < largest <= 1 / _TOO_DARK and not self._is_auto:
            what = f"far below intensity_scale {scale:g}"
        elif self._is_auto and scale > _COMMON and 0 < largest < _HALF:
            what = f"and intensity_scale auto took {scale:g}"
        else:
            return ""
        return f"intensity reaches {scale * largest:g}, {what}: give the sensor's largest one"

    def _follow(self, intensities: NDArray[np.float32], is_integer: bool) -> None:
        intensities = intensities[np.isfinite(intensities)]
        most = _OUTLIERS * len(intensities)
        if not self._is_known and np.count_nonzero(intensities > 0) <= most:
            return  # no cloud so far had any intensity
        least = FULL_SCALES[1] if is_integer else self._scale
        scales = [scale for scale in FULL_SCALES if scale >= max(least, self._scale)]
        fitting = (s for s in scales if np.count_nonzero(intensities > s) <= most)
        scale = next(fitting, scales[-1])
        if scale != self._scale or not self._is_known:
            self._is_known, self._scale = True, scale
            _LOGGER.info("intensity_scale is auto: took %g from the clouds", scale)
