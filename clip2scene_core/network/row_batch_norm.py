"""Batch normalization over rows (voxels or points) of all processes together."""

from __future__ import annotations

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalization over rows; any number of rows is legal.

    Fewer than two rows have no variance. They are normalized by the running statistics, which do
    not change. If several processes train, mean and variance are those of all their rows, on any
    device; torch's SyncBatchNorm takes only CUDA tensors.
    """

    def forward(self, features: Tensor) -> Tensor:
        """(M, F) -> (M, F)."""
        if not self.training:
            return super().forward(features)
        if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
            return self._normalize_together(features)
        if len(features) < 2:
            return F.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return super().forward(features)

    def _normalize_together(self, features: Tensor) -> Tensor:
        values = features.float()
        count = _sum_of_all(values.new_tensor([float(len(values))])).clamp(min=1)
        mean = _sum_of_all(values.sum(dim=0)) / count
        centered = values - mean
        variance = _sum_of_all(centered.square().sum(dim=0)) / count
        self._track(mean.detach(), variance.detach() * count / (count - 1).clamp(min=1))
        normalized = centered * torch.rsqrt(variance + self.eps)
        scaled: Tensor = normalized * self.weight + self.bias
        return scaled.to(features.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, unbiased_variance: Tensor) -> None:
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(unbiased_variance, self.momentum)


def _sum_of_all(values: Tensor) -> Tensor:
    """Sum over all processes; the gradient is also summed over all processes."""
    total: Tensor = all_reduce(values)  # type: ignore[no-untyped-call]
    return total
