"""`clip2scene pretrain`: train a student from a frozen CLIP, without 3D labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from tqdm import tqdm

from clip2scene_ros.cli.arguments import (
    add_dataset_arguments,
    add_split_argument,
    add_training_arguments,
    check_training_arguments,
    open_chosen,
)

if TYPE_CHECKING:
    from clip2scene_core.config.pretrain import PretrainConfig
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.training.fabric import Fabric
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
    dataset = _open(arguments, config)
    log = RunLog(arguments.log) if arguments.log and fabric.is_global_zero else None
    bars = _Bars(fabric)

    def report(step: StepReport) -> None:
        bars.show_step(step)
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


def _open(arguments: argparse.Namespace, config: PretrainConfig) -> KeyframeDataset:
    from clip2scene_core.datasets import JoinedDataset

    for option in ("scenes", "split"):
        if getattr(arguments, option) is not None and len(arguments.dataset) > 1:
            raise ValueError(
                f"--{option} chooses scenes of one data set, got {len(arguments.dataset)} data "
                f"sets; leave --{option} out, or train on one data set"
            )
    with_poses = config.sweeps.count > 1 or config.consensus.voxel_size_m > 0
    datasets = [open_chosen(arguments, root, with_poses=with_poses) for root in arguments.dataset]
    return datasets[0] if len(datasets) == 1 else JoinedDataset(datasets)


class _Bars:
    """Progress bars, shown by the first process only."""

    def __init__(self, fabric: Fabric) -> None:
        self._is_silent = not fabric.is_global_zero
        self._bars: dict[str, Any] = {}

    def show_teacher(self, done: int, total: int) -> None:
        self._bar("teacher", "keyframe", done, total)

    def show_consensus(self, done: int, total: int) -> None:
        self._bar("consensus", "sequence", done, total)

    def show_step(self, step: StepReport) -> None:
        bar = self._bar("student", "step", step.step, step.num_steps)
        bar.set_postfix(loss=f"{step.losses['total']:.3f}", pairs=step.num_pairs, refresh=False)

    def close(self) -> None:
        for bar in self._bars.values():
            bar.close()

    def _bar(self, name: str, unit: str, done: int, total: int) -> Any:
        if name not in self._bars:
            self._bars[name] = tqdm(
                desc=name, total=total, initial=done - 1, unit=unit, disable=self._is_silent
            )
        bar = self._bars[name]
        bar.update(done - bar.n)
        return bar
