"""Records of the speed bench, and the JSON file that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.provenance import Provenance
from clip2scene_core.bench.speed.feeding import FeedingResult
from clip2scene_core.bench.speed.latency import ALL_STAGES, LatencyResult
from clip2scene_core.bench.speed.machine import MachineResult
from clip2scene_core.bench.speed.ops import OpsResult
from clip2scene_core.bench.speed.scale import ScaleResult
from clip2scene_core.bench.speed.train import TrainResult


@dataclass(frozen=True)
class SpeedResult(Provenance):
    """All numbers of the speed bench.

    Attributes:
        speeds: What the machine could do when the bench began.
        latency: Labelling with each student; () if that part did not run.
        ops: Single convolutions; None if that part did not run.
        scale: Growth of cost; None if that part did not run.
        train: Steps of training; None if that part did not run.
        feeding: Loading and teacher before such a step; None if that part did not run.
    """

    speeds: MachineResult
    latency: tuple[LatencyResult, ...]
    ops: OpsResult | None
    scale: ScaleResult | None
    train: TrainResult | None
    feeding: FeedingResult | None

    def key_ratios(self) -> dict[str, float]:
        """Give medians of ratios of processor's time, by what they compare.

        They hold on other machines and under load, within wide margins; no time does.
        """
        found = {}
        for one in self.latency:
            for variant in one.variants[1:]:
                cost = variant.cost_of(ALL_STAGES)
                found[f"latency {one.student}: {variant.variant}"] = cost.cpu_ratio.median
            shipped, whole = one.variants[0], one.variants[0].cost_of(ALL_STAGES).cpu_ms.median
            for part in shipped.stages[:-1]:
                share = part.cpu_ms.median / whole
                found[f"latency {one.student}: share of {part.stage}"] = share
        for op in self.ops.costs if self.ops else ():
            if op.what == "backward":
                name = f"ops {op.precision}, {op.channels} channels: backward"
                found.setdefault(name, op.forward_ratio.median)
        for growth in self.scale.growths if self.scale else ():
            found[f"scale {growth.quantity}: exponent"] = growth.exponent
        for way in self.train.variants[1:] if self.train else ():
            found[f"train: {way.variant}"] = way.cost_of(ALL_STAGES).cpu_ratio.median
        for way in self.feeding.variants[1:] if self.feeding else ():
            found[f"train from {way.variant}"] = way.cost_of(ALL_STAGES).cpu_ratio.median
        return found


_FILE: Final = RecordFile("clip2scene-bench-speed-1", lambda values: SpeedResult)
save_result, load_result = _FILE.save, _FILE.load
