"""`clip2scene bench world`: measure students and references; and the parser of all benches."""

from __future__ import annotations

import argparse

from clip2scene_core.atomic_write import atomic_write
from clip2scene_ros.cli.measure import (
    bench_augmentations,
    bench_speed,
    bench_tables,
    bench_transfer,
    bench_zeroshot,
)
from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    add_student_arguments,
    bench_options,
    progress_bar,
    student_runs,
    student_words,
)

SUMMARY = "measure students and their references, or compute the paper's tables"

_BENCHES = {
    "transfer": bench_transfer,
    "augmentations": bench_augmentations,
    "speed": bench_speed,
    "zeroshot": bench_zeroshot,
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    benchmarks = parser.add_subparsers(dest="benchmark", required=True, metavar="BENCHMARK")
    world = benchmarks.add_parser("world", help="students and references on the synthetic world")
    _add_world_arguments(world)
    for name, bench in _BENCHES.items():
        bench.add_arguments(
            benchmarks.add_parser(name, help=bench.SUMMARY, description=bench.SUMMARY)
        )
    for name, summary in bench_tables.SUMMARIES.items():
        table = benchmarks.add_parser(name, help=summary, description=summary)
        bench_tables.add_arguments(table, name)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    if arguments.benchmark == "world":
        _run_world(arguments)
    elif arguments.benchmark in _BENCHES:
        _BENCHES[arguments.benchmark].run(arguments)
    else:
        bench_tables.run(arguments)


def _add_world_arguments(parser: argparse.ArgumentParser) -> None:
    add_bench_arguments(parser, quick_seeds=3, quick="seconds")
    add_student_arguments(parser, "pretrain_synthetic.yaml")
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
        **bench_options(arguments, student_words(arguments)), runs=tuple(student_runs(arguments))
    )
    print("This looks at the test split. Tune nothing by what it says.")
    with progress_bar() as reports:
        result = run_world_bench(options, *reports)
    json_path, markdown_path = (arguments.work / name for name in RESULT_NAMES)
    save_result(json_path, result)
    result = load_result(json_path)  # rounded, so that both files say the same
    with atomic_write(markdown_path) as draft:
        draft.write_text(format_result(result))
    if arguments.update_cards:
        update_shipped(result, arguments.work / "pictures")
    for student in result.students:
        for score in student.scores:
            print(f"{student.name}, {score.labeller}: mean IoU {score.mean_iou.format()} %")
    print(f"numbers: {markdown_path} and {json_path}")
