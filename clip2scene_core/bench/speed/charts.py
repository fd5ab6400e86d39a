"""Bars of the speed bench: where time goes, how near the peak products are, how cost grows."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from PIL import Image

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.bench.speed.latency import LatencyResult
from clip2scene_core.bench.speed.ops import DIRECTIONS, OpsResult
from clip2scene_core.bench.speed.result import SpeedResult
from clip2scene_core.bench.speed.scale import AT_ONCE, ScaleResult
from clip2scene_core.visualization.charts import draw_bars

OPS_PICTURE: Final = "bench_speed_ops.png"
SCALE_PICTURE: Final = "bench_speed_scale.png"


def latency_picture(latency: LatencyResult) -> str:
    """Name of the picture of a student's stages."""
    return f"bench_speed_{Path(latency.student).stem}.png"


def save_pictures(result: SpeedResult, folder: Path) -> None:
    """Write a picture for each student, one of the convolutions, and one of the growth."""
    pictures = {latency_picture(one): _draw_latency(one) for one in result.latency}
    if result.ops is not None:
        pictures[OPS_PICTURE] = _draw_ops(result.ops)
    if result.scale is not None:
        pictures[SCALE_PICTURE] = _draw_scale(result.scale)
    for name, picture in pictures.items():
        with atomic_write(folder / name) as draft:
            picture.save(draft, format="PNG")


def _draw_latency(latency: LatencyResult) -> Image.Image:
    """Stages in percent of the whole time of the slowest way."""
    slowest = max(variant.stages[-1].cpu_ms.median for variant in latency.variants)
    return draw_bars(
        f"student {latency.student}: processor's time, % of the slowest way's whole sweep",
        [stage.stage for stage in latency.variants[0].stages],
        {
            variant.variant: [stage.cpu_ms.median / slowest for stage in variant.stages]
            for variant in latency.variants
        },
    )


def _draw_ops(ops: OpsResult) -> Image.Image:
    """Shares of the peak; more than all of it is drawn as all."""
    series: dict[str, list[float | None]] = {}
    cases = list(dict.fromkeys((cost.voxels, cost.channels) for cost in ops.costs))
    for precision in dict.fromkeys(cost.precision for cost in ops.costs):
        for what in DIRECTIONS:
            shares = {
                (cost.voxels, cost.channels): min(cost.peak_share, 1.0)
                for cost in ops.costs
                if (cost.precision, cost.what) == (precision, what)
            }
            series[f"{precision} {what}"] = [shares.get(case) for case in cases]
    rows = [f"{voxels} voxels, {channels} channels" for voxels, channels in cases]
    return draw_bars("3x3x3 convolution, % of the peak of dense products", rows, series)


def _draw_scale(scale: ScaleResult) -> Image.Image:
    """Cost of one point, voxel and so on at each size; bars of a linear cost have one length."""
    rows: list[str] = []
    shares: list[float] = []
    for growth in scale.growths:
        if growth.quantity == AT_ONCE:  # they are the same sweeps, however many are at once
            continue
        each = [ms.median / size for ms, size in zip(growth.cpu_ms, growth.sizes, strict=True)]
        rows += [f"{size:.0f} {growth.quantity}" for size in growth.sizes]
        shares += [one / max(each) for one in each]
    title = "processor's time for each one, % of the dearest"
    return draw_bars(title, rows, {"time / size": shares})
