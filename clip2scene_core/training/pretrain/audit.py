"""How right the labels are that pre-training would learn from."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import AugmentationConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.evaluation import Prediction, Report, class_of_label, evaluate_together
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import Sample
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.paired_sample import is_in_range
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.pseudo_labels import teacher_pseudo_labels


def audit_labels(
    labelled: NuScenesDataset,
    unlabelled: NuScenesDataset,
    config: PretrainConfig,
    folder: Path,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> Report:
    """Compare a teacher's labels of keyframes with the truth; no part of pre-training.

    Points without a label, out of range or since no camera sees them and no consensus has them, are
    wrong.

    Args:
        labelled: The truth.
        unlabelled: The same keyframes, opened without labels: what the teacher looks at.
        config: Of the pre-training in question.
        folder: Where the teacher's embeddings stay.
        report_teacher: Called after each keyframe that the teacher embedded, with how many are done
            and how many there are.
        report: Called after each keyframe that was compared, likewise.

    Raises:
        EvaluationError: If `labelled` is empty or has no labels.
    """
    config = replace(
        config,
        augmentation=AugmentationConfig(cloud=False),
        sweeps=replace(config.sweeps, count=1),
        losses=replace(config.losses, class_balance=False, contrastive="none"),
    )
    teaching = prepare_distillation(unlabelled, config, folder, make_fabric(config), report_teacher)
    classes = class_of_label(teaching.vocabulary.names)
    index_of = {unlabelled.token(index): index for index in range(len(unlabelled))}

    def predict(sample: Sample) -> dict[str, Prediction]:
        batch = collate([teaching.samples[0, index_of[sample.token]]])
        named = teacher_pseudo_labels(batch, teaching.vocabulary.embeddings, teaching.logit_scale)
        points = sample.keyframe.points
        rows = np.flatnonzero(is_in_range(points, config.sweeps))
        labels: NDArray[np.uint8] = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        labels[rows[batch.point_index.numpy()]] = classes[named.of_pairs.numpy()]
        labels[rows[named.unseen.numpy()]] = classes[named.of_unseen.numpy()]
        return {"": Prediction(labels)}

    return evaluate_together(predict, labelled, report)[""]
