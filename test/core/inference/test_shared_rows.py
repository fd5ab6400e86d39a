"""Points of a voxel that share what the network computes."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clip2scene_core import Sweep
from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.config.sections import NetworkConfig, VoxelsConfig
from clip2scene_core.inference import embedder
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.network.student import Student
from clip2scene_core.preprocessing.network_input import preprocess

NETWORKS = {
    "minkunet": NetworkConfig("minkunet14", 0.125, 0.5),
    "spvcnn of voxels": NetworkConfig(
        width=0.125, voxel_size_m=0.5, voxels=VoxelsConfig(points="voxels")
    ),
    "spvcnn": NetworkConfig(width=0.125, voxel_size_m=0.5),
}


@pytest.fixture(params=NETWORKS)
def checkpoint(request, tiny_checkpoint) -> Checkpoint:
    torch.manual_seed(0)
    network = NETWORKS[request.param]
    student = Student(network, 16).eval().requires_grad_(False)
    config = replace(tiny_checkpoint.config, network=network)
    return replace(tiny_checkpoint, student=student, config=config)


@pytest.fixture
def points() -> np.ndarray:
    generator = np.random.default_rng(0)
    cloud = generator.random((900, 4)) * [12, 12, 2, 1] - [6, 6, 2, 0]
    return cloud.astype(np.float32)


@pytest.mark.parametrize("largest_part", [10_000, 400])
def test_each_point_gets_what_the_student_says_of_it(checkpoint, points, largest_part, monkeypatch):
    monkeypatch.setattr(embedder, "MAX_POINTS_AT_ONCE", largest_part)
    segmenter = Segmenter(checkpoint)
    told = preprocess(points, segmenter.input, None).points
    located = segmenter.locate_input(told)
    expected = torch.empty(len(told), 16)
    for part in embedder.interleaved(len(told)):
        sweep = torch.from_numpy(np.ascontiguousarray(told[part]))
        batch_index = torch.zeros(len(sweep), dtype=torch.int64)
        expected[part] = checkpoint.student.embed_semantics(sweep, batch_index)
    expected = torch.nn.functional.normalize(expected, dim=1)
    torch.testing.assert_close(segmenter.embed_input(told), expected, atol=1e-5, rtol=1e-4)
    if checkpoint.config.network == NETWORKS["spvcnn"]:
        assert located.row_of_point is None
    else:
        assert len(located.rows) < len(points)
        rows = embedder.spread(located.rows, located.row_of_point)
        spread = segmenter.span.expand(rows)
        torch.testing.assert_close(spread, expected, atol=1e-5, rtol=1e-4)


def test_labels_scores_and_the_map_are_those_of_the_points(checkpoint, points):
    vocabulary = checkpoint.vocabulary
    options = OnlineOptions(min_range_m=0.0, ego_radius_m=0.0, with_entropies=True)
    online = OnlineSegmenter(options, vocabulary, None, Segmenter(checkpoint))
    cloud = online.segment(Sweep(points, np.eye(4), stamp_ns=0))
    alone = Segmenter(checkpoint, min_range_m=0.0, ego_radius_m=0.0).segment(points)
    np.testing.assert_array_equal(cloud.labels, alone.labels)
    np.testing.assert_allclose(cloud.scores, alone.scores, atol=1e-5)
    p = Segmenter(checkpoint).probabilities(points, vocabulary)
    np.testing.assert_allclose(cloud.entropies, -(p * p.log()).sum(dim=1), rtol=1e-4, atol=1e-5)

    class PointByPoint(Segmenter):
        def locate_input(self, told):
            located = super().locate_input(told)
            rows = embedder.spread(located.rows, located.row_of_point)
            return embedder.LocatedPoints(rows, None)

    other = OnlineSegmenter(options, vocabulary, None, PointByPoint(checkpoint))
    other.segment(Sweep(points, np.eye(4), stamp_ns=0))
    one, two = online.map(), other.map()
    assert len(one.points) > 100
    np.testing.assert_array_equal(one.points, two.points)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_allclose(one.scores, two.scores, atol=1e-4)


@pytest.mark.parametrize("per_voxel", [False, True])
@pytest.mark.parametrize("cloud", [np.zeros((0, 4)), np.full((5, 4), np.nan), np.zeros((5, 4))])
def test_a_cloud_without_usable_points_has_no_labels(checkpoint, cloud, per_voxel):
    segmenter = Segmenter(checkpoint, per_voxel=per_voxel)
    online = OnlineSegmenter(OnlineOptions(), checkpoint.vocabulary, None, segmenter)
    labelled = online.segment(Sweep(cloud.astype(np.float32), np.eye(4), stamp_ns=0))
    assert (labelled.labels == IGNORE_LABEL).all()
    assert len(labelled.labels) == len(cloud)
    assert len(online.map().points) == 0


def test_the_mean_of_a_voxel_may_stand_for_its_points(checkpoint, points):
    """Of points that lie alone in their voxels, nothing changes; others share an answer."""
    of_voxels, of_points = (Segmenter(checkpoint, per_voxel=one) for one in (True, False))
    told = preprocess(points, of_voxels.input, None).points
    cells = np.floor(told[:, :3] / 0.5).astype(int)
    _, first, voxel, counts = np.unique(
        cells, axis=0, return_index=True, return_inverse=True, return_counts=True
    )
    assert counts.max() > 1
    shared = of_voxels.embed_input(told)
    torch.testing.assert_close(shared, shared[first][voxel.ravel()])
    alone = told[first]  # one point in each voxel
    torch.testing.assert_close(
        of_voxels.embed_input(alone), of_points.embed_input(alone), atol=1e-5, rtol=1e-4
    )
    cosines = (shared * of_points.embed_input(told)).sum(dim=1)
    assert cosines.mean() > 0.95
