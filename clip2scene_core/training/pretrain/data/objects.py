"""Objects of a sweep: groups of points with a gap around them, which have one name each."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

_CELLS_PER_GAP: Final = 5


def find_objects(
    points: NDArray[np.floating], gap_m: float, size_m: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Group points: two of one group have a chain of points between them without a larger gap.

    Gaps are measured between one point of each cell of a fifth of `gap_m`, so that the work does
    not grow with the square of the points that a sensor has on a wall beside it.

    Args:
        points: (N, 3) float, metres, without the ground, which would connect all.
        gap_m: Largest gap within an object, metres.
        size_m: Largest extent of an object across the ground, metres; z is up.

    Returns:
        Group of each point (N,) int64, and whether a group (G,) is as small as an object.
    """
    cells = np.floor(points / (gap_m / _CELLS_PER_GAP)).astype(np.int64)
    _, firsts, cell_of_point = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    pairs = cKDTree(points[firsts]).query_pairs(gap_m, output_type="ndarray")
    is_near = coo_array((np.ones(len(pairs), np.bool_), pairs.T), shape=(len(firsts),) * 2)
    count, group_of_cell = connected_components(is_near, directed=False)
    groups = group_of_cell[cell_of_point.ravel()].astype(np.int64)
    low, high = np.full((count, 2), np.inf), np.full((count, 2), -np.inf)
    np.minimum.at(low, groups, points[:, :2])
    np.maximum.at(high, groups, points[:, :2])
    return groups, np.linalg.norm(high - low, axis=1) <= size_m


def agree_in_objects(
    points: NDArray[np.floating],
    cosines: NDArray[np.float32],
    is_ground: NDArray[np.bool_],
    gap_m: float,
    size_m: float,
) -> NDArray[np.float32]:
    """Replace the votes on the points of each object by their mean.

    What is seen of a large thing from near by often looks like a part of another: the side of a
    truck like a trailer. Of the whole of it most pictures are right.

    Args:
        points: (N, 3) float, metres, z up.
        cosines: (N, C) float32, mean cosines between the pixels that vote and the texts. Points
            whose largest is that of a ground class are no part of an object.
        is_ground: (C,) bool, the classes of what objects stand on.
        gap_m: See `find_objects`.
        size_m: See `find_objects`.

    Returns:
        (N, C) float32. Those of an object name no ground.
    """
    standing = np.flatnonzero(~is_ground[cosines.argmax(axis=1)])
    if len(standing) == 0:
        return cosines
    groups, is_object = find_objects(points[standing], gap_m, size_m)
    sums = np.zeros((len(is_object), cosines.shape[1]), dtype=np.float32)
    np.add.at(sums, groups, cosines[standing])
    means = sums / np.bincount(groups)[:, None].astype(np.float32)
    means[:, is_ground] = -np.inf
    is_part = is_object[groups]
    agreed = cosines.copy()
    agreed[standing[is_part]] = means[groups[is_part]]
    return agreed
