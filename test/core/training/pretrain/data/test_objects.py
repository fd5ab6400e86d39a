"""Objects have one name each."""

import numpy as np
import pytest
from separable_samples import make_config

from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.consensus import Votes
from clip2scene_core.training.pretrain.data.objects import agree_in_objects, find_objects
from clip2scene_core.training.pretrain.data.paired_sample import pair_points
from clip2scene_core.training.pretrain.prepare import prepare_distillation

TRUCK, TRAILER, ROAD = range(3)
IS_GROUND = np.array([False, False, True])


def row(start, stop, step, y=0.0):
    """Points along x, 1 m above the ground."""
    x = np.arange(start, stop, step)
    return np.stack([x, np.full_like(x, y), np.ones_like(x)], axis=1)


def votes(*classes, loud=0.3):
    """Cosines (N, 3): `loud` for the class of each point."""
    return np.eye(3, dtype=np.float32)[list(classes)] * np.float32(loud)


def test_gaps_part_objects_and_chains_join_them():
    near, apart, beside = row(0, 2, 0.4), row(2.5, 4, 0.4), row(0, 2, 0.4, y=3.0)
    points = np.concatenate([near, apart, beside])
    groups, is_object = find_objects(points, 0.5, 12.0)
    assert len(set(groups[: len(near)])) == 1
    assert len(is_object) == 3
    assert find_objects(points, 1.0, 12.0)[1].tolist() == [True, True]
    # Extents are those across the ground.
    assert find_objects(points, 1.0, 2.5)[1].tolist() == [False, True]
    tower = np.stack([np.zeros(40), np.zeros(40), np.arange(40.0)], axis=1)
    assert find_objects(tower, 1.5, 1.0)[1].tolist() == [True]


def test_a_wall_of_many_points_is_one_group():
    # Each point has all others within the gap: 10^10 pairs, were they all asked for.
    points = np.random.default_rng(0).uniform(0, 0.3, (200_000, 3))
    groups, is_object = find_objects(points, 0.6, 12.0)
    assert set(groups) == {0}
    assert is_object.tolist() == [True]


def test_the_whole_of_an_object_names_its_parts():
    truck, other = row(0, 4, 0.4), row(10, 11, 0.4)
    ground = row(0, 4, 0.4) - [0, 0, 0.9]
    points = np.concatenate([truck, other, ground])
    said = [TRUCK] * 7 + [TRAILER] * 3 + [TRAILER] * 3 + [ROAD] * 10
    before = votes(*said)
    kept = before.copy()
    agreed = agree_in_objects(points, before, IS_GROUND, 0.5, 12.0)
    assert agreed.argmax(axis=1).tolist() == [TRUCK] * 10 + [TRAILER] * 3 + [ROAD] * 10
    np.testing.assert_allclose(agreed[0, :2], [0.21, 0.09], atol=1e-6)
    np.testing.assert_array_equal(before, kept)


def test_few_loud_votes_outweigh_many_quiet_ones():
    cosines = np.concatenate([votes(*[TRUCK] * 6, loud=0.1), votes(*[TRAILER] * 4, loud=0.9)])
    agreed = agree_in_objects(row(0, 4, 0.4), cosines, IS_GROUND, 0.5, 12.0)
    assert (agreed.argmax(axis=1) == TRAILER).all()


def test_what_is_too_large_keeps_its_parts():
    wall = row(0, 20, 0.4)
    before = votes(*[TRUCK] * 40, *[TRAILER] * 10)
    agreed = agree_in_objects(wall, before, IS_GROUND, 0.5, 12.0)
    np.testing.assert_array_equal(agreed, before)


@pytest.mark.parametrize("said", [[], [ROAD, ROAD]])
def test_nothing_that_stands_is_no_object(said):
    before = votes(*said).reshape(-1, 3)
    agreed = agree_in_objects(row(0, len(said), 1.0), before, IS_GROUND, 0.5, 12.0)
    np.testing.assert_array_equal(agreed, before)


def test_a_consensus_names_whole_objects():
    points = row(0.3, 4.3, 0.4)
    gathered = Votes(0.4, np.zeros(3, dtype=np.bool_), 10.0)
    gathered.add(points, votes(*[TRUCK] * 6, *[TRAILER] * 4), 0)
    consensus = gathered.count()
    far = np.array([[50.0, 0.0, 1.0]])
    labels, confidences = consensus.label(
        np.concatenate([points, far]), 0,
        lambda found, cosines: agree_in_objects(found, cosines, IS_GROUND, 0.5, 12.0),
    )  # fmt: skip
    assert labels.tolist() == [TRUCK] * 10 + [IGNORE_LABEL]
    assert len(set(confidences[:10])) == 1
    assert set(consensus.label(points, 0)[0]) == {TRUCK, TRAILER}


def test_a_keyframe_is_labelled_by_objects(tmp_path, tiny_nuscenes, tiny_clip):
    alone = make_config(tiny_clip, "sweeps.min_range_m=0", "consensus={voxel_size_m: 0.2}")
    ground = alone.classes[ROAD]
    sizes = "voxel_size_m: 0.2, object_gap_m: 999, object_size_m: 999"
    joined = override(alone, [f"consensus={{{sizes}, ground: [{ground}]}}"])
    dataset = NuScenesDataset(tiny_nuscenes)
    sample = dataset.load(0, ())
    keyframe = sample.keyframe
    said = np.arange(len(keyframe.points)) % 3
    gathered = Votes(0.2, np.zeros(3, dtype=np.bool_), 10.0)
    where = transform_points(keyframe.T_global_lidar, keyframe.points[:, :3])
    gathered.add(where, votes(*said) + votes(*[TRUCK] * len(said), loud=0.1), keyframe.stamp_ns)
    labels = {}
    for name, config in (("alone", alone), ("joined", joined)):
        labels[name] = pair_points(sample, config, consensus=gathered.count()).labels
        prepare_distillation(dataset, config, tmp_path, make_fabric(config))
    assert set(labels["alone"]) == {TRUCK, TRAILER, ROAD}
    expected = np.where(labels["alone"] == ROAD, ROAD, TRUCK)
    np.testing.assert_array_equal(labels["joined"], expected)
    # The votes are the same, what is learned from them is not.
    assert len(list(tmp_path.rglob("consensus-*"))) == 1
    assert len(list(tmp_path.rglob("label-counts-*"))) == 2


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["consensus={voxel_size_m: 1, object_gap_m: -1}"], "must be 0 m or more"),
        (["consensus.object_gap_m=0.5"], "no consensus whose votes an object could share"),
        (["consensus={voxel_size_m: 1, object_gap_m: 0.5, ground: [sea]}"], "no class is ground"),
    ],
)
def test_objects_that_cannot_be_told_apart_are_refused(tiny_clip, settings, said):
    with pytest.raises(ConfigError, match=said):
        make_config(tiny_clip, *settings)
