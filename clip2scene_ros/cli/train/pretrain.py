"""`clip2scene pretrain`: train a student from a frozen CLIP, without 3D labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from clip2scene_ros.cli.arguments import (
    add_dataset_arguments,
    add_split_argument,
    add_training_arguments,
    check_training_arguments,
    open_joined,
)
from clip2scene_ros.cli.train.progress import TrainingBars

if TYPE_CHECKING:
    from clip2scene_core.training.pretrain.trainer import StepReport

SUMMARY = "pre-train a student from a frozen CLIP; reads no 3D label"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "data sets in nuScenes' or SemanticKITTI's format, one or several",
        is_optional=True,
        has_several=True,
    )
    add_split_argument(parser)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep what the teacher says there, for other runs"
    )
    add_training_arguments(parser, "losses.temperature=0.5")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    # Torch and CLIP take seconds to import: `clip2scene --help` must not wait for them.
    from clip2scene_core.config.parser import config_to_dict, override
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.fabric import make_fabric
    from clip2scene_core.training.pretrain.run import pretrain
    from clip2scene_core.training.run_log import RunLog

    config = override(load_config(arguments.config), arguments.set)
    if arguments.print_config:
        print(yaml.safe_dump(config_to_dict(config), sort_keys=False), end="")
        return
    check_training_arguments(arguments)
    use_threads(arguments.threads)
    fabric = make_fabric(config, arguments.device, arguments.processes, arguments.nodes)
    fabric.launch()
    dataset = open_joined(arguments, config)
    log = RunLog(arguments.log) if arguments.log and fabric.is_global_zero else None
    bars = TrainingBars(fabric)

    def report(step: StepReport) -> None:
        loss = f"{step.losses['total']:.3f}"
        bars.show_step(step.step, step.num_steps, loss=loss, pairs=step.num_pairs)
        if log is not None:
            log.add(step)

    try:
        pretrain(
            dataset,
            config,
            arguments.out,
            fabric,
            arguments.cache,
            arguments.workers,
            arguments.save_every,
            bars.show_teacher,
            report,
            bars.show_consensus,
        )
    finally:
        bars.close()
        if log is not None:
            log.close()
    if fabric.is_global_zero:
        print(f"student: {arguments.out}")
