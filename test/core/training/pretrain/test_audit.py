"""Pseudo labels of pre-training against ground truth."""

import numpy as np
from separable_samples import make_config

from clip2scene_core.config.parser import override
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.training.pretrain.audit import audit_labels

NAMES = "classes=[car, driveable surface, vegetation]"  # of the words car, road and tree


def test_points_without_a_pseudo_label_are_misses(tmp_path, tiny_nuscenes, tiny_clip):
    labelled = NuScenesDataset(tiny_nuscenes, with_labels=True)
    unlabelled = NuScenesDataset(tiny_nuscenes)
    config = make_config(tiny_clip, NAMES, "sweeps.min_range_m=0")
    named = {}
    for voxel_size_m in (0, 4):
        voting = override(config, [f"consensus={{voxel_size_m: {voxel_size_m}, movable: []}}"])
        report = audit_labels(labelled, unlabelled, voting, tmp_path / "cache")
        named[voxel_size_m] = [
            part.counts[:, : len(NUSCENES_CLASSES)].sum() / part.counts.sum()
            for part in (report.seen, report.unseen)
        ]
    assert named[0] == [1, 0]  # every point in view by its pixel, and no other
    assert named[4][0] == 1
    assert 0 < named[4][1] < 1


def test_a_class_is_the_union_of_its_texts(tmp_path, tiny_nuscenes, tiny_clip):
    labelled = NuScenesDataset(tiny_nuscenes, with_labels=True)
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    counts = [
        audit_labels(
            labelled,
            NuScenesDataset(tiny_nuscenes),
            override(config, [f"classes={classes}", f"prompts={prompts}", voting]),
            tmp_path / "cache",
        ).confusion.counts
        for voting in ("consensus.voxel_size_m=0", "consensus.voxel_size_m=4")
        for classes, prompts in (
            ("[car, driveable surface, vegetation]", "[car, road, tree]"),
            ("[car, driveable surface]", "[car | tree, road]"),
        )
    ]
    car, vegetation = 3, 15
    for apart, together in (counts[:2], counts[2:]):
        assert apart[:, vegetation].sum() > 0
        assert together[:, vegetation].sum() == 0
        expected = apart[:, car] + apart[:, vegetation]
        if apart is counts[0]:
            np.testing.assert_array_equal(together[:, car], expected)
        else:  # a tree that is called a car can move: it is not believed where no camera sees it
            assert (together[:, car] <= expected).all()
            assert together[:, car].sum() > 0


def test_labels_are_those_of_the_teacher(tmp_path, tiny_nuscenes, tiny_clip):
    labelled = NuScenesDataset(tiny_nuscenes, with_labels=True)
    unlabelled = NuScenesDataset(tiny_nuscenes)
    config = make_config(tiny_clip, NAMES, "sweeps.max_range_m=20", "prompts=[car, car, car]")
    report = audit_labels(labelled, unlabelled, config, tmp_path / "cache")
    predicted = report.confusion.counts.sum(axis=0)
    assert set(np.flatnonzero(predicted[:-1])) <= {3}  # of equal prompts the first: car
    assert report.ranges[2].confusion.counts[:, 3].sum() == 0  # 20 to 30 m: not in range
    assert predicted[3] > 0
