"""Label one sweep with a fine-tuned network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from clip2scene_core.device import find_device
from clip2scene_core.finetuned_checkpoint import FinetunedCheckpoint
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.segmenter import Segmentation
from clip2scene_core.vocabulary import classify


class ClassifierSegmenter:
    """A fine-tuned network; its classes are those of its labels and take no words.

    Args:
        checkpoint: From `load_finetuned`.
        device: For example "cpu" or "cuda".
    """

    def __init__(self, checkpoint: FinetunedCheckpoint, device: str = "cpu") -> None:
        self.class_names = checkpoint.class_names
        self._device = find_device(device)
        self._classifier = checkpoint.classifier.to(self._device)

    @torch.inference_mode()
    def segment(self, points: NDArray[np.float32]) -> Segmentation:
        """Label one sweep.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1].

        Returns:
            One label and score for every point, in the same order; IGNORE_LABEL with score 0 where
            a point is not finite.

        Raises:
            ValueError: If points is not (N, 4).
        """
        if points.ndim != 2 or points.shape[1] != 4:
            raise ValueError(f"points must be (N, 4) x, y, z, intensity, got {points.shape}")
        finite = np.isfinite(points).all(axis=1)
        labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        scores = np.zeros(len(points), dtype=np.float32)
        sweep = torch.from_numpy(np.ascontiguousarray(points[finite])).to(self._device)
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        probabilities = torch.softmax(self._classifier(sweep, batch_index).float(), dim=1)
        labels[finite], scores[finite] = classify(probabilities)
        return Segmentation(labels, scores)
