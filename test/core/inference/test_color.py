"""Clouds with colors, as of depth cameras, through a segmenter."""

import dataclasses

import numpy as np
import pytest
import torch

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.network.student import Student
from clip2scene_core.sample import Sweep

NETWORK = NetworkConfig("minkunet14", width=0.125, voxel_size_m=0.2, features=("color",))


@pytest.fixture
def colored_checkpoint(tiny_checkpoint):
    torch.manual_seed(0)
    return dataclasses.replace(
        tiny_checkpoint,
        student=Student(NETWORK, 16).eval().requires_grad_(False),
        config=dataclasses.replace(tiny_checkpoint.config, network=NETWORK),
    )


def room(seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, 1, (400, 7)).astype(np.float32)
    points[:, :3] *= 3
    return points


def test_colors_decide_where_only_they_are_told(colored_checkpoint):
    segmenter = Segmenter(colored_checkpoint, min_range_m=0, ego_radius_m=0)
    points = room()
    other = points.copy()
    other[:, 3] = 0.5
    np.testing.assert_array_equal(segmenter.segment(points).scores, segmenter.segment(other).scores)
    other[:, 4:] = 1 - other[:, 4:]
    assert (segmenter.segment(points).scores != segmenter.segment(other).scores).any()


def test_a_cloud_without_colors_is_refused(colored_checkpoint, tiny_checkpoint):
    segmenter = Segmenter(colored_checkpoint, min_range_m=0, ego_radius_m=0)
    with pytest.raises(ValueError, match="but the points have no color"):
        segmenter.segment(room()[:, :4])
    with pytest.raises(ValueError, match="with red, green, blue, got"):
        segmenter.segment(room()[:, :6])
    # Who was trained without colors does not mind them.
    plain = Segmenter(tiny_checkpoint, min_range_m=0, ego_radius_m=0)
    one, other = plain.segment(room()), plain.segment(room()[:, :4])
    np.testing.assert_array_equal(one.scores, other.scores)


def test_a_sequence_takes_colors(colored_checkpoint):
    options = OnlineOptions(min_range_m=0.0, ego_radius_m=0.0)
    segmenter = OnlineSegmenter(
        options, colored_checkpoint.vocabulary, None, Segmenter(colored_checkpoint)
    )
    cloud = segmenter.segment(Sweep(room(), np.eye(4), stamp_ns=0))
    alone = Segmenter(colored_checkpoint, min_range_m=0, ego_radius_m=0).segment(room())
    np.testing.assert_array_equal(cloud.labels, alone.labels)
    assert len(segmenter.map().labels) > 0
