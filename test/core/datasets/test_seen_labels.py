import numpy as np
import pytest

from clip2scene_core.datasets import (
    DatasetError,
    JoinedDataset,
    KeyframeDataset,
    NuScenesDataset,
    SeenLabelsDataset,
    SemanticKittiDataset,
)
from clip2scene_core.labels import IGNORE_LABEL, SemanticClass

CLASSES = tuple(SemanticClass(name, name, (0, 0, 0)) for name in ("terrain", "car", "bicycle"))
SEEN = ("car", "bicycle")


def expected_labels(labelled: KeyframeDataset, index: int) -> list[int]:
    """The labels of a keyframe in the order of CLASSES; those of SEEN alone."""
    names = [one.name for one in labelled.classes]
    labels = labelled[index].keyframe.labels
    found = ["" if label == IGNORE_LABEL else names[label] for label in labels]
    return [{"car": 1, "bicycle": 2}.get(name, IGNORE_LABEL) for name in found]


@pytest.fixture(params=["nuscenes", "semantic_kitti", "joined"])
def labelled(request) -> KeyframeDataset:
    if request.param == "semantic_kitti":
        return SemanticKittiDataset(request.getfixturevalue("tiny_kitti"), with_labels=True)
    first = NuScenesDataset(request.getfixturevalue("tiny_nuscenes"), with_labels=True)
    if request.param == "nuscenes":
        return first
    other = NuScenesDataset(request.getfixturevalue("other_nuscenes"), with_labels=True)
    return JoinedDataset([first, other])


def test_only_seen_labels_get_past_the_reader(labelled):
    seen = SeenLabelsDataset(labelled, CLASSES, SEEN)
    assert (seen.classes, seen.with_labels, seen.scenes) == (CLASSES, True, labelled.scenes)
    assert len(seen) == len(labelled)
    for index in range(len(seen)):
        before, after = labelled[index].keyframe, seen[index].keyframe
        assert after.labels.tolist() == expected_labels(labelled, index)
        assert {1, 2, IGNORE_LABEL} == set(after.labels.tolist())
        np.testing.assert_array_equal(after.points, before.points)
        assert seen.token(index) == labelled.token(index)
        assert seen.scene_token(index) == labelled.scene_token(index)
        assert seen.num_previous(index, 9) == labelled.num_previous(index, 9)
    assert seen.load(1, (1,)).sweeps[1].labels is None


def test_points_without_a_seen_label_can_be_removed(labelled):
    seen = SeenLabelsDataset(labelled, CLASSES, SEEN, drops_unlabelled=True)
    is_seen = np.array(expected_labels(labelled, 0)) != IGNORE_LABEL
    after = seen[0].keyframe
    np.testing.assert_array_equal(after.points, labelled[0].keyframe.points[is_seen])
    assert set(after.labels) == {1, 2}


def test_labels_are_needed(tiny_nuscenes):
    with pytest.raises(DatasetError, match="opened without labels"):
        SeenLabelsDataset(NuScenesDataset(tiny_nuscenes), CLASSES, SEEN)
    giraffe = (SemanticClass("giraffe", "giraffe", (0, 0, 0)),)
    with pytest.raises(DatasetError, match="giraffe should have labels"):
        SeenLabelsDataset(NuScenesDataset(tiny_nuscenes, with_labels=True), giraffe, ["giraffe"])
