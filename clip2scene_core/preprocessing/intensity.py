"""The same scale of intensity for all sensors."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import INTENSITIES

MAX_COMPARED: Final = 4096
"""Values that a rank is found among; more cost time and change ranks by less than 1 / 4096."""


def normalize_intensity(intensity: NDArray[np.floating], how: str) -> NDArray[np.float32]:
    """Bring the intensities of one sweep to a scale that does not depend on the sensor.

    Args:
        intensity: (N,) float, in any unit. What is not finite is not known, and becomes what it is
            in a sweep without intensities.
        how: "raw": unchanged, and 0 where it is not known. "rank": the share of the sweep's known
            intensities that are darker, half of the equally bright ones included. No rising
            response of a sensor changes it; a constant is 0.5, and so is what is not known. "none":
            0.5 everywhere.

    Returns:
        (N,) float32, finite; in [0, 1] unless "raw".

    Raises:
        ValueError: If `how` is another one.
    """
    if how not in INTENSITIES:
        raise ValueError(f"how must be one of {', '.join(INTENSITIES)}, got {how!r}")
    if how == "raw":
        return np.where(np.isfinite(intensity), intensity, 0).astype(np.float32)
    ranks = np.full(len(intensity), 0.5, dtype=np.float32)
    finite = np.isfinite(intensity)
    if how == "rank" and finite.any():
        ranks[finite] = _rank(intensity[finite])
    return ranks


def _rank(values: NDArray[np.floating]) -> NDArray[np.float32]:
    """Mid-ranks in [0, 1] of M >= 1 finite values: (M,) float32."""
    # Rows of a cloud often go ring by ring, and the number of rings is even: an odd step meets all.
    stride = -(-len(values) // MAX_COMPARED) | 1
    compared = np.sort(values[::stride])
    below = np.searchsorted(compared, values, side="left")
    # Where the values compared with hold a value, the end of its ties is looked up, not searched.
    nearest = np.minimum(below, len(compared) - 1)
    ends = np.searchsorted(compared, compared, side="right")
    not_above = np.where(compared[nearest] == values, ends[nearest], below)
    return ((below + not_above) / (2 * len(compared))).astype(np.float32)
