"""The student, the cameras or both: a sweep embedded once, compared with any number of texts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.inference.camera_segmenter import CameraSegmenter, PairedEmbeddings
from clip2scene_core.inference.own_classes import OwnClasses
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.mapping.evidence import Evidence, Source, semantic_guided
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.prompts.scoring import Scoring
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep


@dataclass(frozen=True)
class EmbeddedSweep:
    """What the networks make of a sweep, before any text comes in.

    Attributes:
        num_points: N.
        points: (N, D) float32 of unit length, the student's, or without cameras (N, K), their
            coordinates in its span (see `EmbeddingSpan`); None without a student.
        pixels: The teacher's view of some of the points; None without cameras.
        row_of_point: (N,) int64, where points of a voxel share a row of `points`, and of all that
            is made of it; None: row i is point i.
    """

    num_points: int
    points: Tensor | None
    pixels: PairedEmbeddings | None
    row_of_point: Tensor | None = None

    @property
    def num_rows(self) -> int:
        """R, how many answers there are for N points."""
        if self.row_of_point is None or self.points is None:
            return self.num_points
        return len(self.points)

    def spread(self, of_rows: NDArray[Any]) -> NDArray[Any]:
        """Give each point the answer of its row: (R,) -> (N,)."""
        return of_rows if self.row_of_point is None else of_rows[self.row_of_point.cpu().numpy()]


class Fusion:
    """Compares points with texts by whatever there is.

    Args:
        segmenter: The student.
        camera_segmenter: The teacher. One of both may be missing.
        camera_weight: The cameras' share where there are both, in [0, 1].

    Attributes:
        span: Span of the student's embeddings: points and texts are in its coordinates. None where
            cameras look, whose embeddings lie outside of it, and for a fine-tuned network.
    """

    def __init__(
        self,
        segmenter: Segmenter | OwnClasses | None,
        camera_segmenter: CameraSegmenter | None,
        camera_weight: float,
    ) -> None:
        self._segmenter = segmenter
        self._camera_segmenter = camera_segmenter
        self._camera_weight = camera_weight
        self.span = (
            segmenter.span
            if isinstance(segmenter, Segmenter) and camera_segmenter is None
            else None
        )

    def embed(
        self,
        sweep: Sweep,
        cameras: Sequence[CameraView],
        told: NDArray[np.float32] | None = None,
    ) -> EmbeddedSweep:
        """Run the networks; this is what takes the time.

        Args:
            sweep: N points, finite.
            cameras: Views around the sweep's stamp; at least one if there is no student.
            told: (N, 4) float32, what `preprocess` made of the sweep for the student; by default
                it is made of this sweep alone.
        """
        points, pixels, row_of_point = None, None, None
        if self._segmenter is not None:
            if told is None:
                told = preprocess(sweep.points, self._segmenter.input, sweep.T_base_lidar).points
            points, row_of_point = self._embed_points(told)
        if self._camera_segmenter is not None and cameras:
            pixels = self._camera_segmenter.embed_pairs([sweep], cameras)
        return EmbeddedSweep(len(sweep.points), points, pixels, row_of_point)

    def compare(
        self,
        embedded: EmbeddedSweep,
        text_embeddings: Tensor,
        label_of_text: Tensor | None = None,
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        """Compare every point with every text.

        Args:
            embedded: N points.
            text_embeddings: (C, D) float32 of unit length.
            label_of_text: (C,) int64, for the cameras' prompt denoising; without it there is none.

        Returns:
            Probabilities (R, C) float32, rows that sum to one, and (R,) bool, whether anything saw
            the row's points; rows of points that nothing saw are zero.
        """
        if embedded.points is None:
            return self._compare_pixels(embedded, text_embeddings, label_of_text)
        assert self._segmenter is not None  # it embedded them
        probabilities = self._segmenter.compare(embedded.points, self._to_span(text_embeddings))
        if embedded.pixels is not None:
            seen_probabilities, in_view = self._compare_pixels(
                embedded, text_embeddings, label_of_text
            )
            probabilities = fuse(
                probabilities.cpu(), seen_probabilities, in_view, self._camera_weight
            )
        return probabilities, np.ones(embedded.num_rows, dtype=bool)

    def score(
        self, embedded: EmbeddedSweep, vocabulary: Vocabulary, scoring: Scoring
    ) -> Tensor | None:
        """Compare every point with the labels and with what they leave out.

        Args:
            embedded: N points.
            vocabulary: C labels.
            scoring: What the labels compete with.

        Returns:
            (N, C) float32; what a row lacks to one is the probability of "none of these words".
            None where `compare` says the same.
        """
        if embedded.points is None or scoring.is_plain:
            return None
        assert self._segmenter is not None  # it embedded them
        scored = self._segmenter.score(embedded.points, scoring, vocabulary)
        if embedded.pixels is not None:
            # Cameras know nothing of "none of these words": the student alone decides about it.
            share = scored.cpu().sum(dim=1, keepdim=True)
            labels = torch.arange(len(scoring.background)) + len(vocabulary)
            seen, in_view = self._compare_pixels(
                embedded,
                scoring.texts(vocabulary),
                torch.cat([vocabulary.label_of_text, labels]),
            )
            known = scored.cpu() / share.clamp(min=torch.finfo(share.dtype).tiny)
            scored = share * fuse(known, seen, in_view, self._camera_weight)
        return vocabulary.merge(scored[:, : len(vocabulary.embeddings)])

    def judge(
        self, embedded: EmbeddedSweep, vocabulary: Vocabulary, scoring: Scoring
    ) -> tuple[Tensor, Tensor | None, NDArray[np.bool_]]:
        """Compare every point once with all that labels and scores need.

        Returns:
            What `compare` says of the vocabulary's texts, what `score` says, and where anything saw
            a point.
        """
        if embedded.points is None or embedded.pixels is not None:
            texts, labels = vocabulary.embeddings, vocabulary.label_of_text
            by_text, seen = self.compare(embedded, texts, labels)
            return by_text, self.score(embedded, vocabulary, scoring), seen
        assert self._segmenter is not None  # it embedded them
        texts = self._to_span(scoring.texts(vocabulary))
        logits = self._segmenter.logits(embedded.points, texts)
        return (
            *scoring.judge(logits, vocabulary),
            np.ones(embedded.num_rows, dtype=bool),
        )

    def gather(self, embedded: EmbeddedSweep, texts: Tensor, text_of_row: Tensor) -> Evidence:
        """Keep what was seen in a form that outlives the prompts; see `semantic_guided`.

        Args:
            embedded: N points.
            texts: (C, D) float32 of unit length.
            text_of_row: (R,) int64, the text of each row's label.
        """
        pixel_share = torch.zeros(embedded.num_rows)
        sources = []
        if embedded.pixels is not None:
            assert self._camera_segmenter is not None  # it embedded them
            weight = 1.0 if embedded.points is None else self._camera_weight
            pixel_share = weight * embedded.pixels.in_view(embedded.num_points).float()
            pixels = embedded.pixels.per_point(embedded.num_points)
            sources.append(Source(pixels, self._camera_segmenter.logit_scale, pixel_share))
        if embedded.points is not None:
            assert self._segmenter is not None
            points, scale = embedded.points.cpu(), self._segmenter.logit_scale
            sources.append(Source(points, scale, 1 - pixel_share))
        evidence = semantic_guided(sources, self._to_span(texts).cpu(), text_of_row)
        row_of_point = embedded.row_of_point
        return replace(evidence, row_of_point=None if row_of_point is None else row_of_point.cpu())

    def _embed_points(self, told: NDArray[np.float32]) -> tuple[Tensor, Tensor | None]:
        assert self._segmenter is not None
        if isinstance(self._segmenter, Segmenter) and self.span is not None:
            located = self._segmenter.locate_input(told)
            return located.rows, located.row_of_point
        return self._segmenter.embed_input(told), None

    def _to_span(self, texts: Tensor) -> Tensor:
        """Texts (C, D) in the coordinates of the points, (C, K) or as they are."""
        return texts if self.span is None else self.span.reduce(texts)

    def _compare_pixels(
        self, embedded: EmbeddedSweep, text_embeddings: Tensor, label_of_text: Tensor | None
    ) -> tuple[Tensor, NDArray[np.bool_]]:
        assert self._camera_segmenter is not None
        assert embedded.pixels is not None
        return self._camera_segmenter.compare(
            embedded.pixels, embedded.num_points, text_embeddings, label_of_text
        )


def fuse(
    probabilities: Tensor,
    camera_probabilities: Tensor,
    in_view: NDArray[np.bool_],
    camera_weight: float,
) -> Tensor:
    """Take the weighted geometric mean of student and cameras.

    Args:
        probabilities: (N, C) float, the student's.
        camera_probabilities: (N, C) float, the cameras'.
        in_view: (N,) bool; elsewhere the student decides alone.
        camera_weight: The cameras' share, in [0, 1].

    Returns:
        (N, C) float, rows that sum to one.
    """
    weight = camera_weight * torch.from_numpy(in_view)[:, None]
    logits = (1 - weight) * _log(probabilities) + weight * _log(camera_probabilities)
    return torch.softmax(logits, dim=1)


def _log(probabilities: Tensor) -> Tensor:
    """Logarithm that no single zero can decide."""
    return probabilities.clamp(min=1e-6).log()
