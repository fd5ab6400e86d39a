"""Consensus of the cameras, computed by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from separable_samples import TEXT, SeparableSamples, make_config
from street_sweep import spin

from clip2scene_core.config.losses import SwitchingConfig
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.se3 import transform_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.consensus import Votes
from clip2scene_core.training.pretrain.data.consensus_cache import (
    ConsensusCache,
    fill_consensus,
)
from clip2scene_core.training.pretrain.data.paired_sample import pair_points, pair_sample
from clip2scene_core.training.pretrain.data.pixel_embeddings import (
    CachedTeacher,
    fill_cache,
)
from clip2scene_core.training.pretrain.pseudo_labels import (
    PseudoLabels,
    switch_labels,
    teacher_pseudo_labels,
)

NONE_MOVES = np.zeros(3, dtype=np.bool_)
BUS_MOVES = np.array([True, False, False])  # bus, road, tree


def test_a_voxel_is_what_its_pixels_say_on_the_mean():
    votes = Votes(1.0, NONE_MOVES, logit_scale=10.0)
    # Two lukewarm votes for class 1 and one for class 0 that outweighs them; then one for 2. In the
    # first grid voxels go from -0.25 to 0.75, in the second from 0.25 to 1.25 along every axis.
    lukewarm = cosines([0.1, 0.3, 0], [0.1, 0.2, 0])
    votes.add(np.array([[0.3, 0.3, 0.3], [0.4, 0.5, 0.6]]), lukewarm, 5)
    votes.add(np.array([[0.5, 0.5, 0.5]]), cosines([0.7, 0.1, 0]), 7)
    votes.add(np.array([[-0.3, 0.5, 0.5]]), cosines([0, 0, 0.5]), 7)
    consensus = votes.count()
    labels, confidences = consensus.label(
        np.array([[0.3, 0.3, 0.3], [-0.4, 0.4, 0.4], [1.5, 0.5, 0.5], [0.5, 0.5, -0.5]]), 6
    )
    assert labels.tolist() == [0, 2, IGNORE_LABEL, IGNORE_LABEL]
    # Means of the first voxel: 0.3, 0.2, 0; softmax at scale 10.
    wanted = np.exp(3) / (np.exp(3) + np.exp(2) + 1)
    alone = np.exp(5) / (np.exp(5) + 2)
    np.testing.assert_allclose(confidences, [wanted, alone, 0, 0], atol=2e-3)
    assert consensus.first_ns.tolist() == [7, 5, 7, 5]
    assert consensus.last_ns.tolist() == [7, 7, 7, 7]


def test_a_text_moves_if_its_class_does(tmp_path, tiny_nuscenes, tiny_clip):
    clip = load_clip(f"small:{tiny_clip}")
    dataset, cache = NuScenesDataset(tiny_nuscenes), TeacherCache(tmp_path, DenseClip(clip))
    fill_cache(cache, dataset, range(len(dataset)), lambda done, total: None)
    config = make_config(
        tiny_clip, "classes=[bus, road]", "prompts=[car | tree, road]",
        "consensus={voxel_size_m: 1.0, movable: [bus]}",
    )  # fmt: skip
    digests = KeyframeDigests(dataset)
    consensus = ConsensusCache(cache.folder, TEXT, 10.0, config, digests)
    teacher = CachedTeacher(cache, clip.embedding_size, digests)
    fill_consensus(consensus, dataset, teacher, 0, 1, lambda done, total: None)
    assert consensus.read(dataset.scene_token(0)).is_movable.tolist() == [True, True, False]


def test_both_grids_count_alike():
    votes = Votes(1.0, NONE_MOVES, logit_scale=10.0)
    votes.add(np.array([[0.5, 0.5, 0.5]]), cosines([0.6, 0, 0]), 0)
    votes.add(np.array([[0.0, 0.5, 0.5]] * 3), cosines(*[[0, 0.9, 0]] * 3), 0)
    consensus = votes.count()
    # At x = 0.5: with all four in the first grid, (0.15, 0.675); alone in the second, (0.6, 0).
    # At x = 0.0: with all four in the first grid; with its like in the second, (0, 0.9).
    # At x = 0.9: in the second grid only, (0.6, 0).
    places = np.array([[0.5, 0.5, 0.5], [0.0, 0.5, 0.5], [0.9, 0.5, 0.5]])
    labels, confidences = consensus.label(places, 0)
    assert labels.tolist() == [0, 1, 0]
    means = np.array([[0.375, 0.3375, 0], [0.075, 0.7875, 0], [0.6, 0, 0]])
    wanted = np.exp(10 * means).max(axis=1) / np.exp(10 * means).sum(axis=1)
    np.testing.assert_allclose(confidences, wanted, atol=5e-3)


def test_what_passes_by_leaves_no_trail():
    votes = Votes(1.0, BUS_MOVES, logit_scale=10.0)
    lane, kerb = np.array([[0.5, 0.5, 1.5]]), np.array([[5.5, 0.5, 0.5]])
    for stamp_ns in (10, 20):
        votes.add(lane, cosines([0.9, 0, 0]), stamp_ns)
        votes.add(kerb, cosines([0, 0.9, 0]), stamp_ns)
    consensus = votes.count()
    both = np.concatenate([lane, kerb])
    assert consensus.label(both, 15)[0].tolist() == [0, 1]
    assert consensus.label(both, 10)[0].tolist() == [0, 1]
    for stamp_ns in (9, 21):
        labels, confidences = consensus.label(both, stamp_ns)
        assert labels.tolist() == [IGNORE_LABEL, 1]
        assert confidences[0] == 0


def test_voxels_far_apart_do_not_meet():
    votes = Votes(0.5, NONE_MOVES, logit_scale=10.0)
    places = np.random.default_rng(0).choice(10**6, 500, replace=False)
    places = np.stack([places // 10**4, places // 100 % 100, places % 100], axis=1) * 2 - 99
    classes = np.arange(500) % 3
    votes.add(places * 0.5, np.eye(3, dtype=np.float32)[classes], 0)
    labels, _ = votes.count().label(places * 0.5 + 0.1, 0)
    assert labels.tolist() == classes.tolist()


def test_a_sequence_without_votes_labels_nothing():
    consensus = Votes(1.0, NONE_MOVES, 10.0).count()
    labels, confidences = consensus.label(np.zeros((2, 3)), 0)
    assert labels.tolist() == [IGNORE_LABEL] * 2
    assert confidences.tolist() == [0, 0]
    assert consensus.label(np.zeros((0, 3)), 0)[0].shape == (0,)


def cosines(*rows: list[float]) -> np.ndarray:
    return np.array(rows, dtype=np.float32)


@pytest.fixture
def tiny_consensus(tmp_path, tiny_nuscenes, tiny_clip):
    """Data set, config and the counted votes of both of its keyframes."""
    config = make_config(
        tiny_clip, "consensus.voxel_size_m=2.0", "sweeps.count=2", "sweeps.min_range_m=0"
    )
    dataset = NuScenesDataset(tiny_nuscenes)
    clip = load_clip(config.teacher.clip)
    kept = TeacherCache(tmp_path / "kept", DenseClip(clip))
    fill_cache(kept, dataset, range(2), lambda done, total: None)
    digests = KeyframeDigests(dataset)
    teacher = CachedTeacher(kept, clip.embedding_size, digests)
    cache = ConsensusCache(kept.folder, TEXT, 10.0, config, digests)
    done = []
    fill_consensus(cache, dataset, teacher, 0, 1, lambda *counts: done.append(counts))
    assert done == [(1, 1)]
    return dataset, config, teacher, cache


def test_every_sweep_is_named_through_its_pose(tiny_consensus):
    dataset, config, _, cache = tiny_consensus
    sample = dataset.load(1, [1])
    consensus = cache.read(sample.scene_token)
    paired = pair_sample(sample, config, np.random.default_rng(0), consensus=consensus)
    assert len(paired.labels) == sum(len(cloud) for cloud in paired.clouds)
    named = paired.labels != IGNORE_LABEL
    assert 0 < named.sum() < len(named)
    for number, sweep in enumerate(sample.sweeps):  # augmentation has turned the clouds since
        own = slice(48 * number, 48 * (number + 1))
        places = transform_points(sweep.T_global_lidar, sweep.points[:, :3])
        np.testing.assert_array_equal(
            paired.labels[own], consensus.label(places, sweep.stamp_ns)[0]
        )


@pytest.mark.parametrize("level", ["true", "false"])
def test_points_vote_where_the_lidar_measured_them(tmp_path, tiny_consensus, level, monkeypatch):
    dataset, config, teacher, _ = tiny_consensus
    sample = dataset.load(0, (), with_pixels=False)
    low = replace(sample, sweeps=(replace(sample.keyframe, points=spin(0.9)),))
    monkeypatch.setattr(dataset, "load", lambda *how, **more: low)
    config = override(config, [f"input.level={level}", "consensus.voxel_size_m=0.3"])
    cache = ConsensusCache(tmp_path / level, TEXT, 10.0, config, KeyframeDigests(dataset))
    cache.add(dataset, [0], teacher)
    paired = pair_points(low, config, consensus=cache.read("scene-a"))
    assert len(paired.point_index) > 100
    assert (paired.consensus_of_pairs != IGNORE_LABEL).all()


def test_another_keyframe_names_what_no_camera_sees_now(tmp_path, tiny_consensus):
    dataset, config, teacher, _ = tiny_consensus
    config = override(config, ["consensus={voxel_size_m: 9.0, movable: []}", "sweeps.count=1"])
    sample, num_named, digests = dataset.load(1, ()), [], KeyframeDigests(dataset)
    for number, keyframes in enumerate(([1], [0, 1])):
        cache = ConsensusCache(tmp_path / str(number), TEXT, 10.0, config, digests)
        cache.add(dataset, keyframes, teacher)
        consensus = cache.read("scene-a")
        paired = pair_sample(sample, config, np.random.default_rng(0), consensus=consensus)
        is_unseen = np.ones(48, dtype=np.bool_)
        is_unseen[paired.point_index] = False
        assert (paired.labels[~is_unseen] != IGNORE_LABEL).all()
        num_named.append(int((paired.labels[is_unseen] != IGNORE_LABEL).sum()))
    assert num_named[1] > num_named[0]


def test_a_count_is_kept_and_another_way_to_count_is_another(tmp_path, tiny_consensus):
    dataset, config, teacher, cache = tiny_consensus
    (path,) = (tmp_path / "kept").rglob("*.npz")
    digests = KeyframeDigests(dataset)
    before = path.stat().st_mtime_ns
    fill_consensus(cache, dataset, teacher, 0, 1, lambda done, total: None)
    assert path.stat().st_mtime_ns == before
    folder = path.parent.parent
    for other in ("consensus.voxel_size_m=1.0", "consensus.movable=[car]", "sweeps.max_range_m=9"):
        changed = override(config, [other])
        assert not ConsensusCache(folder, TEXT, 10.0, changed, digests).holds("scene-a")
    assert not ConsensusCache(folder, TEXT.flip(0), 10.0, config, digests).holds("scene-a")
    more_sweeps = override(config, ["sweeps.count=3"])
    assert ConsensusCache(folder, TEXT, 10.0, more_sweeps, digests).holds("scene-a")
    path.write_bytes(b"no numbers")
    with pytest.raises(ValueError, match="damaged consensus"):
        cache.read("scene-a")
    with pytest.raises(ValueError, match="asks for no consensus"):
        ConsensusCache(folder, TEXT, 10.0, override(config, ["consensus.voxel_size_m=0"]), digests)
    with pytest.raises(ConfigError, match="must be positive, or 0"):
        override(config, ["consensus.voxel_size_m=-1"])


def labelled_batch():
    """Six points, two pairs; consensus names points 0, 4 and 5, of which pair 0 is one."""
    sample, embeddings = SeparableSamples(1)[0, 0]
    batch = collate([(sample, embeddings)])
    labels = torch.tensor([1, IGNORE_LABEL, IGNORE_LABEL, IGNORE_LABEL, 2, 0])
    return type(batch)(
        points=batch.points[:6],
        batch_index=batch.batch_index[:6],
        point_index=torch.tensor([0, 2]),
        sample_index=torch.tensor([0, 0]),
        grid_index=torch.tensor([0, 0]),
        superpixel_index=torch.tensor([0, 0]),
        pixel_embeddings=TEXT[[0, 2]],
        labels=labels,
        confidences=torch.tensor([0.5, 0, 0, 0, 0.25, 0.75]),
    )


def test_consensus_goes_before_the_pixel_and_names_the_unseen():
    labels = teacher_pseudo_labels(labelled_batch(), TEXT, logit_scale=2.0)
    assert labels.pair_labels.tolist() == [1, 2]
    assert labels.unseen_index.tolist() == [4, 5]
    assert labels.unseen_labels.tolist() == [2, 0]
    of_pixel = np.exp(2) / (np.exp(2) + 2)
    np.testing.assert_allclose(labels.confidences, [0.5, of_pixel, 0.25, 0.75], atol=1e-6)


def test_the_student_names_who_has_no_other_name():
    batch = labelled_batch()
    by_teacher = PseudoLabels(
        torch.tensor([1, 2]), torch.tensor([4, 5]), torch.tensor([2, 0]),
        torch.tensor([0.5, 0.6, 0.25, 0.75]),
    )  # fmt: skip
    own, sure = torch.tensor([0, 1, 0, 1, 0, 1]), torch.arange(6) / 10
    for probability, pairs, pairs_sure in ((0.0, [1, 2], [0.5, 0.6]), (1.0, [0, 0], [0.0, 0.2])):
        config = SwitchingConfig("point", 0, probability, unseen_points=True)
        labels = switch_labels(by_teacher, own, sure, batch, config, torch.Generator())
        assert labels.pair_labels.tolist() == pairs
        assert labels.unseen_index.tolist() == [4, 5, 1, 3]
        assert labels.unseen_labels.tolist() == [2, 0, 1, 1]
        wanted = [*pairs_sure, 0.25, 0.75, 0.1, 0.3]
        np.testing.assert_allclose(labels.confidences, wanted, atol=1e-6)
    quiet = SwitchingConfig("point", 0, 0.0)
    labels = switch_labels(by_teacher, own, sure, batch, quiet, torch.Generator())
    assert labels.unseen_index.tolist() == [4, 5]
