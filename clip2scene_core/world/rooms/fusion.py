"""Fuse the depth images of a room into one cloud, as a reconstruction does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.world.rooms.depth_camera import DEPTH_STEP, RoomImages


@dataclass(frozen=True)
class FusedCloud:
    """A cloud of N points.

    Attributes:
        positions: (N, 3) float64, metres.
        colors: (N, 3) uint8 RGB.
        labels: (N,) uint8, NYU's labels.
    """

    positions: NDArray[np.float64]
    colors: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def fuse(
    images: Sequence[RoomImages],
    T_global_camera: Sequence[NDArray[np.float64]],
    depth_intrinsics: NDArray[np.float64],
    voxel_size_m: float,
) -> FusedCloud:
    """Put the measured pixels of all images into one frame, one point for each voxel.

    Args:
        images: The images.
        T_global_camera: A pose (4, 4) float64 for each of them.
        depth_intrinsics: (3, 3) float64, of the depth images.
        voxel_size_m: Edge of a voxel, metres. Its point is the mean of its pixels, with the label
            of most of them; of two labels with as many, the smaller.
    """
    positions, colors, labels = [], [], []
    for one, pose in zip(images, T_global_camera, strict=True):
        rows, columns = np.nonzero(one.depth_mm)
        depth_m: NDArray[np.float64] = one.depth_mm[rows, columns] / 1000
        pixels = np.stack([columns, rows, np.ones_like(rows)], axis=1).astype(np.float64)
        rays = pixels @ np.linalg.inv(depth_intrinsics).T
        positions.append(transform_points(pose, rays * depth_m[:, None]))
        colors.append(one.color[::DEPTH_STEP, ::DEPTH_STEP][rows, columns])
        labels.append(one.labels[rows, columns])
    places = np.concatenate(positions)
    voxels = np.floor(places / voxel_size_m).astype(np.int64)
    _, voxel, counts = np.unique(voxels, axis=0, return_inverse=True, return_counts=True)
    voxel = voxel.reshape(-1)
    votes = np.zeros((len(counts), 256), dtype=np.int32)
    np.add.at(votes, (voxel, np.concatenate(labels)), 1)
    return FusedCloud(
        _means(places, voxel, counts),
        np.rint(_means(np.concatenate(colors), voxel, counts)).astype(np.uint8),
        votes.argmax(axis=1).astype(np.uint8),
    )


def _means(
    values: NDArray[np.generic], voxel: NDArray[np.int64], counts: NDArray[np.int64]
) -> NDArray[np.float64]:
    sums = np.stack([np.bincount(voxel, column, len(counts)) for column in values.T], axis=1)
    means: NDArray[np.float64] = sums / counts[:, None]
    return means
