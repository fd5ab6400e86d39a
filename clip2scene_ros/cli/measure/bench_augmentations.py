"""`clip2scene bench augmentations`: each augmentation taken away, and alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from clip2scene_ros.cli.measure.bench_shared import (
    add_bench_arguments,
    add_docs_argument,
    add_real_argument,
    bench_options,
    num_seeds,
    progress_bar,
    write_table,
)

if TYPE_CHECKING:
    from clip2scene_core.bench.augmentations.run import AugmentationBenchOptions

SUMMARY = "what each augmentation is worth on other sensors: taken away, and alone"
_CONFIG = "pretrain_other_sensors.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_bench_arguments(parser, quick_seeds=1, quick="a minute or two")
    parser.add_argument(
        "--config",
        type=Path,
        help=f"configuration of 'clip2scene pretrain' that the rows change, as it is; by default "
        f"{_CONFIG} with a smaller network and fewer epochs",
    )
    add_real_argument(parser)
    add_docs_argument(parser, "benchmarks.md")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.augmentations.assembly import assemble_table
    from clip2scene_core.bench.augmentations.docs import PAGE
    from clip2scene_core.bench.augmentations.run import run_augmentation_bench
    from clip2scene_core.device import use_threads

    if arguments.quick and arguments.update_docs:
        raise ValueError("--quick measures nothing that a page could hold")
    options = _options(arguments)
    use_threads(1)
    with progress_bar() as reports:
        results = run_augmentation_bench(options, *reports)
    write_table(PAGE, assemble_table(options, results), arguments)


def _options(arguments: argparse.Namespace) -> AugmentationBenchOptions:
    from clip2scene_core.bench.augmentations.run import AugmentationBenchOptions, shortened
    from clip2scene_core.bench.training_stages import quick_config
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_ros.share import share_directory

    if arguments.config is None:
        base = shortened(load_config(share_directory() / "config" / _CONFIG))
    else:
        base = load_config(arguments.config)
    words = ["--config", arguments.config.name] if arguments.config else []
    if arguments.seeds is not None:
        words += ["--seeds", str(arguments.seeds)]
    if arguments.real is not None:
        words += ["--real", arguments.real.name]
    return AugmentationBenchOptions(
        **bench_options(arguments, words),
        base=quick_config(base) if arguments.quick else base,
        num_seeds=num_seeds(arguments),
        real=arguments.real,
    )
