"""`clip2scene bench speed`: what labelling costs, stage by stage, beside other ways."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from clip2scene_core.atomic_write import atomic_write
from clip2scene_ros.cli.measure.bench_shared import progress_bar

SUMMARY = "what a sweep, a convolution and more points cost, in ratios of one run"
_PARTS = ("latency", "ops", "scale", "train")
_NUM_SWEEPS = 20
_QUICK_SWEEPS = 4


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "--work", type=Path, required=True, help="folder; an interrupted bench goes on in it"
    )
    parser.add_argument(
        "--parts",
        nargs="+",
        choices=_PARTS,
        default=list(_PARTS),
        help="what to measure; by default all",
    )
    parser.add_argument(
        "--students",
        nargs="+",
        metavar="FILE",
        help="checkpoints, small or large; by default small and large, with --quick small",
    )
    parser.add_argument(
        "--sweeps",
        type=Path,
        metavar="DATASET",
        help="label keyframes of this data set; by default a rendered drive",
    )
    parser.add_argument(
        "--num-sweeps",
        type=int,
        help=f"sweeps that count; by default {_NUM_SWEEPS}, with --quick {_QUICK_SWEEPS}",
    )
    parser.add_argument(
        "--threads", type=int, default=0, help="torch threads; 0: half of the processors"
    )
    parser.add_argument(
        "--quick", action="store_true", help="seconds: small sweeps, few calls; ratios are rough"
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.speed.charts import save_pictures
    from clip2scene_core.bench.speed.report import format_machine, format_result
    from clip2scene_core.bench.speed.result import load_result, save_result
    from clip2scene_core.bench.speed.run import RESULT_NAMES, SpeedBenchOptions, run_speed_bench
    from clip2scene_core.device import use_threads

    use_threads(arguments.threads)
    options = SpeedBenchOptions(
        work=arguments.work,
        is_quick=arguments.quick,
        workers=1,
        device="cpu",
        command=_command(arguments),
        parts=tuple(arguments.parts),
        students=tuple(_students(arguments)),
        sweeps=arguments.sweeps,
        num_sweeps=_num_sweeps(arguments),
    )
    with progress_bar() as (report, _):
        result = run_speed_bench(options, report)
    json_path, markdown_path = (arguments.work / name for name in RESULT_NAMES)
    save_result(json_path, result)
    result = load_result(json_path)  # rounded, so that both files say the same
    with atomic_write(markdown_path) as draft:
        draft.write_text(format_result(result))
    save_pictures(result, arguments.work)
    print(format_machine(result.speeds))
    for name, ratio in result.key_ratios().items():
        print(f"{name}: {ratio:.2f}")
    print(f"numbers: {markdown_path} and {json_path}")


def _students(arguments: argparse.Namespace) -> list[str]:
    if arguments.students:
        return list(arguments.students)
    return ["small"] if arguments.quick else ["small", "large"]


def _num_sweeps(arguments: argparse.Namespace) -> int:
    if arguments.num_sweeps is not None:
        return int(arguments.num_sweeps)
    return _QUICK_SWEEPS if arguments.quick else _NUM_SWEEPS


def _command(arguments: argparse.Namespace) -> str:
    """The command line without the folders of this machine."""
    words = ["clip2scene", "bench", "speed", "--work", "speed", "--parts", *arguments.parts]
    words += ["--students", *(Path(student).name for student in _students(arguments))]
    if arguments.sweeps is not None:
        words += ["--sweeps", arguments.sweeps.name]
    words += ["--num-sweeps", f"{_num_sweeps(arguments)}", "--threads", f"{arguments.threads}"]
    return shlex.join([*words, *(["--quick"] if arguments.quick else [])])
