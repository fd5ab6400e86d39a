"""The parts of all `clip2scene bench` commands: arguments, the progress bar, the command line."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_core.bench.runs import StudentRun
    from clip2scene_core.bench.stages import SceneReport, StageReport, StageResult
    from clip2scene_core.bench.table_page import AnyTable, TablePage


def add_bench_arguments(parser: argparse.ArgumentParser, quick_seeds: int, quick: str) -> None:
    """Declare how a bench runs.

    Args:
        parser: Parser of the command.
        quick_seeds: Number of seeds with --quick.
        quick: How long a quick run takes, in words.
    """
    parser.add_argument(
        "--work", type=Path, required=True, help="folder; an interrupted bench goes on in it"
    )
    also = f", with --quick {quick_seeds}" if quick_seeds != 3 else ""
    parser.add_argument("--seeds", type=int, help=f"seeds of training; by default 3{also}")
    parser.add_argument(
        "--workers", type=int, help="processes, one thread each; by default 2, with --quick 1"
    )
    parser.add_argument(
        "--device", default="cpu", help="where CLIP and trainings run: cpu, cuda, or cuda:N"
    )
    parser.add_argument(
        "--quick", action="store_true", help=f"{quick}: run everything, measure nothing"
    )
    parser.set_defaults(quick_seeds=quick_seeds)


def num_seeds(arguments: argparse.Namespace) -> int:
    """Number of seeds."""
    if arguments.seeds is not None:
        return int(arguments.seeds)
    return int(arguments.quick_seeds) if arguments.quick else 3


def bench_options(arguments: argparse.Namespace, words: Sequence[str]) -> dict[str, Any]:
    """Give the fields of `BenchOptions`.

    Args:
        arguments: Parsed arguments.
        words: Arguments of the command that decide its numbers, without the folders of this
            machine; the report shows them.
    """
    quick = ["--quick"] if arguments.quick else []
    command = ["clip2scene", "bench", arguments.benchmark, "--work", "bench", *words, *quick]
    return {
        "work": arguments.work,
        "is_quick": arguments.quick,
        "workers": arguments.workers if arguments.workers is not None else 2 - arguments.quick,
        "device": arguments.device,
        "command": shlex.join(command),
    }


def add_student_arguments(parser: argparse.ArgumentParser, profile: str) -> None:
    """Declare which students a bench trains or is given.

    Args:
        parser: Parser of the command.
        profile: File in `config/` that is trained by default.
    """
    parser.add_argument(
        "--configs",
        type=Path,
        nargs="+",
        metavar="FILE",
        help=f"configurations to train; by default config/{profile}",
    )
    parser.add_argument(
        "--students",
        type=Path,
        nargs="+",
        metavar="FILE",
        help="measure these checkpoints, or small, in place of training",
    )
    parser.set_defaults(profile=profile)


def student_runs(arguments: argparse.Namespace) -> list[StudentRun]:
    """Give the students that a bench trains or is given."""
    from clip2scene_core.bench.runs import given_runs, trained_runs
    from clip2scene_core.bench.training_stages import quick_config
    from clip2scene_core.checkpoint import SHIPPED
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_ros.share import share_directory

    if arguments.students:
        return given_runs([SHIPPED.get(str(p), p) for p in arguments.students])
    files = arguments.configs or [share_directory() / "config" / arguments.profile]
    configs = {file.stem.removeprefix("pretrain_"): load_config(file) for file in files}
    if arguments.quick:
        configs = {name: quick_config(config) for name, config in configs.items()}
    return trained_runs(configs, num_seeds(arguments), arguments.work)


def student_words(arguments: argparse.Namespace) -> list[str]:
    """Give the arguments that decide the numbers."""
    words = []
    for name in ("configs", "students"):
        if files := getattr(arguments, name):
            words += [f"--{name}", *(file.name for file in files)]
    if not arguments.students:
        words += ["--seeds", str(num_seeds(arguments))]
    return words


def add_real_argument(parser: argparse.ArgumentParser) -> None:
    """Declare which real frames a bench looks at."""
    parser.add_argument(
        "--real",
        type=Path,
        metavar="FOLDER",
        help="real frames to look at: semantickitti_scan/, kitti_object/training/ or "
        "nuscenes_keyframe/ with boxes_lidar_frame.json",
    )


def add_docs_argument(parser: argparse.ArgumentParser, page: str) -> None:
    """Declare whether a page of this checkout, by its name, gets the numbers."""
    parser.add_argument(
        "--update-docs",
        action="store_true",
        help=f"write the numbers into docs/{page} of this checkout",
    )


def write_table(page: TablePage[AnyTable], table: AnyTable, arguments: argparse.Namespace) -> None:
    """Write a table into the work folder and, with --update-docs, into its page; print it."""
    from clip2scene_ros.share import share_directory

    table = page.write(table, arguments.work)
    if arguments.update_docs:
        page.update(table, share_directory() / "docs")
    print(f"\n{page.format_section(table)}\n")
    print(f"{table.name}: {arguments.work / table.name}.json, .md and .png beside it")


@contextmanager
def progress_bar() -> Iterator[tuple[StageReport, SceneReport]]:
    """Show a bar of stages; gives what a bench calls after each stage and each scene."""
    with tqdm(desc="bench", unit="stage") as bar:

        def report(result: StageResult, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(f"{result.name}: {result.seconds:.0f} s")
            bar.update()

        def report_world(split: str, done: int, total: int) -> None:
            bar.set_postfix_str(f"{split}: scene {done} of {total}")

        yield report, report_world
