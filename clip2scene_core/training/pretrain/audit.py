"""Audit: compares the pseudo labels of pre-training with ground truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.evaluation import Prediction, Report, class_of_label, evaluate_together
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import Sample
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.paired_sample import is_in_range
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.pseudo_labels import teacher_pseudo_labels
from clip2scene_core.training.pretrained import Pretrained, check_voter


def audit_labels(
    labelled: KeyframeDataset,
    unlabelled: KeyframeDataset,
    config: PretrainConfig,
    folder: Path,
    report_teacher: Callable[[int, int], None] = lambda done, total: None,
    report: Callable[[int, int], None] = lambda done, total: None,
    voter: Pretrained | None = None,
) -> Report:
    """Evaluate the teacher's pseudo labels against ground truth. Pre-training does not use this.

    A point without a pseudo label counts as wrong. A point has none if it is out of range, or if no
    camera sees it and it has no consensus.

    Args:
        labelled: Ground truth: keyframes, opened with labels.
        unlabelled: The same keyframes for the teacher, opened without labels.
        config: Configuration of the pre-training.
        folder: Folder for the teacher's embeddings.
        report_teacher: Called after each keyframe that the teacher embedded, with the number of
            keyframes done and in total.
        report: Called after each keyframe that was compared, with the same numbers.
        voter: The student that votes beside the cameras; see `ConsensusConfig.student_weight`.

    Raises:
        EvaluationError: If `labelled` is empty or has no labels.
        ValueError: If the configuration's classes are not the data set's, or a student is
            to vote and there is none, is not to vote and there is one, or another CLIP taught it.
    """
    config = replace(
        config,
        augmentation=AugmentationConfig(cloud=False),
        sweeps=replace(config.sweeps, count=1),
        losses=replace(config.losses, class_balance=False, contrastive="none"),
        training=replace(config.training, epochs=1),
    )
    fabric = make_fabric(config)
    check_voter(voter, config.consensus)
    data = prepare_distillation(unlabelled, config, folder, fabric, report_teacher, voter=voter)
    classes = class_of_label(data.vocabulary.names, labelled.classes)
    class_of_text = classes[data.vocabulary.label_of_text.numpy()]
    index_of = {unlabelled.token(index): index for index in range(len(unlabelled))}

    def predict(sample: Sample) -> dict[str, Prediction]:
        batch = collate([data.samples[0, index_of[sample.token]]])
        pseudo = teacher_pseudo_labels(batch, data.vocabulary.embeddings, data.logit_scale)
        points = sample.keyframe.points
        rows = np.flatnonzero(is_in_range(points, config.sweeps))
        labels: NDArray[np.uint8] = np.full(len(points), IGNORE_LABEL, dtype=np.uint8)
        labels[rows[batch.point_index.numpy()]] = class_of_text[pseudo.pair_labels.numpy()]
        labels[rows[pseudo.unseen_index.numpy()]] = class_of_text[pseudo.unseen_labels.numpy()]
        return {"": Prediction(labels)}

    return evaluate_together(predict, labelled, report)[""]
