"""`clip2scene bench transfer`: measure students on sensors that they were not trained with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from clip2scene_core.atomic_write import atomic_write
from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    add_real_argument,
    add_student_arguments,
    bench_options,
    progress_bar,
    student_runs,
    student_words,
)

if TYPE_CHECKING:
    from clip2scene_core.bench.transfer.result import TransferResult

SUMMARY = "students on other heights, tilts, LiDAR models and on real frames"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bench_arguments(parser, quick_seeds=1, quick="a minute")
    add_student_arguments(parser, "pretrain_synthetic.yaml")
    add_real_argument(parser)
    parser.add_argument(
        "--update-cards",
        action="store_true",
        help="write the tables into the cards of the students that ship",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.transfer.cards import update_shipped
    from clip2scene_core.bench.transfer.report import format_result
    from clip2scene_core.bench.transfer.result import load_result, save_result
    from clip2scene_core.bench.transfer.run import (
        RESULT_NAMES,
        TransferBenchOptions,
        run_transfer_bench,
    )
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_cards:
        raise ValueError("--quick measures nothing that a card could hold")
    use_threads(1)
    runs, words = student_runs(arguments), student_words(arguments)
    if arguments.real is not None:
        words += ["--real", arguments.real.name]
    options = TransferBenchOptions(
        **bench_options(arguments, words),
        runs=tuple(runs),
        real=arguments.real,
    )
    with progress_bar() as reports:
        result = run_transfer_bench(options, *reports)
    json_path, markdown_path = (arguments.work / name for name in RESULT_NAMES)
    save_result(json_path, result)
    result = load_result(json_path)  # rounded, so that both files say the same
    with atomic_write(markdown_path) as draft:
        draft.write_text(format_result(result))
    if arguments.update_cards:
        update_shipped(result)
    _print(result)
    print(f"numbers: {markdown_path} and {json_path}")


def _print(result: TransferResult) -> None:
    for student in result.students:
        for change in student.changes:
            print(f"{student.name}, {change.change}: mean IoU {change.mean_iou.format()} %")
