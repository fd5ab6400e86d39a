"""Batches of keyframes with pixel-point pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.training.pretrain.data.paired_sample import PairedSample


@dataclass(frozen=True)
class PretrainBatch:
    """The N points of B keyframes, one cloud after the other, with P pixel-point pairs.

    Attributes:
        points: (N, 4) float32: x, y, z in metres, intensity in [0, 1]; see `PairedSample.clouds`.
        batch_index: (N,) int64, the cloud of each point. Every sweep is a cloud of its own.
        point_index: (P,) int64, the point of each pair, as a row of `points`.
        sample_index: (P,) int64 in [0, B), the keyframe of each pair.
        grid_index: (P,) int64, the grid of each pair, from 0 without gaps. Keyframes share no grid.
        superpixel_index: (P,) int64, the superpixel of each pair, where superpixels are made.
            Keyframes share no superpixel.
        pixel_embeddings: (P, D) float32, the teacher's embedding of each pair's pixel, unit length;
            zeros where the point has a consensus, unless a loss reads more of it than its label.
        labels: (N,) int64, the consensus label of each point; 255 = IGNORE_LABEL where there is
            none.
        confidences: (N,) float32 in [0, 1], the confidence of each label; 0 where there is none.
    """

    points: Tensor
    batch_index: Tensor
    point_index: Tensor
    sample_index: Tensor
    grid_index: Tensor
    superpixel_index: Tensor
    pixel_embeddings: Tensor
    labels: Tensor
    confidences: Tensor

    def to(self, device: torch.device) -> PretrainBatch:
        """Move every tensor."""
        return PretrainBatch(*(getattr(self, f.name).to(device) for f in fields(self)))


def collate(samples: Sequence[tuple[PairedSample, Tensor]]) -> PretrainBatch:
    """Join keyframes to a batch. Indices of points, grids and superpixels are shifted.

    Args:
        samples: B >= 1 keyframes, each with its pixel embeddings (P, D).
    """
    clouds = [cloud for sample, _ in samples for cloud in sample.clouds]
    sizes = np.array([len(cloud) for cloud in clouds])
    starts = np.cumsum(sizes) - sizes
    first_cloud = first_grid = first_superpixel = 0
    point_index, sample_index, grid_index, superpixel_index = [], [], [], []
    for number, (sample, _) in enumerate(samples):
        point_index.append(starts[sample.cloud_index + first_cloud] + sample.point_index)
        sample_index.append(np.full(len(sample.point_index), number))
        grid_index.append(sample.grid_index + first_grid)
        first_cloud += len(sample.clouds)
        first_grid += int(sample.grid_index.max(initial=-1)) + 1
        superpixel_index.append(sample.superpixel_index + first_superpixel)
        first_superpixel += int(sample.superpixel_index.max(initial=-1)) + 1
    return PretrainBatch(
        points=torch.from_numpy(np.concatenate(clouds)),
        batch_index=torch.from_numpy(np.repeat(np.arange(len(clouds)), sizes)),
        point_index=torch.from_numpy(np.concatenate(point_index)),
        sample_index=torch.from_numpy(np.concatenate(sample_index)),
        grid_index=torch.from_numpy(np.concatenate(grid_index)),
        superpixel_index=torch.from_numpy(np.concatenate(superpixel_index)),
        pixel_embeddings=torch.cat([embeddings for _, embeddings in samples]),
        labels=torch.from_numpy(np.concatenate([s.labels for s, _ in samples]).astype(np.int64)),
        confidences=torch.from_numpy(np.concatenate([s.confidences for s, _ in samples])),
    )
