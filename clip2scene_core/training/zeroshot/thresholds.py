"""Class-balanced thresholds: of every class the most probable share of its own labels counts."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip2scene_core.training.fabric import Fabric, reduce_over_processes


class ClassThresholds(nn.Module):
    """A threshold for each class, a moving average of a quantile of the confidences of its points.

    One threshold for all classes would leave hardly any label to a class of which the student is
    not sure. The thresholds are part of the training checkpoint.

    Args:
        num_classes: C.
        keep: Share of the points of a class that are kept, in (0, 1].
        decay: Decay of the moving average, per update.
        fabric: Processes that share the thresholds.

    Attributes:
        values: (C,) float32; NaN for a class that had no point yet.

    Source: Zou et al., Unsupervised Domain Adaptation for Semantic Segmentation via Class-Balanced
    Self-Training (ECCV 2018), with quantiles of batches in place of the whole data set.
    """

    values: Tensor

    def __init__(self, num_classes: int, keep: float, decay: float, fabric: Fabric) -> None:
        super().__init__()
        self._keep, self._decay, self._fabric = keep, decay, fabric
        self.register_buffer("values", torch.full((num_classes,), torch.nan))

    @torch.no_grad()
    def update(self, classes: Tensor, confidences: Tensor) -> None:
        """Move the thresholds towards the quantiles of a batch.

        Args:
            classes: (M,) int64 in [0, C).
            confidences: (M,) float in [0, 1], of these classes.
        """
        quantiles, occurs = torch.zeros_like(self.values), torch.zeros_like(self.values)
        for number in torch.unique(classes).tolist():
            of_class = confidences[classes == number].float()
            quantiles[number] = torch.quantile(of_class, 1 - self._keep)
            occurs[number] = 1
        sums = reduce_over_processes(self._fabric, torch.stack([quantiles, occurs]), "sum")
        mean = sums[0] / sums[1].clamp(min=1)
        moved = torch.where(self.values.isnan(), mean, torch.lerp(mean, self.values, self._decay))
        self.values.copy_(torch.where(sums[1] > 0, moved, self.values))

    def keep(self, classes: Tensor, confidences: Tensor) -> Tensor:
        """Tell which labels (M,) are probable enough: (M,) bool."""
        is_kept: Tensor = confidences >= self.values[classes]
        return is_kept
