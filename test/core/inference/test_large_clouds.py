"""A cloud of millions of points is taken apart, and memory has a bound."""

import numpy as np
import pytest
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import FinetunedCheckpoint
from clip2scene_core.inference import embedder
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.network.student import Student
from clip2scene_core.training.finetune.run import make_classifier

EVERYWHERE = {"min_range_m": 0.0, "ego_radius_m": 0.0}


@pytest.fixture
def points():
    generator = np.random.default_rng(0)
    return (generator.random((500, 4)) * [20, 20, 3, 1] - [10, 10, 2, 0]).astype(np.float32)


@pytest.fixture
def small_parts(monkeypatch):
    """The sizes of the clouds that went through a student of parts of at most 200 points."""
    sizes = []
    point_features = Student.point_features

    def listen(self, points, batch_index):
        sizes.append(len(points))
        return point_features(self, points, batch_index)

    monkeypatch.setattr(Student, "point_features", listen)
    monkeypatch.setattr(embedder, "MAX_POINTS_AT_ONCE", 200)
    return sizes


def segmenters(tiny_checkpoint):
    torch_classifier = make_classifier(make_config(), None).eval()
    finetuned = FinetunedCheckpoint(torch_classifier, NAMES, make_config(), (), {})
    return (
        Segmenter(tiny_checkpoint, **EVERYWHERE),
        ClassifierSegmenter(finetuned, **EVERYWHERE),
    )


@pytest.mark.parametrize("kind", [0, 1], ids=["student", "classifier"])
def test_each_part_is_labelled_as_a_cloud_of_its_own(tiny_checkpoint, points, small_parts, kind):
    segmenter = segmenters(tiny_checkpoint)[kind]
    whole = segmenter.segment(points)
    for first in range(3):
        part = segmenter.segment(points[first::3])
        np.testing.assert_array_equal(whole.labels[first::3], part.labels)
        np.testing.assert_allclose(whole.scores[first::3], part.scores, atol=1e-5)


def test_no_part_is_larger_than_the_limit(tiny_checkpoint, points, small_parts):
    segmenter = Segmenter(tiny_checkpoint, **EVERYWHERE)
    segmenter.segment(points)
    embeddings = segmenter.embed(points)
    segmenter.segment(points[:200])
    assert small_parts == [167, 167, 166] * 2 + [200]
    np.testing.assert_allclose(embeddings.norm(dim=1), 1, atol=1e-5)


def test_every_point_is_in_one_part():
    for num_points in (0, 1, 299_999, 300_001, 2_000_000):
        parts = [np.arange(num_points)[part] for part in embedder.interleaved(num_points)]
        np.testing.assert_array_equal(np.sort(np.concatenate(parts)), np.arange(num_points))
        assert max(map(len, parts)) <= embedder.MAX_POINTS_AT_ONCE


def test_a_sweep_stays_whole():
    """Of 32 to 128 beams, and ten of 32 beams together."""
    for num_points in (34_688, 123_389, 271_156):
        assert embedder.interleaved(num_points) == [slice(0, None, 1)]
