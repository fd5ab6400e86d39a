"""Write the result of the speed bench as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clip2scene_core.bench.markdown import format_table, format_times
from clip2scene_core.bench.speed.charts import OPS_PICTURE, SCALE_PICTURE, latency_picture
from clip2scene_core.bench.speed.feeding import FeedingResult
from clip2scene_core.bench.speed.latency import LatencyResult, VariantCost
from clip2scene_core.bench.speed.machine import MachineResult
from clip2scene_core.bench.speed.ops import OpsResult
from clip2scene_core.bench.speed.result import SpeedResult
from clip2scene_core.bench.speed.scale import ScaleResult
from clip2scene_core.bench.speed.train import TrainResult
from clip2scene_core.bench.speed.variants import AS_SHIPPED

QUICK_NOTE: Final = "- **A quick run: its ratios are rough, and its times say nothing.**"
READING: Final = (
    "Every sweep goes to all that is compared before the next one, in turns that rotate; no sweep "
    "comes twice, since a repeated one hides what new shapes cost. Numbers are medians with "
    "quartiles in brackets. Ratios are medians of the ratios of one sweep each. CPU is the time of "
    "all threads of the process: other work on the machine lengthens the wall's time by far more. "
    "With two threads or more, it counts the time in which they wait for each other. "
    "Compare ratios between machines, never times; times under load are of that load."
)
LATENCY_NOTE: Final = (
    "Each way has a process of its own, and all of them wait while one labels. `each point`: the "
    "network tells the points of a voxel apart. `norms not folded`: "
    "batch norms run after the convolutions. `torch products`: convolutions without "
    "compiled tiles. `torch operations`: nothing is compiled by numba. "
    "`allocator off`: freed memory goes back to the kernel. `kernel maps` are the pairs of all "
    "levels and the points on them; `map` is the map with carving. Memory is the most that the "
    "process had resident."
)
OPS_NOTE: Final = (
    "A submanifold 3x3x3 convolution; kernel maps are built before. `over dense`: CPU time over "
    "that of a dense product with as many multiplications and as few columns. `of the peak`: "
    "operations by CPU time, in percent of products of large square matrices between the same "
    "calls. `backward` computes both gradients: twice the work of `forward`. `spconv fp32` is the "
    "forward pass of spconv's CPU wheel, which computes in fp32, on the same sweeps."
)
TRAIN_NOTE: Final = (
    "Embeddings of every point against random targets, without loading, augmentation and teacher; "
    "batch norms as in training."
)
FEEDING_NOTE: Final = (
    "`cache`: the teacher's embeddings and the consensus are on disk, and images are not decoded. "
    "`live teacher`: images are cropped and mirrored, and CLIP embeds them at every step, as in "
    "the official code. `train` is a step as above. Nothing overlaps here: in a training a worker "
    "reads while another process trains."
)
SCALE_NOTE: Final = (
    "The exponent is the slope of a line through the logarithms of size and CPU time: 1 is linear. "
    "The last one is of the two largest sizes. Clouds are as dense as a sweep: sectors of one, or "
    "sweeps side by side; more than 300,000 points are labelled in parts. Sweeps at once are as "
    "many in all, so their time by the wall is what tells."
)


def format_result(result: SpeedResult) -> str:
    """Write a whole result as a Markdown document."""
    head = result.format_lines()
    if result.is_quick:
        head.append(QUICK_NOTE)
    sections = [
        "# Speed\n\n" + "\n".join(head),
        f"## How it was measured\n\n{READING}\n\n{format_machine(result.speeds)}",
    ]
    sections += [format_latency(one) for one in result.latency]
    if result.ops is not None:
        sections.append(format_ops(result.ops))
    if result.scale is not None:
        sections.append(format_scale(result.scale))
    if result.train is not None:
        sections.append(format_train(result.train))
    if result.feeding is not None:
        sections.append(format_feeding(result.feeding))
    sections.append(f"## Times\n\n{format_times(result)}")
    return "\n\n".join(sections) + "\n"


def format_machine(speeds: MachineResult) -> str:
    """Write what the machine could do."""
    return "\n".join(
        [
            f"- {speeds.cores} cores, {speeds.threads} torch threads, {_format_load(speeds.load)}",
            f"- matrix products: fp32 {speeds.gemm_fp32.format(0)}, bf16 "
            f"{speeds.gemm_bf16.format(0)} GFLOP/s",
            f"- copying memory: {speeds.bandwidth.format()} GB/s, read and written",
            f"- {', '.join(speeds.versions)}",
        ]
    )


def format_latency(latency: LatencyResult) -> str:
    """Write the stages of one student."""
    header, rows = _stage_rows(latency.variants)
    rows.append(("memory [MiB]", "", *(f"{one.peak_mib:.0f}" for one in latency.variants)))
    return "\n\n".join(
        [
            f"## A sweep, student {latency.student}",
            f"{latency.num_sweeps} sweeps: {latency.source}; {latency.points.format(0)} points, "
            f"{latency.voxels.format(0)} voxels; {_format_load(latency.load)} afterwards. The first"
            f" columns are {AS_SHIPPED}; the others are ratios to its CPU time.",
            LATENCY_NOTE,
            format_table(header, rows),
            f"![stages]({latency_picture(latency)})",
        ]
    )


def format_ops(ops: OpsResult) -> str:
    """Write all convolutions."""
    header = (
        "precision", "voxels", "pairs", "channels", "what", "wall [ms]", "CPU [ms]", "over dense",
        "of the peak [%]", "over forward",
    )  # fmt: skip
    rows = [
        (
            cost.precision,
            f"{cost.voxels}",
            f"{cost.pairs}",
            f"{cost.channels}",
            cost.what,
            cost.wall_ms.format(2),
            cost.cpu_ms.format(2),
            cost.dense_ratio.format(2),
            f"{100 * cost.peak_share:.0f}",
            cost.forward_ratio.format(2),
        )
        for cost in ops.costs
    ]
    peers = "\n".join(f"- {one.peer} is left out: {one.reason}" for one in ops.left_out)
    return "\n\n".join(
        [
            "## One convolution",
            f"{ops.num_sweeps} sweeps each: {ops.source}; {_format_load(ops.load)} afterwards.",
            OPS_NOTE,
            format_table(header, rows),
            *([peers] if peers else []),
            f"![share of the peak]({OPS_PICTURE})",
        ]
    )


def format_scale(scale: ScaleResult) -> str:
    """Write how cost grows."""
    rows = []
    for growth in scale.growths:
        for size, wall, cpu in zip(growth.sizes, growth.wall_ms, growth.cpu_ms, strict=True):
            rows.append((growth.quantity, f"{size:.0f}", wall.format(2), cpu.format(2)))
    exponents = [
        (one.quantity, one.work, f"{one.exponent:.2f}", f"{one.last_exponent:.2f}")
        for one in scale.growths
    ]
    return "\n\n".join(
        [
            "## How cost grows",
            f"Student {scale.student}; {scale.source}; {_format_load(scale.load)} afterwards.",
            SCALE_NOTE,
            format_table(("by", "what", "exponent", "last exponent"), exponents),
            format_table(("by", "size", "wall [ms]", "CPU [ms]"), rows),
            f"![cost of each one]({SCALE_PICTURE})",
        ]
    )


def format_train(train: TrainResult) -> str:
    """Write the stages of a step."""
    return "\n\n".join(
        [
            "## A step of training",
            f"Student {train.student}, {train.num_steps} steps of {train.sweeps_per_step} sweeps: "
            f"{train.source}; {_format_load(train.load)} afterwards. The first columns are "
            f"{train.variants[0].variant}; the others are ratios to its CPU time.",
            TRAIN_NOTE,
            format_table(*_stage_rows(train.variants)),
        ]
    )


def format_feeding(feeding: FeedingResult) -> str:
    """Write what comes before a step, and the step."""
    first = feeding.variants[0]
    per_second = 1e3 * feeding.keyframes_per_step / first.stages[-1].cpu_ms.median
    return "\n\n".join(
        [
            "## What feeds a step",
            f"Student {feeding.student}, CLIP {feeding.teacher}, {feeding.num_steps} steps of "
            f"{feeding.keyframes_per_step} keyframes with {feeding.images} images in all: "
            f"{feeding.source}; {_format_load(feeding.load)} afterwards. The first columns are "
            f"{first.variant}, {per_second:.1f} keyframes a second of the processor's time; the "
            f"others are ratios to its CPU time.",
            FEEDING_NOTE,
            format_table(*_stage_rows(feeding.variants)),
        ]
    )


def _stage_rows(
    variants: Sequence[VariantCost],
) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of a stage table: times of the first variant, ratios of the others."""
    header = ("stage", "wall [ms]", "CPU [ms]", *(one.variant for one in variants[1:]))
    rows: list[tuple[str, ...]] = []
    for number, stage in enumerate(variants[0].stages):
        others = [one.stages[number].cpu_ratio.format(2) for one in variants[1:]]
        rows.append((stage.stage, stage.wall_ms.format(), stage.cpu_ms.format(), *others))
    walls = [one.stages[-1].wall_ratio.format(2) for one in variants[1:]]
    rows.append(("all, by the wall", "", "", *walls))
    return header, rows


def _format_load(load: tuple[float, ...]) -> str:
    if not load:
        return "load not known"
    return "load " + ", ".join(f"{one:.1f}" for one in load)
