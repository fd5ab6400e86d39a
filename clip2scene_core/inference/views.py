"""Views of one sweep: turned and mirrored as in training, so that a network sees other voxels."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from torch import Tensor

MAX_VIEWS: Final = 64

_TURN: Final = math.pi * (3 - math.sqrt(5))  # the golden angle: no two of any number are near


def check_views(views: int) -> None:
    """Refuse a number of views that is not in [1, MAX_VIEWS].

    Raises:
        ValueError: One line says what came.
    """
    if not 1 <= views <= MAX_VIEWS:
        raise ValueError(f"views must be in [1, {MAX_VIEWS}], got {views}")


def mean_over_views(run: Callable[[Tensor], Tensor], points: Tensor, views: int) -> Tensor:
    """Run a network on each view of a sweep.

    Args:
        run: Takes points (N, 3 + F), gives (N, K) float32, which is written to.
        points: (N, 3 + F) float.
        views: Number of views, at least 1.

    Returns:
        (N, K) float32, the mean of what `run` gave.
    """
    total = run(points)
    for view in range(1, views):
        total += run(turn_points(points, view))
    return total if views == 1 else total.div_(views)


def turn_points(points: Tensor, view: int) -> Tensor:
    """Turn points about z, in every second view also mirror them.

    Args:
        points: (N, 3 + F) float: x, y, z, and what stays.
        view: Number of the view; 0 changes nothing.

    Returns:
        (N, 3 + F), a new tensor unless the view is 0.
    """
    if view == 0:
        return points
    cosine, sine = math.cos(view * _TURN), math.sin(view * _TURN)
    mirror = -1.0 if view % 2 else 1.0
    turned = points.clone()
    turned[:, 0] = cosine * points[:, 0] - sine * points[:, 1]
    turned[:, 1] = mirror * (sine * points[:, 0] + cosine * points[:, 1])
    return turned
