"""Options of `clip2scene evaluate` for zero-shot: seen and unseen classes, calibrated stacking."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from clip2scene_core.datasets import Sample
    from clip2scene_core.evaluation import Prediction, Report, ZeroShotScores
    from clip2scene_core.labels import SemanticClass
    from clip2scene_core.prompts.vocabulary import Vocabulary
    from clip2scene_core.zeroshot_splits import ZeroShotSplit


def add_zeroshot_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --unseen and --seen-penalty."""
    parser.add_argument(
        "--unseen",
        nargs="+",
        metavar="CLASS",
        help="also score unseen and seen classes apart: the names of the unseen ones, or a "
        "published choice: nuscenes, nuscenes_b12_n3, nuscenes_b10_n5, semantickitti, "
        "scannet_b15_n4, scannet_b12_n7, scannet_b10_n9",
    )
    parser.add_argument(
        "--seen-penalty",
        type=float,
        default=0.0,
        metavar="GAMMA",
        help="calibrated stacking: subtract this from the probabilities of the seen classes; mode "
        "lidar alone",
    )


def check_penalty(arguments: argparse.Namespace, modes: Sequence[str], is_finetuned: bool) -> None:
    """Refuse a penalty that nothing could be subtracted from.

    Args:
        arguments: Of the command.
        modes: What is compared.
        is_finetuned: Whether the weights are those of a fine-tuned network.

    Raises:
        ValueError: If the penalty is out of range, no class is unseen, or there is another mode.
    """
    if not 0 <= arguments.seen_penalty <= 1:
        raise ValueError(f"--seen-penalty must be in [0, 1], got {arguments.seen_penalty}")
    if not arguments.seen_penalty:
        return
    if arguments.unseen is None:
        raise ValueError("--seen-penalty is for seen classes; name the others with --unseen")
    if is_finetuned or list(modes) != ["lidar"]:
        raise ValueError("--seen-penalty is for a student in mode lidar; leave out other --modes")


def stacked_labeller(
    arguments: argparse.Namespace,
    vocabulary: Vocabulary,
    classes: Sequence[SemanticClass],
    groups: ZeroShotSplit,
) -> Callable[[Sample], Prediction]:
    """Make a labeller of the student alone that handicaps the seen classes; see `stack_scores`.

    Args:
        arguments: Of the command: weights, device and penalty.
        vocabulary: Labels, called as the classes are.
        classes: The classes of the data set.
        groups: Which of them are seen.
    """
    import numpy as np

    from clip2scene_core.checkpoint import load_checkpoint
    from clip2scene_core.evaluation import Prediction, class_of_label, stack_scores
    from clip2scene_core.inference.segmenter import Segmenter
    from clip2scene_core.labels import IGNORE_LABEL

    segmenter = Segmenter(load_checkpoint(arguments.weights), arguments.device)
    is_seen = np.isin(vocabulary.names, groups.seen([one.name for one in classes]))
    class_of = class_of_label(vocabulary.names, classes)

    def predict(sample: Sample) -> Prediction:
        keyframe = sample.keyframe
        finite = np.isfinite(keyframe.points).all(axis=1)
        labels = np.full(len(keyframe.points), IGNORE_LABEL, dtype=np.uint8)
        scores = np.zeros(len(keyframe.points), dtype=np.float32)
        probabilities = segmenter.probabilities(
            keyframe.points[finite], vocabulary, keyframe.T_base_lidar
        )
        stacked, scores[finite] = stack_scores(
            probabilities.float().cpu().numpy(), is_seen, arguments.seen_penalty
        )
        labels[finite] = class_of[stacked]
        return Prediction(labels, scores)

    return predict


def format_groups(
    reports: Mapping[str, Report], names: Sequence[str], groups: ZeroShotSplit, absent: str
) -> str:
    """Write the mean IoU of seen and unseen classes in percent, two lines a mode."""
    lines = [f"unseen classes: {', '.join(groups.unseen)}; mean IoU [%]"]
    for mode, scores in _score_modes(reports, names, groups, absent).items():
        lines.append(f"{mode}: {scores['all_points'].format_line()}")
        lines.append(f"{mode}, on the points of each group: {scores['masked'].format_line()}")
    return "\n".join(lines)


def record_groups(
    arguments: argparse.Namespace,
    reports: Mapping[str, Report],
    names: Sequence[str],
    groups: ZeroShotSplit,
) -> dict[str, Any]:
    """What the JSON of a report says of seen and unseen classes."""
    scores = _score_modes(reports, names, groups, arguments.absent)
    return {
        "unseen": list(groups.unseen),
        "ignored": list(groups.ignored),
        "seen_penalty": arguments.seen_penalty,
        "modes": {
            mode: {kind: values.to_dict() for kind, values in kinds.items()}
            for mode, kinds in scores.items()
        },
    }


def _score_modes(
    reports: Mapping[str, Report], names: Sequence[str], groups: ZeroShotSplit, absent: str
) -> dict[str, dict[str, ZeroShotScores]]:
    """Score every mode on all points, and on the points of each group alone ("masked")."""
    from clip2scene_core.evaluation import score_zeroshot

    return {
        mode: {
            "all_points": score_zeroshot(report.confusion, names, groups, absent),
            "masked": score_zeroshot(
                report.confusion, names, groups, absent, masks_ground_truth=True
            ),
        }
        for mode, report in reports.items()
    }
