"""`clip2scene bench zeroshot`: zero-shot training without each of its parts."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    add_docs_argument,
    bench_options,
    num_seeds,
    progress_bar,
    write_table,
)

if TYPE_CHECKING:
    from clip2scene_core.bench.zeroshot.run import ZeroShotBenchOptions

SUMMARY = "ablations of zero-shot training: seen and unseen classes on rendered scenes"
_CONFIG = "zeroshot_tables_synthetic.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bench_arguments(parser, quick_seeds=1, quick="a minute")
    parser.add_argument(
        "--config",
        type=Path,
        help=f"configuration of 'clip2scene zeroshot' that the rows change; by default {_CONFIG}",
    )
    add_docs_argument(parser, "zeroshot.md")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.zeroshot.assembly import assemble_table
    from clip2scene_core.bench.zeroshot.docs import PAGE
    from clip2scene_core.bench.zeroshot.run import run_zeroshot_bench
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_docs:
        raise ValueError("--quick measures nothing that a page could hold")
    options = _options(arguments)
    use_threads(1)
    print("The numbers are of scenes that nothing may be tuned on.")
    with progress_bar() as reports:
        results = run_zeroshot_bench(options, *reports)
    write_table(PAGE, assemble_table(options, results), arguments)


def _options(arguments: argparse.Namespace) -> ZeroShotBenchOptions:
    from clip2scene_core.bench.zeroshot.run import ZeroShotBenchOptions, quick_zeroshot
    from clip2scene_core.config.zeroshot import load_zeroshot_config
    from clip2scene_ros.share import share_directory

    base = load_zeroshot_config(arguments.config or share_directory() / "config" / _CONFIG)
    words = ["--config", arguments.config.name] if arguments.config else []
    if arguments.seeds is not None:
        words += ["--seeds", str(arguments.seeds)]
    return ZeroShotBenchOptions(
        **bench_options(arguments, words),
        base=quick_zeroshot(base) if arguments.quick else base,
        num_seeds=num_seeds(arguments),
    )
