"""`clip2scene bench world`: measure students and references; and the parser of all benches."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clip2scene_ros.cli.measure import bench_tables
from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    bench_options,
    num_seeds,
    progress_bar,
)

if TYPE_CHECKING:
    from clip2scene_core.bench.runs import StudentRun

SUMMARY = "measure students and their references, or compute the paper's tables"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    world = benchmarks.add_parser("world", help="students and references on the synthetic world")
    _add_world_arguments(world)
    for name, summary in bench_tables.SUMMARIES.items():
        table = benchmarks.add_parser(name, help=summary, description=summary)
        bench_tables.add_arguments(table, name)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.benchmark == "world":
        _run_world(arguments)
    else:
        bench_tables.run(arguments)


def _add_world_arguments(parser: argparse.ArgumentParser) -> None:
    add_bench_arguments(parser, quick_seeds=3, quick="seconds")
    parser.add_argument(
        "--configs",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="configurations to train; by default that of the shipped student",
    )
    parser.add_argument(
        "--students",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure these checkpoints, or small, in place of training",
    )
    parser.add_argument(
        "--update-cards",
        action="store_true",
        help="write the numbers into the cards of the models that ship",
    )


def _run_world(arguments: argparse.Namespace) -> None:
    from clip2scene_core.bench.world.cards import update_shipped
    from clip2scene_core.bench.world.report import format_result
    from clip2scene_core.bench.world.result import load_result, save_result
    from clip2scene_core.bench.world.run import RESULT_NAMES, WorldBenchOptions, run_world_bench
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_cards:
        raise ValueError("--quick measures nothing that a card could hold")
    use_threads(1)
    options = WorldBenchOptions(
        **bench_options(arguments, _words(arguments)), runs=tuple(_runs(arguments))
    )
    print("This looks at the test split. Tune nothing by what it says.")
    with progress_bar() as reports:
        result = run_world_bench(options, *reports)
    json_path, markdown_path = (arguments.work / name for name in RESULT_NAMES)
    save_result(json_path, result)
    result = load_result(json_path)  # rounded, so that both files say the same
    markdown_path.write_text(format_result(result))
    if arguments.update_cards:
        update_shipped(result, arguments.work / "pictures")
    for student in result.students:
        for score in student.scores:
            print(f"{student.name}, {score.labeller}: mean IoU {score.mean_iou.format()} %")
    print(f"numbers: {markdown_path} and {json_path}")


def _runs(arguments: argparse.Namespace) -> list[StudentRun]:
    from clip2scene_core.bench.runs import given_runs, trained_runs
    from clip2scene_core.bench.training_stages import quick_config
    from clip2scene_core.checkpoint import SMALL_STUDENT
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_ros.share import share_directory

    if arguments.students:
        return given_runs([SMALL_STUDENT if str(p) == "small" else p for p in arguments.students])
    files = arguments.configs or [share_directory() / "config" / "pretrain_synthetic.yaml"]
    configs = {file.stem.removeprefix("pretrain_"): load_config(file) for file in files}
    if arguments.quick:
        configs = {name: quick_config(config) for name, config in configs.items()}
    return trained_runs(configs, num_seeds(arguments), arguments.work)


def _words(arguments: argparse.Namespace) -> list[str]:
    """Give the arguments that decide the numbers."""
    words = []
    for name in ("configs", "students"):
        if files := getattr(arguments, name):
            words += [f"--{name}", *(file.name for file in files)]
    if not arguments.students:
        words += ["--seeds", str(num_seeds(arguments))]
    return words
