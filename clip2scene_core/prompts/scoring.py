"""Scores: how sure a point is of its label, also against all that the labels leave out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor

from clip2scene_core.prompts.vocabulary import Vocabulary

TELLING_RATIO: Final = 10.0
"""A text means something else than a label's if a point that lies right on it would call it more
probable by this factor. With the shipped student that is a cosine of 0.84. On rendered scenes every
cosine from 0.75 to 0.95 did equally well: synonyms lie above, other classes below."""


@dataclass(frozen=True)
class ScoreCalibration:
    """What makes the scores of a student come true; measured on labelled data.

    Attributes:
        temperature: Divides cosines before the softmax; that of training makes the labels.
        nothing_cosine: How near "none of these words" lies to every point: where no text comes
            nearer, the score is low.

    Raises:
        ValueError: If the temperature is not positive, or a value is not finite.
    """

    temperature: float
    nothing_cosine: float

    def __post_init__(self) -> None:
        if not (0 < self.temperature < math.inf and math.isfinite(self.nothing_cosine)):
            raise ValueError(
                f"a calibration has a positive temperature and a finite cosine, got "
                f"{self.temperature} and {self.nothing_cosine}"
            )


@dataclass(frozen=True)
class Scoring:
    """What points are compared with beside the texts of their labels.

    Attributes:
        background: (B, D) float32 of unit length, texts that mean something else than the labels.
        sharpness: Turns the logits of training into calibrated ones.
        nothing_logit: Calibrated logit of "none of these words", the same for all points; minus
            infinity without a calibration.
    """

    background: Tensor
    sharpness: float = 1.0
    nothing_logit: float = -math.inf

    @property
    def is_plain(self) -> bool:
        """Whether scores are the probabilities that the labels come from."""
        return not len(self.background) and self.sharpness == 1 and self.nothing_logit == -math.inf

    def texts(self, vocabulary: Vocabulary) -> Tensor:
        """(P + B, D) float32, the texts of the labels, then the background's."""
        return torch.cat([vocabulary.embeddings, self.background])

    def probabilities(self, logits: Tensor) -> Tensor:
        """Calibrate the comparison with `texts`.

        Args:
            logits: (N, P + B) float, cosines over the temperature of training.

        Returns:
            (N, P + B) float; what a row lacks to one is the probability of "none of these words".
        """
        nothing = torch.full_like(logits[:, :1], self.nothing_logit)
        return torch.softmax(torch.cat([self.sharpness * logits, nothing], dim=1), dim=1)[:, :-1]

    def judge(self, logits: Tensor, vocabulary: Vocabulary) -> tuple[Tensor, Tensor | None]:
        """Make labels and scores comparable from one comparison with `texts`.

        Args:
            logits: (N, P + B) float, cosines over the temperature of training.
            vocabulary: The labels, P texts.

        Returns:
            (N, P) float, rows that sum to one, that the labels come from. And (N, C) float that the
            scores come from; None where they come from the same.
        """
        num_texts = len(vocabulary.embeddings)
        by_text = torch.softmax(logits[:, :num_texts], dim=1)
        if self.is_plain:
            return by_text, None
        return by_text, vocabulary.merge(self.probabilities(logits)[:, :num_texts])


def make_scoring(
    vocabulary: Vocabulary,
    own: Vocabulary,
    temperature: float,
    calibration: ScoreCalibration | None = None,
    with_background: bool = True,
) -> Scoring:
    """Say what the scores of a vocabulary are made of.

    Args:
        vocabulary: The labels.
        own: What the student learned to tell apart; of it comes the background.
        temperature: Of the student's training.
        calibration: Of its scores, if there is one.
        with_background: Without it, labels compete with each other alone (and with the
            calibration's nothing).
    """
    background = own.embeddings[:0]
    if with_background:
        background = own.embeddings[find_background(vocabulary, own, temperature)]
    if calibration is None:
        return Scoring(background)
    return Scoring(
        background,
        temperature / calibration.temperature,
        calibration.nothing_cosine / calibration.temperature,
    )


def find_background(vocabulary: Vocabulary, own: Vocabulary, temperature: float) -> Tensor:
    """Find the texts of a student that mean something else than some labels.

    A text that the student can hardly tell from a label's text is no background, nor are the texts
    that share a label of the student with it: "vehicle" leaves "car" out.

    Args:
        vocabulary: The labels.
        own: Q texts, those of the student's training, by the same CLIP.
        temperature: Of the student's training.

    Returns:
        (B,) int64 rows of `own.embeddings`.
    """
    nearest = (own.embeddings @ vocabulary.embeddings.T).amax(dim=1)  # (Q,)
    is_meant = nearest >= 1 - temperature * math.log(TELLING_RATIO)
    is_meant |= torch.tensor([text in vocabulary.texts for text in own.texts])
    meant_labels = own.label_of_text[is_meant]
    return torch.nonzero(~torch.isin(own.label_of_text, meant_labels))[:, 0]
