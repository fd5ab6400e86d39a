import pytest
import torch
import torch.nn.functional as F

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.zeroshot import ZeroShotLossesConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import PretrainBatch
from clip2scene_core.training.zeroshot.data.batch import ZeroShotBatch
from clip2scene_core.training.zeroshot.labels import label_by_student, label_by_teacher
from clip2scene_core.training.zeroshot.thresholds import ClassThresholds

TEXT = torch.eye(4)
IS_UNSEEN = torch.tensor([False, False, True, True])
NONE = IGNORE_LABEL


def make_batch() -> ZeroShotBatch:
    """Six points; point 2 has two pixels, points 3 and 4 have a consensus, point 5 has nothing."""
    pixels = torch.tensor(
        [
            [0.0, 0, 0, 1],  # point 0
            [0.9, 0, 0.2, 0.4],  # point 1: most like the seen class 0, then like 3
            [0.0, 0, 1, 0],  # point 2
            [0.0, 0, 0.5, 0.9],  # point 2
            [0.0, 0, 0, 1],  # point 3
        ]
    )
    count = torch.zeros(5, dtype=torch.int64)
    pairs = PretrainBatch(
        points=torch.zeros(6, 4),
        batch_index=torch.zeros(6, dtype=torch.int64),
        point_index=torch.tensor([0, 1, 2, 2, 3]),
        sample_index=count,
        grid_index=count,
        superpixel_index=count,
        pixel_embeddings=F.normalize(pixels, dim=1),
        labels=torch.tensor([NONE, NONE, NONE, 2, 3, NONE]),
        confidences=torch.tensor([0, 0, 0, 0.9, 0.3, 0]),
    )
    true_labels = torch.tensor([1, NONE, NONE, NONE, NONE, NONE])
    return ZeroShotBatch(pairs, true_labels, count, torch.zeros(1, 4))


def test_clip_names_unseen_classes_where_no_label_is_seen():
    losses = ZeroShotLossesConfig(min_confidence=0.0)
    found = label_by_teacher(make_batch(), TEXT, IS_UNSEEN, 10.0, losses)
    assert found.labels.tolist() == [1, 3, 2, 2, 3, NONE]
    assert found.is_pseudo.tolist() == [False, True, True, True, True, False]


def test_unsure_pseudo_labels_are_left_out():
    losses = ZeroShotLossesConfig(min_confidence=0.5)
    found = label_by_teacher(make_batch(), TEXT, IS_UNSEEN, 10.0, losses)
    assert found.labels.tolist() == [1, 3, 2, 2, NONE, NONE]


def test_pseudo_labels_can_be_removed():
    losses = ZeroShotLossesConfig(pseudo_weight=0.0)
    found = label_by_teacher(make_batch(), TEXT, IS_UNSEEN, 10.0, losses)
    assert found.labels.tolist() == [1, NONE, NONE, NONE, NONE, NONE]
    assert not found.is_pseudo.any()


@pytest.mark.parametrize(
    ("class_weights", "expected"),
    [
        (None, [1, NONE, 3, 2, 3, NONE]),
        # Class 2 never occurred, so nothing is named so, and of class 3 all points are as sure.
        (torch.tensor([1.0, 1.0, 0.0, 2.0]), [1, 3, 3, 3, 3, 3]),
        (torch.tensor([1.0, 1.0, 0.0, 0.0]), [1, NONE, NONE, NONE, NONE, NONE]),
    ],
)
def test_the_student_names_what_it_is_surest_of(class_weights, expected):
    embeddings = torch.tensor(
        [[0, 0, 0, 1], [0.9, 0, 0.1, 0.2], [0, 0, 0, 1], [0, 0, 1, 0.5], [0, 0, 0, 1], [1, 0, 0, 0]]
    )
    losses = ZeroShotLossesConfig(temperature=0.5)
    thresholds = ClassThresholds(4, keep=0.5, decay=0.0, fabric=make_fabric(PretrainConfig()))
    batch = make_batch()
    found = label_by_student(
        batch, F.normalize(embeddings, dim=1), TEXT, IS_UNSEEN, class_weights, thresholds, losses
    )
    assert found.labels.tolist() == expected
    assert (found.labels != batch.true_labels).tolist() == found.is_pseudo.tolist()


def test_clip_names_the_points_of_which_the_student_is_not_sure():
    losses = ZeroShotLossesConfig(temperature=0.5, min_confidence=0.0)
    batch = make_batch()
    by_clip = label_by_teacher(batch, TEXT, IS_UNSEEN, 10.0, losses)
    embeddings = F.normalize(torch.tensor([[0.0, 0, 1, a] for a in (0, 0, 0.1, 0.2, 0.8, 0.9)]))

    def label(unsure):
        thresholds = ClassThresholds(4, keep=0.5, decay=0.0, fabric=make_fabric(PretrainConfig()))
        return label_by_student(
            batch, embeddings, TEXT, IS_UNSEEN, None, thresholds, losses, unsure
        )

    assert label(None).labels.tolist() == [1, 2, 2, 2, NONE, NONE]
    both = label(by_clip)
    assert both.labels.tolist() == [
        1,
        2,
        2,
        2,
        3,
        NONE,
    ]  # 3 is CLIP's; it knows nothing of the last
    assert both.is_pseudo.tolist() == [False, True, True, True, True, False]
    # A student that was never taught an unseen class leaves all to CLIP.
    thresholds = ClassThresholds(4, keep=0.5, decay=0.0, fabric=make_fabric(PretrainConfig()))
    weights = torch.tensor([1.0, 1, 0, 0])
    found = label_by_student(
        batch, embeddings, TEXT, IS_UNSEEN, weights, thresholds, losses, by_clip
    )
    assert found.labels.tolist() == by_clip.labels.tolist()
