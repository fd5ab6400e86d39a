"""Run the speed bench, one part after the other."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import torch

from clip2scene_core.bench.json_dataclass import from_json, to_json
from clip2scene_core.bench.provenance import describe_run, digest_of
from clip2scene_core.bench.speed.feeding import (
    FeedingResult,
    KeyframeSource,
    measure_feeding,
)
from clip2scene_core.bench.speed.latency import LatencyResult, measure_latency
from clip2scene_core.bench.speed.machine import MachineResult, measure_machine
from clip2scene_core.bench.speed.ops import OpsPlan, OpsResult, measure_ops
from clip2scene_core.bench.speed.result import SpeedResult
from clip2scene_core.bench.speed.scale import ScalePlan, ScaleResult, measure_scale
from clip2scene_core.bench.speed.sweeps import FULL_COLUMNS, SweepSource
from clip2scene_core.bench.speed.train import TrainResult, measure_train
from clip2scene_core.bench.stages import (
    BenchOptions,
    Stage,
    StageReport,
    WorkFolder,
    name_missing_value,
)
from clip2scene_core.checkpoint import SHIPPED

PARTS: Final = ("latency", "ops", "scale", "train")
RESULT_NAMES: Final = ("bench_speed.json", "bench_speed.md")
_QUICK_COLUMNS: Final = 271
_QUICK_OPS: Final = OpsPlan((0.1,), (16, 64), num_sweeps=5, warm_up=1, peak_side=256)
_STEPS: Final = (10, 2, 2)
_QUICK_STEPS: Final = (3, 1, 1)
"""Steps that count, sweeps in each, steps before."""
_FEEDS: Final = (6, 2, 1)
_QUICK_FEEDS: Final = (2, 1, 1)
"""Steps that count, keyframes in each, steps before; keyframes take seconds to render."""
_QUICK_SCALE: Final = ScalePlan(
    (2_000, 8_000, 32_000), (400, 100), (16, 64), (1, 100), (1, 4), repeats=3, pool=8
)


@dataclass(frozen=True)
class SpeedBenchOptions(BenchOptions):
    """What the speed bench measures, on the CPU; it takes torch's number of threads as it is.

    Attributes:
        parts: Some of PARTS.
        students: Students whose stages are measured; growth and training are the first one's.
        sweeps: A data set; None renders a drive.
        num_sweeps: Number of sweeps that each student labels in each way.
    """

    parts: tuple[str, ...]
    students: tuple[str, ...]
    sweeps: Path | None
    num_sweeps: int

    def __post_init__(self) -> None:
        if unknown := [part for part in self.parts if part not in PARTS]:
            raise ValueError(f"a speed bench has the parts {', '.join(PARTS)}, got {unknown}")
        names = [Path(student).stem for student in self.students]
        if not self.parts or not names or self.num_sweeps < 2:
            raise ValueError(
                f"a speed bench needs a part, a student and two sweeps, got {len(self.parts)}, "
                f"{len(names)} and {self.num_sweeps}"
            )
        if len(set(names)) < len(names):
            raise ValueError(
                f"a speed bench needs students with different names, got {', '.join(names)}"
            )


def run_speed_bench(options: SpeedBenchOptions, report: StageReport) -> SpeedResult:
    """Compute all numbers; parts that an earlier call computed are kept.

    Args:
        options: What to measure.
        report: Called after each part.

    Raises:
        BenchError: If the folder belongs to another setup or a part fails.
    """
    setup = {
        "parts": list(options.parts),
        "students": [_identify(student) for student in options.students],
        "sweeps": None if options.sweeps is None else str(options.sweeps.resolve()),
        "num_sweeps": options.num_sweeps,
        "threads": torch.get_num_threads(),
        "quick": options.is_quick,
    }
    stages = _stages(options)
    folder = WorkFolder(options.work, setup)
    # One after the other: two at a time would measure each other.
    results = folder.run(stages, 1, lambda result: report(result, len(stages)))
    with name_missing_value(options.work):
        values = {name: result.value for name, result in results.items()}
        return SpeedResult(
            **describe_run(options.command, options.is_quick, results.values()),
            speeds=from_json(MachineResult, values["machine"]),
            latency=tuple(
                from_json(LatencyResult, value)
                for name, value in values.items()
                if name.startswith("latency-")
            ),
            ops=from_json(OpsResult, values["ops"]) if "ops" in values else None,
            scale=from_json(ScaleResult, values["scale"]) if "scale" in values else None,
            train=from_json(TrainResult, values["train"]) if "train" in values else None,
            feeding=from_json(FeedingResult, values["feeding"]) if "feeding" in values else None,
        )


def _stages(options: SpeedBenchOptions) -> list[Stage]:
    quick = options.is_quick
    source = SweepSource(options.sweeps, _QUICK_COLUMNS if quick else FULL_COLUMNS)
    warm_up = 2 if quick else 5
    works: dict[str, Callable[[], Any]] = {"machine": partial(measure_machine, quick)}
    if "latency" in options.parts:
        works |= {
            f"latency-{Path(student).stem}": partial(
                measure_latency, student, source, options.num_sweeps, warm_up
            )
            for student in options.students
        }
    if "ops" in options.parts:
        works["ops"] = partial(measure_ops, source, _QUICK_OPS if quick else OpsPlan())
    if "scale" in options.parts:
        plan = _QUICK_SCALE if quick else ScalePlan()
        works["scale"] = partial(measure_scale, source, options.students[0], plan)
    if "train" in options.parts:
        sizes = _QUICK_STEPS if quick else _STEPS
        works["train"] = partial(measure_train, source, options.students[0], *sizes)
        sizes = _QUICK_FEEDS if quick else _FEEDS
        keyframes = KeyframeSource(options.sweeps, options.work, source.columns)
        works["feeding"] = partial(measure_feeding, keyframes, options.students[0], *sizes)
    return [Stage(name, partial(_as_json, work)) for name, work in works.items()]


def _as_json(work: Callable[[], Any]) -> Any:
    return to_json(work())


def _identify(student: str) -> str:
    """Give what decides the numbers of a student."""
    path = SHIPPED.get(student, Path(student))
    return digest_of(path) if path.is_file() else student
