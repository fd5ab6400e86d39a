"""Turn the results of stages into the numbers of the transfer bench."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.json_dataclass import from_json
from clip2scene_core.bench.measure.labeller import mode_of
from clip2scene_core.bench.measure.unknown import (
    PROBABILITY,
    PROBABILITY_AND_BACKGROUND,
    UnknownResult,
)
from clip2scene_core.bench.runs import StudentRun
from clip2scene_core.bench.stages import StageResult
from clip2scene_core.bench.statistics import (
    Measurement,
    SceneCounts,
    class_iou,
    compare,
    mean_iou,
    measure,
    measure_classes,
)
from clip2scene_core.bench.transfer.changes import CHANGES, NO_CHANGE
from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.plan import (
    change_stage,
    lidar_stage,
    picture_stage,
    real_stage,
    unknown_stage,
)
from clip2scene_core.bench.transfer.real_frames import KINDS
from clip2scene_core.bench.transfer.result import (
    BoxResult,
    ChangeResult,
    FalseMovableResult,
    LabelledFrameResult,
    LeftOutResult,
    LidarResult,
    TransferStudent,
)
from clip2scene_core.bench.transfer.scores import COARSE_WORDS, OWN_WORDS, FrameCounts
from clip2scene_core.bench.transfer.worlds import is_trained_in_varied_world, surfaces_twin
from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.world.dataset.splits import HELD_OUT_LIDARS

Results = Mapping[str, StageResult]
"""Results of stages by the names of the stages."""


def assemble_student(
    results: Results, runs: Sequence[StudentRun], lidar_worlds: Sequence[str], has_real: bool
) -> TransferStudent:
    """Give the numbers of one configuration.

    Args:
        results: Results of all stages.
        runs: Students of the configuration, one for each seed.
        lidar_worlds: Names of the data sets with one LiDAR model each.
        has_real: Whether real frames were measured.
    """
    first = runs[0]
    seeds = [
        [from_json(FrameCounts, one) for one in results[real_stage(run)].value]
        for run in (runs if has_real else ())
    ]
    unknown = [from_json(UnknownResult, results[unknown_stage(run)].value) for run in runs]
    return TransferStudent(
        name=first.group,
        digests=tuple(results[f"student-{run.name}"].value for run in runs),
        seeds=tuple(run.config.training.seed for run in runs),
        config=json.dumps(config_to_dict(first.config)),
        changes=_changes(results, runs),
        lidars=tuple(_lidar(results, runs, world) for world in lidar_worlds),
        left_out=_left_out(unknown),
        calibration_error=Measurement(tuple(one.calibration_error for one in unknown)),
        frames=_labelled_frames(seeds),
        boxes=_boxes(seeds),
        false_movable=_false_movable(seeds),
        pictures=tuple(results[picture_stage(first.group)].value) if has_real else (),
    )


def _counts(results: Results, stage: str, runs: Sequence[StudentRun]) -> SceneCounts:
    value = results[stage].value
    modes = [mode_of("lidar", number) for number in range(len(runs))]
    return SceneCounts.of_seeds([value[mode]["all"] for mode in modes])


def _changes(results: Results, runs: Sequence[StudentRun]) -> tuple[ChangeResult, ...]:
    counts = {
        change: _counts(results, change_stage(runs[0].group, change), runs) for change in CHANGES
    }
    base = counts[NO_CHANGE]
    return tuple(
        ChangeResult(
            change.name,
            measure(of_change),
            None if change is NO_CHANGE else compare(of_change, base),
        )
        for change, of_change in counts.items()
    )


def _lidar(results: Results, runs: Sequence[StudentRun], world: str) -> LidarResult:
    counts = _counts(results, lidar_stage(runs[0].group, world), runs)
    name, in_training = world.removeprefix("lidar-"), "unknown"
    if is_trained_in_varied_world(load_checkpoint(runs[0].weights).scene_tokens):
        in_training = "no" if name in HELD_OUT_LIDARS else "yes"
    others = _counts(results, lidar_stage(runs[0].group, surfaces_twin(world)), runs)
    return LidarResult(
        name,
        in_training,
        measure(counts),
        measure(others),
        compare(others, counts),
        measure_classes(counts),
    )


def _left_out(seeds: Sequence[UnknownResult]) -> tuple[LeftOutResult, ...]:
    """Put the scores of each class that was left out together, over the seeds."""
    by_rule = {
        rule: [[score for score in one.scores if score.rule == rule] for one in seeds]
        for rule in (PROBABILITY_AND_BACKGROUND, PROBABILITY)
    }
    of_words = zip(*by_rule[PROBABILITY], strict=True)
    of_segmenter = zip(*by_rule[PROBABILITY_AND_BACKGROUND], strict=True)
    return tuple(
        LeftOutResult(
            scores[0].left_out,
            scores[0].num_left_out,
            Measurement(tuple(one.auroc for one in scores)),
            Measurement(tuple(one.auroc for one in closed)),
            Measurement(tuple(one.risk_coverage.area for one in scores)),
            Measurement(tuple(one.risk_coverage.coverage_at_10 for one in scores)),
        )
        for scores, closed in zip(of_segmenter, of_words, strict=True)
    )


def _labelled_frames(seeds: Sequence[Sequence[FrameCounts]]) -> tuple[LabelledFrameResult, ...]:
    """Score each frame with labels and each set of words, over the seeds."""
    found = []
    for of_seeds in zip(*seeds, strict=True):
        first = of_seeds[0]
        if not first.confusion:
            continue
        counts: NDArray[np.int64] = np.array([one.confusion for one in of_seeds])
        hits = np.trace(counts[..., : len(GROUPS)], axis1=1, axis2=2)
        iou = class_iou(counts)
        found.append(
            LabelledFrameResult(
                first.frame,
                first.words,
                Measurement(tuple(mean_iou(counts).tolist())),
                Measurement(tuple((hits / counts.sum(axis=(1, 2))).tolist())),
                tuple(Measurement(tuple(iou[:, group].tolist())) for group in range(len(GROUPS))),
            )
        )
    return tuple(found)


def _boxes(seeds: Sequence[Sequence[FrameCounts]]) -> tuple[BoxResult, ...]:
    found = []
    for words in (OWN_WORDS, COARSE_WORDS) if seeds else ():
        # (seeds, kinds, 3): points, with a movable word, with the right one; over all frames.
        counts = np.array([_of_words(frames, words, "in_boxes") for frames in seeds]).sum(axis=1)
        for number, kind in enumerate(KINDS):
            points, movable, right = counts[:, number].T
            if points[0]:
                found.append(
                    BoxResult(
                        kind, words, int(points[0]),
                        Measurement(tuple((movable / points).tolist())),
                        Measurement(tuple((right / points).tolist())),
                    )
                )  # fmt: skip
    return tuple(found)


def _false_movable(seeds: Sequence[Sequence[FrameCounts]]) -> tuple[FalseMovableResult, ...]:
    found = []
    for words in (OWN_WORDS, COARSE_WORDS) if seeds else ():
        counts = np.array([_of_words(frames, words, "false_movable") for frames in seeds])
        points, movable = counts.sum(axis=1).T
        if points[0]:
            share = Measurement(tuple((movable / points).tolist()))
            found.append(FalseMovableResult(words, int(points[0]), share))
    return tuple(found)


def _of_words(frames: Sequence[FrameCounts], words: str, field: str) -> list[object]:
    return [getattr(one, field) for one in frames if one.words == words]
