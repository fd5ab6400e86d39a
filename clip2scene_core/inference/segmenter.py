"""One sweep to labels: by a student and any prompts, or by a fine-tuned network and its classes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from clip2scene_core.prompts.prompt_set import (
    EmbedPrompts,
    PromptSet,
    as_prompt_set,
    encode_prompt_set,
)
from clip2scene_core.prompts.text_encoder import KnownPrompts, TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary, classify

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Segmentation:
    """Labels of one sweep of N points, in the order of the points.

    Attributes:
        labels: (N,) uint8, indices into the segmenter's `class_names`; IGNORE_LABEL (255) where a
            point is not finite.
        scores: (N,) float32 in [0, 1], probability of the label; 0 where there is none.

    Example:
        >>> import numpy as np
        >>> result = Segmentation(np.array([1, 255], np.uint8), np.array([0.8, 0.0], np.float32))
        >>> ("car", "road")[result.labels[0]]
        'road'
    """

    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]


class Segmenter:
    """A trained student and the prompts that it labels with.

    Made by `load_segmenter`. One sweep at a time and LiDAR alone; `OnlineSegmenter` adds cameras,
    poses and a map.

    Args:
        checkpoint: From `load_checkpoint`.
        device: Where the student runs, for example "cpu" or "cuda".
        precision: "fp32" or "bf16".
        embed_prompts: Text side of the CLIP that taught the student; by default that CLIP, loaded
            when `set_prompts` first needs it.

    Raises:
        ValueError: If the precision is another one or the device is not there.

    Example:
        >>> segmenter = load_segmenter("small")
        >>> isinstance(segmenter, Segmenter), segmenter.class_names[:3]
        (True, ('barrier', 'bicycle', 'bus'))
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        device: str = "cpu",
        precision: str = "fp32",
        embed_prompts: EmbedPrompts | None = None,
    ) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision must be one of {', '.join(PRECISIONS)}, got {precision!r}")
        self.checkpoint = checkpoint
        self.vocabulary = checkpoint.vocabulary
        self._device = find_device(device)
        self._dtype = PRECISIONS[precision]
        self._student = checkpoint.student.to(self._device)
        own = checkpoint.vocabulary
        encoder = embed_prompts or TextEncoder(checkpoint.config.teacher.clip, device, own)
        self._embed_prompts = KnownPrompts(own, encoder)

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names; label i of the next sweep means name i."""
        return self.vocabulary.names

    @property
    def logit_scale(self) -> float:
        """What turns cosines into logits: 1 over the temperature of training."""
        return 1 / self.checkpoint.config.losses.temperature

    def set_prompts(
        self, prompts: Sequence[str] | PromptSet, names: Sequence[str] | None = None
    ) -> Vocabulary:
        """Change the prompts; the next sweep is labelled with them.

        Args:
            prompts: C texts, such as "traffic cone"; or a PromptSet, which may group several texts
                under one name.
            names: C distinct names for people, by default the prompts.

        Returns:
            The new vocabulary: names, prompts, colors and text embeddings.

        Raises:
            ValueError: If a prompt is empty, too long or holds a word that the CLIP does not know,
                or names do not fit. The old prompts stay.
            FileNotFoundError: If the CLIP's file is missing.
        """
        prompt_set = as_prompt_set(prompts, names)
        self.vocabulary = encode_prompt_set(prompt_set, self._embed_prompts).vocabulary
        return self.vocabulary

    def segment(self, points: NDArray[np.float32]) -> Segmentation:
        """Label one sweep with the prompts.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame (z up, the sensor at the
                origin), intensity in [0, 1].

        Returns:
            N labels and scores in the order of the points.

        Raises:
            ValueError: If points is not (N, 4).
        """
        vocabulary = self.vocabulary
        return _label_finite(points, lambda finite: self.probabilities(finite, vocabulary))

    def probabilities(self, points: NDArray[np.float32], vocabulary: Vocabulary) -> Tensor:
        """Compare every point with every label.

        Args:
            points: (N, 4) float32, finite.
            vocabulary: C labels, embedded by the CLIP that taught the student.

        Returns:
            (N, C) float32, rows that sum to one.
        """
        texts = self.compare(self.embed(points), vocabulary.embeddings)
        return vocabulary.merge(texts)

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
    weights: Path | str = "small",
    prompts: Sequence[str] | PromptSet | None = None,
    *,
    teacher: str | None = None,
    device: str = "cpu",
    precision: str = "fp32",
) -> Segmenter:
    """Load a student and say what to look for.

    Args:
        weights: A student's checkpoint file, or "small" for the student that ships with the
            package.
        prompts: C texts or a PromptSet, see `Segmenter.set_prompts`; by default the student's own,
            which need no CLIP.
        teacher: The CLIP that reads prompts, as `load_clip` names it; by default the one that
            taught the student.
        device: Where the student runs, for example "cpu" or "cuda".
        precision: "fp32" or "bf16".

    Returns:
        The segmenter; `set_prompts` changes its prompts at any time.

    Raises:
        CheckpointError: If the file cannot be used.
        ValueError: If a prompt is refused, or device or precision do not exist.
        FileNotFoundError: If the CLIP's file is missing.

    Example:
        >>> import numpy as np
        >>> segmenter = load_segmenter("small", prompts=["car", "road", "person"])
        >>> points = np.array([[5.0, 0.0, -1.8, 0.1], [np.nan, 0.0, 0.0, 0.0]], np.float32)
        >>> result = segmenter.segment(points)
        >>> result.labels.shape, result.scores.dtype, int(result.labels[1])
        ((2,), dtype('float32'), 255)
        >>> _ = segmenter.set_prompts(["vehicle", "lawn"])
        >>> segmenter.class_names
        ('vehicle', 'lawn')
    """
    checkpoint = load_checkpoint(weights)
    encoder = None if teacher is None else TextEncoder(teacher, device, checkpoint.vocabulary)
    segmenter = Segmenter(checkpoint, device, precision, encoder)
    if prompts is not None:
        segmenter.set_prompts(prompts)
    return segmenter


class ClassifierSegmenter:
    """A fine-tuned network; its classes are those of its labels and take no prompts.

    Args:
        checkpoint: From `load_finetuned`.
        device: Where it runs, for example "cpu" or "cuda".
    """

    def __init__(self, checkpoint: FinetunedCheckpoint, device: str = "cpu") -> None:
        self.class_names = checkpoint.class_names
        self._device = find_device(device)
        self._classifier = checkpoint.classifier.to(self._device)

    def segment(self, points: NDArray[np.float32]) -> Segmentation:
        """Label one sweep with the classes; see `Segmenter.segment`."""
        return _label_finite(points, self._probabilities)

    @torch.inference_mode()
    def _probabilities(self, points: NDArray[np.float32]) -> Tensor:
        """Classify finite points: (N, 4) -> (N, C) float32, rows that sum to one."""
        sweep = torch.from_numpy(np.ascontiguousarray(points)).to(self._device)
        batch_index = torch.zeros(len(sweep), dtype=torch.int64, device=self._device)
        return torch.softmax(self._classifier(sweep, batch_index).float(), dim=1)


def _label_finite(
    points: NDArray[np.float32], probabilities_of: Callable[[NDArray[np.float32]], Tensor]
) -> Segmentation:
    """Label the finite points (N, 4) by their most probable class; the others get no label."""
    if points.ndim != 2 or points.shape[1] != 4:
        raise ValueError(f"points must be (N, 4) x, y, z, intensity, got {points.shape}")
    finite = np.isfinite(points).all(axis=1)
    labels = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
    scores = np.zeros(len(points), dtype=np.float32)
    labels[finite], scores[finite] = classify(probabilities_of(points[finite]))
    return Segmentation(labels, scores)
