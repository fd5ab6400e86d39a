import numpy as np
import pytest

from clip2scene_core.datasets import DatasetError, JoinedDataset, NuScenesDataset, ScanNetDataset
from clip2scene_core.labels import NUSCENES_CLASSES


def test_keyframes_follow_each_other(tiny_nuscenes, other_nuscenes):
    parts = [NuScenesDataset(tiny_nuscenes), NuScenesDataset(other_nuscenes)]
    joined = JoinedDataset(parts)
    assert len(joined) == 4
    tokens = ["sample-0", "sample-1", "keyframe-0", "keyframe-1"]
    assert [joined.token(index) for index in range(4)] == tokens
    assert [joined[index].token for index in range(4)] == tokens
    assert [joined.load(index, ()).scene_token for index in range(4)] == (
        ["scene-a"] * 2 + ["scene-b"] * 2
    )
    assert [scene.token for scene in joined.scenes] == ["scene-a", "scene-b"]
    assert joined.scene_token(3) == "scene-b"
    moved, own = joined.load(2, ()).keyframe.points, joined.load(0, ()).keyframe.points
    np.testing.assert_array_equal(moved[:, 0], own[:, 0] + 1)
    assert [joined.num_previous(i, 5) for i in (1, 3)] == [p.num_previous(1, 5) for p in parts]
    assert not joined.with_labels


@pytest.mark.parametrize("index", [-1, 4])
def test_there_is_no_keyframe_beyond_the_last(tiny_nuscenes, other_nuscenes, index):
    joined = JoinedDataset([NuScenesDataset(tiny_nuscenes), NuScenesDataset(other_nuscenes)])
    with pytest.raises(IndexError, match=f"there are 4 keyframes, got the index {index}"):
        joined.token(index)


def test_a_scene_must_not_come_twice(tiny_nuscenes):
    twice = [NuScenesDataset(tiny_nuscenes), NuScenesDataset(tiny_nuscenes)]
    with pytest.raises(DatasetError, match=r"1 scenes are in two data sets.*scene-0001"):
        JoinedDataset(twice)


def test_labels_are_in_all_or_none(tiny_nuscenes, other_nuscenes):
    mixed = [NuScenesDataset(tiny_nuscenes), NuScenesDataset(other_nuscenes, with_labels=True)]
    with pytest.raises(DatasetError, match="with labels, or none"):
        JoinedDataset(mixed)
    with pytest.raises(ValueError, match="at least one data set"):
        JoinedDataset([])


def test_classes_are_those_of_all_data_sets(tiny_nuscenes, other_nuscenes):
    class OtherClasses(NuScenesDataset):
        classes = NUSCENES_CLASSES[:2]

    parts = [NuScenesDataset(tiny_nuscenes), NuScenesDataset(other_nuscenes)]
    assert JoinedDataset(parts).classes == NUSCENES_CLASSES
    assert JoinedDataset([parts[0], OtherClasses(other_nuscenes)]).classes == ()
    labelled = [
        NuScenesDataset(tiny_nuscenes, with_labels=True),
        OtherClasses(other_nuscenes, with_labels=True),
    ]
    with pytest.raises(DatasetError, match="labels of different classes"):
        JoinedDataset(labelled)


def test_clouds_with_and_without_colors_are_not_joined(tiny_nuscenes, tiny_scannet):
    with pytest.raises(DatasetError, match="no network reads both"):
        JoinedDataset([NuScenesDataset(tiny_nuscenes), ScanNetDataset(tiny_scannet)])
    assert len(JoinedDataset([ScanNetDataset(tiny_scannet)])) == 2
