"""One sweep to labels, by a fine-tuned network and its classes."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import FinetunedCheckpoint
from clip2scene_core.device import find_device
from clip2scene_core.inference.embedder import interleaved
from clip2scene_core.inference.segmentation import NoteLog, Segmentation, label_usable
from clip2scene_core.inference.views import check_views, mean_over_views
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.preprocessing.network_input import levelled_as
from clip2scene_core.preprocessing.reach import EGO_RADIUS_M, MAX_RANGE_M, MIN_RANGE_M


class ClassifierSegmenter:
    """A fine-tuned network; its classes are those of its labels and take no prompts.

    Args:
        checkpoint: From `load_finetuned`.
        device: Where it runs, for example "cpu" or "cuda".
        level: See `Segmenter`.
        min_range_m: See `Segmenter`.
        ego_radius_m: See `Segmenter`.
        max_range_m: See `Segmenter`.
        views: How often the network looks at each sweep, see `OnlineOptions`; the mean of the
            probabilities counts.

    Attributes:
        input: What the network is told of a sweep.
    """

    def __init__(
        self,
        checkpoint: FinetunedCheckpoint,
        device: str = "cpu",
        *,
        level: bool | None = None,
        min_range_m: float = MIN_RANGE_M,
        ego_radius_m: float = EGO_RADIUS_M,
        max_range_m: float = MAX_RANGE_M,
        views: int = 1,
    ) -> None:
        check_views(views)
        self._views = views
        self.class_names = checkpoint.class_names
        self.input = levelled_as(checkpoint.config.input, level)
        self._reach = (min_range_m, ego_radius_m, max_range_m)
        self._note_log = NoteLog()
        self._device = find_device(device)
        self._classifier = fold_norms(checkpoint.classifier).to(self._device)

    def segment(
        self, points: NDArray[np.float32], T_base_lidar: NDArray[np.float64] | None = None
    ) -> Segmentation:
        """Label one sweep with the classes; see `Segmenter.segment`."""
        segmentation = label_usable(
            points,
            self._reach,
            self.input,
            T_base_lidar,
            lambda told: (self._probabilities(told),) * 2,
        )
        self._note_log.update(segmentation.notes)
        return segmentation

    @torch.inference_mode()
    def _probabilities(self, told: NDArray[np.float32]) -> Tensor:
        """Classify what the network is told: (N, 4) -> (N, C) float32, rows that sum to one."""
        probabilities = torch.empty((len(told), len(self.class_names)), device=self._device)
        for points in interleaved(len(told)):
            sweep = torch.from_numpy(np.ascontiguousarray(told[points])).to(self._device)
            probabilities[points] = mean_over_views(self._classify, sweep, self._views)
        return probabilities

    def _classify(self, sweep: Tensor) -> Tensor:
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        return torch.softmax(self._classifier(sweep, batch_index).float(), dim=1)
