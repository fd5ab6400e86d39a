import dataclasses
import json

import numpy as np
import pytest
import torch
from random_student import random_student, save_random_student

from clip2scene_core.bench.json_dataclass import from_json
from clip2scene_core.bench.measure.unknown import (
    COSINE,
    PROBABILITY,
    PROBABILITY_AND_BACKGROUND,
    RULES,
    EmbeddedPoints,
    UnknownResult,
    calibrate,
    calibration_error,
    embed_points,
    measure_unknown,
    score_unknown,
)
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import EvaluationError
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES


@pytest.fixture(scope="module")
def segmenter() -> Segmenter:
    return Segmenter(random_student())


def points_near_their_texts(
    segmenter: Segmenter, noise: float = 0.07, mislabelled: float = 0.0
) -> EmbeddedPoints:
    """Four thousand points near the texts of their classes."""
    generator = torch.Generator().manual_seed(0)
    embeddings = segmenter.vocabulary.embeddings
    labels = torch.randint(16, (4000,), generator=generator)
    offsets = noise * torch.randn(4000, embeddings.shape[1], generator=generator)
    noisy = torch.nn.functional.normalize(embeddings[labels] + offsets, dim=1)
    wrong = torch.rand(4000, generator=generator) < mislabelled
    said = torch.where(wrong, (labels + 1) % 16, labels).numpy().astype("u1")
    return EmbeddedPoints(noisy, said, NUSCENES_CLASSES)


def test_the_background_knows_what_was_left_out(segmenter):
    result = measure_unknown(segmenter, points_near_their_texts(segmenter))
    assert len(result.scores) == 16 * len(RULES)
    assert result.mean_auroc(PROBABILITY_AND_BACKGROUND) > 0.9
    assert result.mean_auroc(PROBABILITY_AND_BACKGROUND) > result.mean_auroc(PROBABILITY)
    assert sum(score.num_left_out for score in result.scores if score.rule == COSINE) == 4000


def test_a_class_without_points_is_not_left_out(segmenter):
    points = points_near_their_texts(segmenter)
    some = np.flatnonzero(points.labels < 3)
    result = measure_unknown(
        segmenter,
        dataclasses.replace(points, embeddings=points.embeddings[some], labels=points.labels[some]),
    )
    assert [score.left_out for score in result.scores][:: len(RULES)] == [
        "barrier",
        "bicycle",
        "bus",
    ]


def test_a_calibration_makes_scores_come_true(segmenter):
    points = points_near_their_texts(segmenter, noise=0.03, mislabelled=0.3)
    calibration = calibrate(segmenter, points)
    calibrated = Segmenter(dataclasses.replace(segmenter.checkpoint, calibration=calibration))
    assert calibration_error(calibrated, points) < calibration_error(segmenter, points)
    # Three in ten labels of the clear points are wrong: no score may be near one.
    assert calibration.temperature > segmenter.checkpoint.config.losses.temperature


def test_labels_are_classes_of_the_data_set_by_name(segmenter):
    points = points_near_their_texts(segmenter, noise=0.03, mislabelled=0.3)
    turned = dataclasses.replace(
        points,
        labels=(len(NUSCENES_CLASSES) - 1 - points.labels).astype(np.uint8),
        classes=NUSCENES_CLASSES[::-1],
    )
    assert calibrate(segmenter, turned) == calibrate(segmenter, points)
    assert calibration_error(segmenter, turned) == calibration_error(segmenter, points)
    assert next(s.left_out for s in measure_unknown(segmenter, turned).scores) == "barrier"


def test_only_labelled_points_of_scenes_that_were_not_trained_on_count(segmenter, tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    points = embed_points(segmenter, dataset)
    assert len(points.embeddings) == len(points.labels) > 0
    assert not (points.labels == IGNORE_LABEL).any()
    trained = dataclasses.replace(segmenter.checkpoint, scene_tokens=("scene-a",))
    with pytest.raises(EvaluationError, match="trained on 1 of these scenes, for example scene-00"):
        embed_points(Segmenter(trained), dataset)
    with pytest.raises(EvaluationError, match="opened without labels"):
        embed_points(segmenter, NuScenesDataset(tiny_nuscenes, with_images=False))


def test_a_bench_can_write_and_read_the_scores(tiny_nuscenes, tmp_path):
    values = score_unknown(save_random_student(tmp_path), tiny_nuscenes)
    again = from_json(UnknownResult, json.loads(json.dumps(values)))
    assert {score.rule for score in again.scores} == set(RULES)
    assert all(0 <= score.auroc <= 1 for score in again.scores)
