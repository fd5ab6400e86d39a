"""Compare predictions with ground truth point by point: IoU and calibration.

Read `confusion` (counts and IoU), `calibration` (scores against accuracy), `score_fit` (which makes
them meet), `selective` (what scores are worth for keeping silent), `class_names` (labels to
classes), `report` (all results), `zeroshot` (seen and unseen classes apart), `compare` (evaluate a
labeller on a data set), then `agreement` (where nobody has labelled points).
"""

from clip2scene_core.evaluation.calibration import Calibration
from clip2scene_core.evaluation.class_names import NO_CLASS, are_classes, class_of_label
from clip2scene_core.evaluation.compare import (
    DEFAULT_RANGE_EDGES_M,
    EvaluationError,
    Prediction,
    evaluate,
    evaluate_together,
)
from clip2scene_core.evaluation.confusion import ABSENT_POLICIES, ConfusionMatrix
from clip2scene_core.evaluation.report import RangeBin, Report
from clip2scene_core.evaluation.zeroshot import ZeroShotScores, score_zeroshot, stack_scores

__all__ = [
    "ABSENT_POLICIES",
    "DEFAULT_RANGE_EDGES_M",
    "NO_CLASS",
    "Calibration",
    "ConfusionMatrix",
    "EvaluationError",
    "Prediction",
    "RangeBin",
    "Report",
    "ZeroShotScores",
    "are_classes",
    "class_of_label",
    "evaluate",
    "evaluate_together",
    "score_zeroshot",
    "stack_scores",
]
