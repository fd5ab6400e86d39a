"""Turn the results of stages into the table of augmentations."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.bench.augmentations.result import (
    AugmentationRow,
    AugmentationTable,
    RealScore,
    SensorScore,
)
from clip2scene_core.bench.augmentations.rows import ALL, amount_of, reference_of
from clip2scene_core.bench.augmentations.run import AugmentationBenchOptions
from clip2scene_core.bench.augmentations.scores import SETS
from clip2scene_core.bench.augmentations.worlds import STREET
from clip2scene_core.bench.json_dataclass import from_json
from clip2scene_core.bench.measure.clip_scores import clip_digest
from clip2scene_core.bench.provenance import describe_run
from clip2scene_core.bench.results import SplitSize
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import StageResult, name_missing_value
from clip2scene_core.bench.statistics import Measurement, SceneCounts, compare, measure
from clip2scene_core.bench.tables.result import TableProvenance
from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.real_frames import KINDS
from clip2scene_core.bench.transfer.scores import COARSE_WORDS, FrameCounts
from clip2scene_core.config.parser import config_to_dict

Results = Mapping[str, StageResult]


def assemble_table(options: AugmentationBenchOptions, results: Results) -> AugmentationTable:
    """Make the table.

    Raises:
        BenchError: If a kept stage lacks a value, because other code computed it.
    """
    with name_missing_value(options.work):
        groups = groups_of(options.runs)
        counts = {name: _counts(results, runs) for name, runs in groups.items()}
        rows = tuple(
            AugmentationRow(
                name=name,
                amount=amount_of(name, options.base),
                scores=_scores(counts, name),
                real=_real(results, runs) if options.real is not None else None,
                train_seconds=sum(_of(results, "train", r).seconds for r in runs) / len(runs),
            )
            for name, runs in groups.items()
        )
        return AugmentationTable(_provenance(options, results), rows)


def _of(results: Results, stage: str, run: StudentRun) -> StageResult:
    return results[f"{stage}-{run.name}"]


def _counts(results: Results, runs: Sequence[StudentRun]) -> dict[str, SceneCounts]:
    """Counts of a row on each of SETS, over its seeds."""
    values = [_of(results, "score", run).value for run in runs]
    return {name: SceneCounts.of_seeds([value[name] for value in values]) for name in SETS}


def _scores(counts: Mapping[str, Mapping[str, SceneCounts]], row: str) -> tuple[SensorScore, ...]:
    reference = counts[reference_of(row)]
    return tuple(
        SensorScore(name, measure(own), None if row == ALL else compare(own, reference[name]))
        for name, own in counts[row].items()
    )


def _real(results: Results, runs: Sequence[StudentRun]) -> RealScore:
    """Score real frames by the words for six groups, over the seeds."""
    counts = [[from_json(FrameCounts, v) for v in _of(results, "real", r).value] for r in runs]
    seeds = ([frame for frame in seed if frame.words == COARSE_WORDS] for seed in counts)
    right, vehicles, people = zip(*map(_shares, seeds), strict=True)
    return RealScore(Measurement(right), Measurement(vehicles), Measurement(people))


def _shares(frames: Sequence[FrameCounts]) -> tuple[float, float, float]:
    """Shares of one student over all frames; NaN where there is no point."""
    confusion = sum(
        (np.array(one.confusion) for one in frames if one.confusion),
        np.zeros((len(GROUPS), len(GROUPS) + 1), dtype=np.int64),
    )
    boxes: NDArray[np.int64] = np.sum([one.in_boxes for one in frames], axis=0)
    of_kind = dict(zip(KINDS, boxes, strict=True))
    vehicles = of_kind["car"] + of_kind["other vehicle"]
    return (
        _share(np.trace(confusion[:, : len(GROUPS)]), confusion.sum()),
        _share(vehicles[2], vehicles[0]),
        _share(of_kind["person"][2], of_kind["person"][0]),
    )


def _share(part: int, whole: int) -> float:
    return float(part) / float(whole) if whole else float("nan")


def _provenance(options: AugmentationBenchOptions, results: Results) -> TableProvenance:
    parts = []
    for name, scenes in {"train": options.train, STREET: Scenes(options.work / STREET)}.items():
        dataset = scenes.open(with_images=False)
        parts.append(SplitSize(name, len(dataset.scenes), len(dataset)))
    return TableProvenance(
        **describe_run(options.command, options.is_quick, results.values()),
        is_synthetic=True,
        parts=tuple(parts),
        measured_on="tune",
        seeds=tuple(range(options.num_seeds)),
        config=json.dumps(config_to_dict(options.base)),
        clip=clip_digest(options.base.teacher),
    )
