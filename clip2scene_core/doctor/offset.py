"""Estimate by how much the stamps of a camera are off against those of the LiDAR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.doctor.edges import STEP_S, EdgeView
from clip2scene_core.geometry.se3 import interpolate, invert

_SHIFTS_S: Final = np.arange(-25, 26) / 100
_MIN_SHIFT_PX: Final = 2.0
_MIN_VIEWS: Final = 6
_MIN_POINTS: Final = 30
_NUM_DRAWS: Final = 200
_SURE_S: Final = 0.015


@dataclass(frozen=True)
class OffsetEstimate:
    """How late a camera's stamps are.

    Attributes:
        offset_s: Seconds to add to the stamps of the pictures for the best fit.
        spread_s: Standard deviation over draws of the views, seconds.
        num_views: Views in which the camera moved enough to tell.
        is_sure: Whether the spread is small.
        is_beyond: Whether the offset is at the end of what was tried: it is that or more.
    """

    offset_s: float
    spread_s: float
    num_views: int
    is_sure: bool
    is_beyond: bool = False


def estimate_offset(views: list[EdgeView]) -> OffsetEstimate | None:
    """Find the time at which edges of depth meet the picture's edges best.

    The camera is moved along its path by -250 to 250 ms, in all views in which that moves the
    points by some pixels; the fits are added up. How sure that is comes from draws of the views
    with replacement.

    Args:
        views: Of one camera, or of cameras that share a clock.

    Returns:
        The estimate; None if there are fewer than six views with motion and edges.
    """
    moving = [
        view
        for view in views
        if len(view.points) >= _MIN_POINTS and view.shift_px() >= _MIN_SHIFT_PX
    ]
    if len(moving) < _MIN_VIEWS:
        return None
    fits = np.array([[_fit_at(view, shift) for shift in _SHIFTS_S] for view in moving])
    generator = np.random.default_rng(0)
    draws = generator.integers(0, len(moving), (_NUM_DRAWS, len(moving)))
    offsets = [_best(fits[draw].sum(axis=0)) for draw in draws]
    offset_s, spread_s = _best(fits.sum(axis=0)), float(np.std(offsets))
    is_beyond = bool(abs(offset_s) >= _SHIFTS_S[-1])
    is_sure = spread_s < _SURE_S
    return OffsetEstimate(offset_s, spread_s, len(moving), is_sure, is_beyond)


def _fit_at(view: EdgeView, shift_s: float) -> tuple[float, float]:
    assert view.T_now_later is not None  # it moved
    T_now_shifted = interpolate(np.eye(4), view.T_now_later, shift_s / STEP_S)
    return view.fit(invert(T_now_shifted))


def _best(fits: np.ndarray) -> float:
    """The shift of the best of S sums of fits and weights (S, 2), between steps by a parabola."""
    means = fits[:, 0] / np.maximum(fits[:, 1], 1e-9)
    best = int(means.argmax())
    if 0 < best < len(means) - 1:
        before, top, after = means[best - 1 : best + 2]
        bend = before - 2 * top + after
        part = 0.5 * (before - after) / bend if bend < 0 else 0.0
    else:
        part = 0.0
    return float(_SHIFTS_S[best] + part * (_SHIFTS_S[1] - _SHIFTS_S[0]))
