"""`clip2scene zeroshot`: train a student with labels of some classes, and a frozen CLIP."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from clip2scene_ros.cli.arguments import (
    add_dataset_arguments,
    add_split_argument,
    add_training_arguments,
    check_training_arguments,
    count_workers,
    open_joined,
)
from clip2scene_ros.cli.train.progress import TrainingBars
from clip2scene_ros.cli.train.start import add_start_argument, load_start

if TYPE_CHECKING:
    from clip2scene_core.config.zeroshot import ZeroShotConfig
    from clip2scene_core.training.pretrained import Pretrained
    from clip2scene_core.training.zeroshot.trainer import ZeroShotStep

SUMMARY = "train a student with 3D labels of seen classes, and a frozen CLIP for unseen ones"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "nuScenes with lidarseg, SemanticKITTI or ScanNet; one or several of one kind",
        is_optional=True,
        has_several=True,
    )
    add_split_argument(parser)
    parser.add_argument(
        "--unseen",
        nargs="+",
        metavar="CLASS",
        help="names of the unseen classes, or a published choice: nuscenes, nuscenes_b12_n3, "
        "nuscenes_b10_n5, semantickitti, scannet_b15_n4, scannet_b12_n7, scannet_b10_n9; or "
        "annotation_free, which opens no label",
    )
    parser.add_argument(
        "--protocol",
        help="transductive: points of unseen classes are there, without labels; inductive: points "
        "without a seen label are removed before the training",
    )
    add_start_argument(parser)
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep what the teacher says there, for other runs"
    )
    add_training_arguments(parser, "losses.patch_weight=0")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.config.parser import config_to_dict
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.fabric import make_fabric
    from clip2scene_core.training.run_log import RunLog
    from clip2scene_core.training.zeroshot.run import train_zeroshot

    start = load_start(arguments)
    config = _resolve(arguments, start)
    if arguments.print_config:
        print(yaml.safe_dump(config_to_dict(config), sort_keys=False), end="")
        return
    check_training_arguments(arguments)
    use_threads(arguments.threads)
    fabric = make_fabric(config, arguments.device, arguments.processes, arguments.nodes)
    fabric.launch()
    dataset = open_joined(arguments, config.student, with_labels=bool(config.seen))
    log = RunLog(arguments.log) if arguments.log and fabric.is_global_zero else None
    bars = TrainingBars(fabric)

    def report(step: ZeroShotStep) -> None:
        loss = f"{step.losses['total']:.3f}"
        bars.show_step(step.step, step.num_steps, loss=loss, phase=step.phase)
        if log is not None:
            log.add(step)

    try:
        train_zeroshot(
            dataset,
            config,
            arguments.out,
            fabric,
            arguments.cache,
            count_workers(arguments, config.augmentation),
            arguments.save_every,
            bars.show_teacher,
            report,
            bars.show_consensus,
            start,
        )
    finally:
        bars.close()
        if log is not None:
            log.close()
    if fabric.is_global_zero:
        print(f"student: {arguments.out}")


def _resolve(arguments: argparse.Namespace, start: Pretrained | None) -> ZeroShotConfig:
    """Configuration: defaults with the start's network and input, the file, the arguments."""
    from clip2scene_core.config.parser import override, read_config
    from clip2scene_core.config.zeroshot import SPLIT_NAMES, ZeroShotConfig

    assignments = list(arguments.set)
    if arguments.unseen is not None:
        names = arguments.unseen
        is_split = len(names) == 1 and names[0] in SPLIT_NAMES
        assignments.append(f"class_split.name={names[0] if is_split else 'own'}")
        assignments.append(f"class_split.unseen={[] if is_split else names}")
        assignments.append("class_split.ignored=[]")
    if arguments.protocol is not None:
        assignments.append(f"class_split.protocol={arguments.protocol}")
    default = ZeroShotConfig()
    if start is not None:
        default = replace(default, network=start.trunk.config, input=start.trunk.input)
    return override(read_config(arguments.config, default), assignments)
