import numpy as np
import pytest

from clip2scene_core.datasets import SemanticKittiDataset, write_label_file
from clip2scene_core.labels import IGNORE_LABEL


def test_written_labels_read_as_the_same_classes(tiny_kitti):
    labels = np.resize(np.array([*range(19), IGNORE_LABEL], dtype=np.uint8), 60)
    path = write_label_file(tiny_kitti / "out", "semantic-kitti-08-000001", labels)
    assert path == tiny_kitti / "out/sequences/08/predictions/000001.label"
    assert path.stat().st_size == 4 * 60
    raw = np.fromfile(path, dtype="<u4")
    # The ids that the evaluator's configuration gives the classes, in their order.
    ids = [10, 11, 15, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 70, 71, 72, 80, 81, 0]
    assert raw[:20].tolist() == ids
    path.replace(tiny_kitti / "sequences/08/labels/000001.label")
    dataset = SemanticKittiDataset(tiny_kitti, with_labels=True)
    np.testing.assert_array_equal(dataset[5].keyframe.labels, labels)


def test_other_labels_and_scans_are_refused(tmp_path):
    with pytest.raises(ValueError, match="must be 0 to 18 or 255, got 19"):
        write_label_file(tmp_path, "semantic-kitti-08-000001", np.array([3, 19], np.uint8))
    with pytest.raises(ValueError, match="'sample-0' is no scan of SemanticKITTI"):
        write_label_file(tmp_path, "sample-0", np.zeros(3, np.uint8))
