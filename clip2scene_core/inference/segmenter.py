"""Label one sweep with the student alone: what a robot without cameras runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, FinetunedCheckpoint, load_checkpoint
from clip2scene_core.device import find_device
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import Vocabulary, classify

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Segmentation:
    """Labels of one sweep, in the order of its points.

    Attributes:
        labels: (N,) uint8, indices into the vocabulary; IGNORE_LABEL where a point is not finite.
        scores: (N,) float32 in [0, 1].
    """

    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]


class Segmenter:
    """A trained student with its vocabulary.

    Args:
        checkpoint: From `load_checkpoint`.
        device: For example "cpu" or "cuda".
        precision: "fp32" or "bf16".
    """

    def __init__(
        self, checkpoint: Checkpoint, device: str = "cpu", precision: str = "fp32"
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.checkpoint = checkpoint
        self.vocabulary = checkpoint.vocabulary
        self._device = find_device(device)
        self._dtype = PRECISIONS[precision]
        self._student = checkpoint.student.to(self._device)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the labels."""
        return self.vocabulary.names

    @property
    def logit_scale(self) -> float:
        """What turns cosines into logits: 1 over the temperature of training."""
        return 1 / self.checkpoint.config.losses.temperature

    def segment(self, points: NDArray[np.float32]) -> Segmentation:
        """Label one sweep.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1].

        Returns:
            One label and score for every point, in the same order.

        Raises:
            ValueError: If points is not (N, 4).
        """
        if points.ndim != 2 or points.shape[1] != 4:
            raise ValueError(f"points must be (N, 4) x, y, z, intensity, got {points.shape}")
        finite = np.isfinite(points).all(axis=1)
        labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        scores = np.zeros(len(points), dtype=np.float32)
        probabilities = self.probabilities(points[finite], self.vocabulary)
        labels[finite], scores[finite] = classify(probabilities)
        return Segmentation(labels, scores)

    def probabilities(self, points: NDArray[np.float32], vocabulary: Vocabulary) -> Tensor:
        """Compare every point with every prompt.

        Args:
            points: (N, 4) float32, finite.
            vocabulary: C prompts embedded by the CLIP that taught the student.

        Returns:
            (N, C) float32, rows that sum to one.
        """
        return self.compare(self.embed(points), vocabulary.embeddings)

    @torch.inference_mode()
    def embed(self, points: NDArray[np.float32]) -> Tensor:
        """Place every point in CLIP's space; this is what takes the time.

        Args:
            points: (N, 4) float32, finite.

        Returns:
            (N, D) float32 of unit length.
        """
        sweep = torch.from_numpy(np.ascontiguousarray(points)).to(self._device)
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        with torch.autocast(
            self._device.type, torch.bfloat16, enabled=self._dtype is torch.bfloat16
        ):
            embeddings = self._student.embed_semantics(sweep, batch_index)
        return F.normalize(embeddings.float(), dim=1)

    @torch.inference_mode()
    def compare(self, embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Compare embedded points with every text.

        Args:
            embeddings: (N, D) float32 of unit length.
            text_embeddings: (C, D) float32 of unit length, by the CLIP that taught the student.

        Returns:
            (N, C) float32, rows that sum to one: softmax of cosine similarity over the temperature
            of training.
        """
        cosine = embeddings @ text_embeddings.to(self._device).T
        return torch.softmax(cosine / self.checkpoint.config.losses.temperature, dim=1)


def load_segmenter(
    weights: Path | str = "small", device: str = "cpu", precision: str = "fp32"
) -> Segmenter:
    """Load a student checkpoint; it carries its classes and text embeddings.

    Args:
        weights: A checkpoint file, or "small" for the student that ships with the package.
        device: For example "cpu" or "cuda".
        precision: "fp32" or "bf16".

    Raises:
        CheckpointError: If the file cannot be used.
    """
    return Segmenter(load_checkpoint(weights), device, precision)


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
