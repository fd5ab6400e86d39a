"""One sweep on its way through `OnlineSegmenter`: prepared, then answered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.inference.fusion import EmbeddedSweep, Fusion
from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.preprocessing.network_input import NetworkInput
from clip2scene_core.prompts.prompt_set import EncodedPrompts, negatives_and_query
from clip2scene_core.prompts.scoring import Scoring
from clip2scene_core.prompts.vocabulary import classify, entropies_of
from clip2scene_core.sample import CameraView, Sweep


@dataclass(frozen=True)
class PreparedSweep:
    """A sweep before the networks see it, with the prompts and options of this moment.

    Attributes:
        sweep: N points.
        usable: (N,) bool, which of them get labels.
        inside: These points alone.
        cameras: Views around the sweep's stamp.
        told: What the student is told of the usable points.
        notes: What is odd about the sweep.
        encoded: What the points are compared with.
        options: How to label.
        scoring: What the labels compete with.
        num_resets: How often the segmenter had been reset. A sweep from before a reset is labelled
            but not mapped.
    """

    sweep: Sweep
    usable: NDArray[np.bool_]
    inside: Sweep
    cameras: Sequence[CameraView]
    told: NetworkInput
    notes: tuple[str, ...]
    encoded: EncodedPrompts
    options: OnlineOptions
    scoring: Scoring
    num_resets: int


@dataclass(frozen=True)
class AnsweredSweep:
    """A labelled sweep with what the map wants to know.

    Attributes:
        prepared: Where it comes from.
        cloud: The labels.
        embedded: What the networks made of the usable points.
        text_probabilities: (R, C) float32, see `EmbeddedSweep`.
    """

    prepared: PreparedSweep
    cloud: LabelledCloud
    embedded: EmbeddedSweep
    text_probabilities: Tensor


def answer(prepared: PreparedSweep, fusion: Fusion) -> AnsweredSweep:
    """Run the networks on a sweep and compare its points with the prompts."""
    sweep, usable, options = prepared.sweep, prepared.usable, prepared.options
    vocabulary, query = prepared.encoded.vocabulary, prepared.encoded.query
    embedded = fusion.embed(prepared.inside, prepared.cameras, prepared.told.points)
    text_probabilities, scored, seen = fusion.judge(embedded, vocabulary, prepared.scoring)
    probabilities = vocabulary.merge(text_probabilities)
    labels = np.full(len(sweep.points), IGNORE_LABEL, dtype=np.uint8)
    scores = np.zeros(len(sweep.points), dtype=np.float32)
    of_rows = _decide(probabilities, scored, seen, options.min_confidence)
    labels[usable], scores[usable] = (embedded.spread(one) for one in of_rows)
    similarities, entropies = None, None
    if options.with_entropies:
        entropies = np.full(len(sweep.points), np.log(len(vocabulary)), dtype=np.float32)
        entropies[usable] = embedded.spread(entropies_of(probabilities))
    if query is not None:
        similarities = np.zeros(len(sweep.points), dtype=np.float32)
        compared, _ = fusion.compare(embedded, negatives_and_query(vocabulary, query))
        similarities[usable] = embedded.spread(compared[:, -1].float().cpu().numpy())
    cloud = LabelledCloud(
        sweep.points,
        labels,
        scores,
        sweep.stamp_ns,
        sweep.T_global_lidar,
        vocabulary,
        None if query is None else query.text,
        similarities,
        entropies,
        prepared.told.ground,
        prepared.notes,
    )
    return AnsweredSweep(prepared, cloud, embedded, text_probabilities)


def _decide(
    probabilities: Tensor, scored: Tensor | None, seen: NDArray[np.bool_], min_confidence: float
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Take the most probable label of each point that was seen."""
    labels, scores = classify(probabilities, min_confidence, scored)
    labels[~seen] = IGNORE_LABEL
    scores[labels == IGNORE_LABEL] = 0.0
    return labels, scores
