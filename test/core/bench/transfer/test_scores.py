"""What is counted on a real frame."""

import numpy as np

from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.real_frames import Box, RealFrame
from clip2scene_core.bench.transfer.scores import OWN_WORDS, count_frame
from clip2scene_core.labels import IGNORE_LABEL

VEHICLE, PERSON, FLAT = (GROUPS.index(name) for name in ("vehicle", "person or cycle", "flat"))
BOXES = (
    Box("car", np.zeros(3), np.array([4.0, 2.0, 2.0]), 0.0),
    Box("", np.array([10.0, 0.0, 0.0]), np.ones(3), 0.0),
)
# In the car twice, beside it by less than the margin, in the other box, and far away twice.
X = (0.0, 1.0, 2.2, 10.0, 30.0, 40.0)


def frame_of(groups, is_boxed_around=True) -> RealFrame:
    points = np.zeros((len(X), 4), np.float32)
    points[:, 0] = X
    return RealFrame("made up", points, groups, BOXES, is_boxed_around)


def test_points_in_boxes_and_false_movable_points():
    predicted = np.array([VEHICLE, PERSON, PERSON, VEHICLE, VEHICLE, FLAT], np.uint8)
    counts = count_frame(frame_of(None), OWN_WORDS, predicted)
    assert counts.in_boxes == ((2, 2, 1), (0, 0, 0), (0, 0, 0))
    assert counts.false_movable == (2, 1)
    assert counts.confusion == ()


def test_false_movable_points_need_a_box_around_everything_that_moves():
    predicted = np.full(len(X), VEHICLE, np.uint8)
    assert count_frame(frame_of(None, False), OWN_WORDS, predicted).false_movable == (0, 0)


def test_the_confusion_counts_true_by_predicted_and_no_label_last():
    groups = np.array([VEHICLE, VEHICLE, FLAT, FLAT, IGNORE_LABEL, FLAT], np.uint8)
    predicted = np.array([VEHICLE, FLAT, FLAT, IGNORE_LABEL, VEHICLE, FLAT], np.uint8)
    confusion = np.array(count_frame(frame_of(groups), OWN_WORDS, predicted).confusion)
    assert confusion.shape == (6, 7)
    assert confusion[VEHICLE, VEHICLE] == confusion[VEHICLE, FLAT] == 1
    assert (confusion[FLAT, FLAT], confusion[FLAT, 6]) == (2, 1)
    assert confusion.sum() == 5
