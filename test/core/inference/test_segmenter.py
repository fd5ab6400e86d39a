import dataclasses

import numpy as np
import pytest
import torch
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import FinetunedCheckpoint
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.scoring import ScoreCalibration
from clip2scene_core.training.finetune.run import make_classifier

EVERYWHERE = {"min_range_m": 0.0, "ego_radius_m": 0.0}


@pytest.fixture
def points() -> np.ndarray:
    generator = np.random.default_rng(0)
    return (generator.random((500, 4)) * [20, 20, 3, 1] - [10, 10, 2, 0]).astype(np.float32)


def test_every_point_gets_a_label_in_order(tiny_checkpoint, points):
    segmenter = Segmenter(tiny_checkpoint, min_range_m=0.0, ego_radius_m=0.0)
    segmentation = segmenter.segment(points)
    assert segmentation.labels.shape == segmentation.scores.shape == (500,)
    assert segmentation.labels.max() < len(segmenter.class_names)
    order = np.random.default_rng(1).permutation(500)
    shuffled = segmenter.segment(points[order])
    assert (shuffled.labels == segmentation.labels[order]).mean() > 0.99


def test_probabilities_are_a_softmax_over_the_training_temperature(tiny_checkpoint, points):
    segmenter = Segmenter(tiny_checkpoint)
    probabilities = segmenter.probabilities(points, tiny_checkpoint.vocabulary)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(500))
    sweep, batch = torch.from_numpy(points), torch.zeros(500, dtype=torch.int64)
    embeddings = tiny_checkpoint.student.embed_semantics(sweep, batch)
    embeddings = embeddings / embeddings.norm(dim=1, keepdim=True)
    logits = embeddings @ tiny_checkpoint.vocabulary.embeddings.T
    logits = logits / tiny_checkpoint.config.losses.temperature
    torch.testing.assert_close(probabilities, torch.softmax(logits, dim=1))


def test_points_that_are_not_finite_stay_in_place_unlabelled(tiny_checkpoint, points):
    clean = Segmenter(tiny_checkpoint).segment(np.delete(points, [3, 7], axis=0))
    points[3, 0] = np.nan
    points[7, 1] = np.inf
    segmentation = Segmenter(tiny_checkpoint).segment(points)
    assert segmentation.labels[[3, 7]].tolist() == [IGNORE_LABEL, IGNORE_LABEL]
    np.testing.assert_array_equal(np.delete(segmentation.labels, [3, 7]), clean.labels)


def test_left_out_words_lower_scores_and_change_no_label(tiny_checkpoint, points):
    def segment(**options):
        segmenter = Segmenter(tiny_checkpoint, **EVERYWHERE, **options)
        segmenter.set_prompts(["car", "road"])
        return segmenter.segment(points)

    alone, against_tree = segment(background=False), segment()
    np.testing.assert_array_equal(against_tree.labels, alone.labels)
    assert (against_tree.scores < alone.scores).all()
    threshold = float(np.median(against_tree.scores))
    strict = segment(min_confidence=threshold)
    is_unknown = against_tree.scores < threshold
    assert 0 < is_unknown.sum() < 500
    np.testing.assert_array_equal(strict.labels == IGNORE_LABEL, is_unknown)
    np.testing.assert_array_equal(strict.labels[~is_unknown], alone.labels[~is_unknown])
    assert not strict.scores[is_unknown].any()


def test_a_calibration_changes_scores_and_no_label(tiny_checkpoint, points):
    plain = Segmenter(tiny_checkpoint, **EVERYWHERE).segment(points)
    calibration = ScoreCalibration(0.02, 0.1)
    with_calibration = dataclasses.replace(tiny_checkpoint, calibration=calibration)
    calibrated = Segmenter(with_calibration, **EVERYWHERE)
    segmentation = calibrated.segment(points)
    np.testing.assert_array_equal(segmentation.labels, plain.labels)
    cosines = calibrated.embed(points) @ tiny_checkpoint.vocabulary.embeddings.T
    weights = torch.exp(torch.cat([cosines, torch.full((500, 1), 0.1)], dim=1) / 0.02)
    expected = weights[:, :3].max(dim=1).values / weights.sum(dim=1)
    np.testing.assert_allclose(segmentation.scores, expected, rtol=1e-4)


def test_an_empty_sweep_gives_no_labels(tiny_checkpoint):
    segmentation = Segmenter(tiny_checkpoint).segment(np.zeros((0, 4), np.float32))
    assert segmentation.labels.shape == (0,)


def test_bfloat16_agrees_with_float32(tiny_checkpoint, points):
    exact = Segmenter(tiny_checkpoint).probabilities(points, tiny_checkpoint.vocabulary)
    rough = Segmenter(tiny_checkpoint, precision="bf16")
    assert (rough.probabilities(points, tiny_checkpoint.vocabulary) - exact).abs().mean() < 0.02


def test_bad_arguments_say_what_came(tiny_checkpoint):
    with pytest.raises(ValueError, match=r"\(N, 4\).*got \(5, 3\)"):
        Segmenter(tiny_checkpoint).segment(np.zeros((5, 3), np.float32))
    with pytest.raises(ValueError, match="precision must be one of fp32, bf16"):
        Segmenter(tiny_checkpoint, precision="int8")
    with pytest.raises(ValueError, match=r"min_confidence must be in \[0, 1\], got 2"):
        Segmenter(tiny_checkpoint, min_confidence=2)


def test_points_are_embedded_once_for_any_words(tiny_checkpoint):
    segmenter = Segmenter(tiny_checkpoint)
    points = np.random.default_rng(0).random((50, 4), dtype=np.float32)
    embeddings = segmenter.embed(points)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(50))
    vocabulary = tiny_checkpoint.vocabulary
    torch.testing.assert_close(
        segmenter.compare(embeddings, vocabulary.embeddings),
        segmenter.probabilities(points, vocabulary),
    )


def test_scores_are_the_softmax_of_the_logits_and_lost_points_have_no_label():
    classifier = make_classifier(make_config(), None).eval()
    torch.nn.init.zeros_(classifier.head.weight)
    with torch.no_grad():
        classifier.head.bias.copy_(torch.arange(16) * np.log(2))
    segmenter = ClassifierSegmenter(FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    points = np.array([[1, 2, 3, 0.5], [np.nan, 0, 0, 0]], np.float32)
    segmentation = segmenter.segment(points)
    assert segmentation.labels.tolist() == [15, IGNORE_LABEL]
    np.testing.assert_allclose(segmentation.scores, [2**15 / (2**16 - 1), 0], rtol=1e-6)
    assert len(segmenter.segment(points[:0]).labels) == 0
    with pytest.raises(ValueError, match=r"points must be \(N, 4\)"):
        segmenter.segment(points[:, :3])


@pytest.mark.parametrize("background", [False, True])
def test_one_comparison_in_parts_gives_what_two_of_all_points_gave(
    monkeypatch, tiny_checkpoint, points, background
):
    """Labels of the softmax over the labels' texts, scores of the one over all texts."""
    monkeypatch.setattr("clip2scene_core.inference.embedder._ROWS_AT_ONCE", 64)
    calibrated = dataclasses.replace(tiny_checkpoint, calibration=ScoreCalibration(0.2, 0.1))
    segmenter = Segmenter(calibrated, background=background, **EVERYWHERE)
    segmenter.set_prompts(["car", "road"])
    segmentation = segmenter.segment(points)
    embeddings = segmenter.embed(points)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(500))
    vocabulary = segmenter.vocabulary
    labels = segmenter.compare(embeddings, vocabulary.embeddings).argmax(dim=1).numpy()
    scored = segmenter.score(embeddings, segmenter.scoring(vocabulary, background), vocabulary)
    np.testing.assert_array_equal(segmentation.labels, labels)
    expected = scored.numpy()[np.arange(500), labels]
    np.testing.assert_allclose(segmentation.scores, expected, atol=1e-5)
