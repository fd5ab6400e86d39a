"""One sweep to labels, by a student and any prompts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, load_checkpoint
from clip2scene_core.device import find_device
from clip2scene_core.inference.embedder import LocatedPoints, PointEmbedder
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmentation import NoteLog, Segmentation, label_usable
from clip2scene_core.network.span import EmbeddingSpan
from clip2scene_core.preprocessing.network_input import levelled_as, preprocess
from clip2scene_core.preprocessing.reach import (
    EGO_RADIUS_M,
    MAX_RANGE_M,
    MIN_RANGE_M,
)
from clip2scene_core.prompts.prompt_set import (
    EmbedPrompts,
    PromptSet,
    as_prompt_set,
    encode_prompt_set,
)
from clip2scene_core.prompts.scoring import Scoring, make_scoring
from clip2scene_core.prompts.text_encoder import KnownPrompts, TextEncoder
from clip2scene_core.prompts.vocabulary import Vocabulary


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
        level: Whether the network sees clouds levelled on their ground; None: as in its training.
        min_range_m: Nearer points get no label from `segment`.
        ego_radius_m: Points above and below this circle around the LiDAR get none (the robot).
        max_range_m: Points farther away get none.
        min_confidence: Points with a lower score get no label.
        background: Whether scores say how the label compares with the student's other texts too;
            see `OnlineOptions`.
        per_voxel: Whether the mean of the points in a voxel stands for each of them; see
            `OnlineOptions`.
        views: How often the network looks at each sweep; see `OnlineOptions`.

    Raises:
        ValueError: If the precision is another one, the device is not there, or min_confidence or
            views are out of range.

    Attributes:
        input: What the network is told of a sweep.

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
        *,
        level: bool | None = None,
        min_range_m: float = MIN_RANGE_M,
        ego_radius_m: float = EGO_RADIUS_M,
        max_range_m: float = MAX_RANGE_M,
        min_confidence: float = 0.0,
        background: bool = True,
        per_voxel: bool = False,
        views: int = 1,
    ) -> None:
        if not 0 <= min_confidence <= 1:
            raise ValueError(f"min_confidence must be in [0, 1], got {min_confidence}")
        self._min_confidence = min_confidence
        self._with_background = background
        self.checkpoint = checkpoint
        self.input = levelled_as(checkpoint.config.input, level)
        self._reach = (min_range_m, ego_radius_m, max_range_m)
        self._note_log = NoteLog()
        self.vocabulary = checkpoint.vocabulary
        self._device = find_device(device)
        self._embedder = PointEmbedder(
            checkpoint.student, self._device, precision, per_voxel, views
        )
        own = checkpoint.vocabulary
        encoder = embed_prompts or TextEncoder(checkpoint.config.teacher.clip, device, own)
        self._embed_prompts = KnownPrompts(own, encoder)

    @property
    def class_names(self) -> tuple[str, ...]:
        """C names; label i of the next sweep means name i."""
        return self.vocabulary.names

    @property
    def reads_colors(self) -> bool:
        """Whether the student reads colors, so that points must be (N, 7)."""
        return "color" in self.checkpoint.config.network.features

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

    def scoring(self, vocabulary: Vocabulary, with_background: bool) -> Scoring:
        """Say what the scores of a vocabulary are made of; see `make_scoring`."""
        return make_scoring(
            vocabulary,
            self.checkpoint.vocabulary,
            self.checkpoint.config.losses.temperature,
            self.checkpoint.calibration,
            with_background,
        )

    def segment(
        self, points: NDArray[np.float32], T_base_lidar: NDArray[np.float64] | None = None
    ) -> Segmentation:
        """Label one sweep with the prompts.

        Args:
            points: (N, 4) float32: x, y, z in metres in the LiDAR frame (the sensor at the origin),
                intensity in [0, 1], where one that is not finite is not known; or (N, 7) with red,
                green, blue in [0, 1]. More than 300,000 usable points are labelled in parts, each a
                thinner cloud of the whole scene, so that memory has a bound; see `interleaved`.
            T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame whose z points up, if the
                segmenter levels; only its rotation is used. None: z of the LiDAR points up.

        Returns:
            N labels and scores in the order of the points, and notes on what is odd about them;
            each kind of note is also logged once.

        Raises:
            ValueError: If points has another shape, or `T_base_lidar` holds no rotation.
        """
        vocabulary = self.vocabulary
        scoring = self.scoring(vocabulary, self._with_background)

        def compare(told: NDArray[np.float32]) -> tuple[Tensor, Tensor]:
            logits = self._embedder.logits(
                told, scoring.texts(vocabulary), self.checkpoint.config.losses.temperature
            )
            by_text, scored = scoring.judge(logits, vocabulary)
            probabilities = vocabulary.merge(by_text)
            return probabilities, probabilities if scored is None else scored

        segmentation = label_usable(
            points, self._reach, self.input, T_base_lidar, compare, self._min_confidence
        )
        self._note_log.update(segmentation.notes)
        return segmentation

    def probabilities(
        self,
        points: NDArray[np.float32],
        vocabulary: Vocabulary,
        T_base_lidar: NDArray[np.float64] | None = None,
    ) -> Tensor:
        """Compare every point with every label.

        Args:
            points: (N, 4) float32, finite; all of them are labelled.
            vocabulary: C labels, embedded by the CLIP that taught the student.
            T_base_lidar: See `segment`.

        Returns:
            (N, C) float32, rows that sum to one.
        """
        texts = self.compare(self.embed(points, T_base_lidar), vocabulary.embeddings)
        return vocabulary.merge(texts)

    def embed(
        self, points: NDArray[np.float32], T_base_lidar: NDArray[np.float64] | None = None
    ) -> Tensor:
        """Place every point in CLIP's space; this is what takes the time.

        Args:
            points: (N, 4) float32, finite.
            T_base_lidar: See `segment`.

        Returns:
            (N, D) float32 of unit length.
        """
        return self.embed_input(preprocess(points, self.input, T_base_lidar).points)

    def embed_input(self, told: NDArray[np.float32]) -> Tensor:
        """Place in CLIP's space what `preprocess` made of a sweep; nothing is levelled here.

        Args:
            told: (N, 4) float32, finite.

        Returns:
            (N, D) float32 of unit length.
        """
        return self._embedder.embed(told)

    @property
    def span(self) -> EmbeddingSpan:
        """Takes texts to the coordinates that `locate_input` gives."""
        return self._embedder.span

    def locate_input(self, told: NDArray[np.float32]) -> LocatedPoints:
        """Place points (N, 4) as `embed_input` does, by fewer numbers and rows."""
        return self._embedder.locate(told)

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
        return torch.softmax(self.logits(embeddings, text_embeddings), dim=1)

    @torch.inference_mode()
    def score(self, embeddings: Tensor, scoring: Scoring, vocabulary: Vocabulary) -> Tensor:
        """Compare embedded points with the texts of the labels and with what they leave out.

        Args:
            embeddings: (N, D) float32 of unit length.
            scoring: From `scoring`, of the same vocabulary; B texts of background.
            vocabulary: P texts.

        Returns:
            (N, P + B) float32; see `Scoring.probabilities`.
        """
        return scoring.probabilities(self.logits(embeddings, scoring.texts(vocabulary)))

    @torch.inference_mode()
    def logits(self, embeddings: Tensor, text_embeddings: Tensor) -> Tensor:
        """Compare embedded points with every text, before any softmax.

        Args:
            embeddings: (N, D) float32 of unit length.
            text_embeddings: (C, D) float32 of unit length.

        Returns:
            (N, C) float32, cosines over the temperature of training.
        """
        temperature = self.checkpoint.config.losses.temperature
        return embeddings @ (text_embeddings.to(self._device).T / temperature)


def load_segmenter(
    weights: Path | str = "small",
    prompts: Sequence[str] | PromptSet | None = None,
    *,
    teacher: str | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    level: bool | None = None,
    min_range_m: float = MIN_RANGE_M,
    ego_radius_m: float = EGO_RADIUS_M,
    max_range_m: float = MAX_RANGE_M,
    min_confidence: float = 0.0,
    background: bool = True,
    views: int = 1,
) -> Segmenter:
    """Load a student and say what to look for.

    Args:
        weights: A student's checkpoint file, or "small" or "large" for one that ships with the
            package.
        prompts: C texts or a PromptSet, see `Segmenter.set_prompts`; by default the student's own,
            which need no CLIP.
        teacher: The CLIP that reads prompts, as `load_clip` names it; by default the one that
            taught the student.
        device: Where the student runs, for example "cpu" or "cuda".
        precision: "fp32" or "bf16".
        level: Whether clouds are levelled: turned and shifted so that their ground is flat, at the
            depth of the training. None: as the student was trained. True also levels for a student
            that was trained without; False never does.
        min_range_m: Nearer points get no label.
        ego_radius_m: Points above and below this circle around the LiDAR get none (the robot).
        max_range_m: Points farther away get none.
        min_confidence: Points with a lower score get no label.
        background: See `Segmenter`.
        views: How often the network looks at each sweep; see `OnlineOptions`.

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
    segmenter = Segmenter(
        checkpoint,
        device,
        precision,
        encoder,
        level=level,
        min_range_m=min_range_m,
        ego_radius_m=ego_radius_m,
        max_range_m=max_range_m,
        min_confidence=min_confidence,
        background=background,
        views=views,
    )
    if prompts is not None:
        segmenter.set_prompts(prompts)
    return segmenter


def make_segmenter(checkpoint: Checkpoint, options: OnlineOptions) -> Segmenter:
    """Make of a student what labels points, as the options say."""
    return Segmenter(
        checkpoint,
        options.device,
        options.precision,
        per_voxel=options.per_voxel,
        views=options.views,
    )
