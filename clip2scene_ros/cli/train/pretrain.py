"""`clip2scene pretrain`: train a student from a frozen CLIP, without 3D labels."""

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
from clip2scene_ros.cli.examination import add_doctor_argument, examine_first, was_launched
from clip2scene_ros.cli.jobs import add_share_argument
from clip2scene_ros.cli.recordings import add_recording_arguments, settle_recordings
from clip2scene_ros.cli.train.closing import report_training
from clip2scene_ros.cli.train.holdout import add_holdout_argument, hold_out
from clip2scene_ros.cli.train.own_words import add_word_arguments, with_words
from clip2scene_ros.cli.train.progress import TrainingBars
from clip2scene_ros.cli.train.start import (
    add_start_argument,
    add_voter_argument,
    load_start,
    load_voter,
)

if TYPE_CHECKING:
    from clip2scene_core.config.pretrain import PretrainConfig
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.training.fabric import Fabric
    from clip2scene_core.training.pretrain.trainer import StepReport
    from clip2scene_core.training.pretrained import Pretrained

SUMMARY = "pre-train a student from a frozen CLIP; reads no 3D label"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "data sets in the format of nuScenes, SemanticKITTI or ScanNet, or recordings (bags, "
        "folders of bags); one or several",
        is_optional=True,
        has_several=True,
    )
    add_split_argument(parser)
    add_word_arguments(parser)
    add_start_argument(parser)
    add_voter_argument(parser, "the one that --from names")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep what the teacher says there, for other runs"
    )
    parser.add_argument(
        "--teacher-only",
        action="store_true",
        help="let the teacher embed the images into --cache, in --processes, and stop; a training "
        "with this --cache, the same settings and data finds them",
    )
    add_share_argument(parser)
    add_holdout_argument(parser)
    add_training_arguments(parser, "losses.temperature=0.5")
    add_recording_arguments(parser)
    add_doctor_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    # Torch and CLIP take seconds to import: `clip2scene --help` must not wait for them.
    from clip2scene_core.config.parser import config_to_dict
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.fabric import make_fabric
    from clip2scene_core.training.pretrain.run import pretrain
    from clip2scene_core.training.run_log import RunLog

    start, voter = load_start(arguments), load_voter(arguments)
    if not arguments.print_config:
        _check(arguments)
        examine_first(arguments)
    recordings = settle_recordings(arguments, 1 if was_launched() else arguments.processes)
    config = _resolve(arguments, start, bool(recordings))
    if arguments.print_config:
        print(yaml.safe_dump(config_to_dict(config), sort_keys=False), end="")
        return
    use_threads(arguments.threads)
    fabric = make_fabric(config, arguments.device, arguments.processes, arguments.nodes)
    fabric.launch()
    dataset = open_joined(arguments, config)
    dataset, held_out = hold_out(dataset, arguments.hold_out, bool(recordings))
    if arguments.teacher_only:
        _embed(arguments, dataset, config, fabric)
        return
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
            count_workers(arguments, config.augmentation),
            arguments.save_every,
            bars.show_teacher,
            report,
            bars.show_consensus,
            start,
            voter,
        )
    finally:
        bars.close()
        if log is not None:
            log.close()
    if fabric.is_global_zero:
        print(f"student: {arguments.out}")
        if recordings or held_out is not None:
            report_training(dataset, held_out, arguments)


def _resolve(
    arguments: argparse.Namespace, start: Pretrained | None, is_recording: bool
) -> PretrainConfig:
    """Configuration: defaults with the start's network and input, the file, the arguments.

    Without --config, recordings have one of ours; the start's network and input take precedence.
    """
    from clip2scene_core.config.parser import override, read_config
    from clip2scene_core.config.pretrain import PretrainConfig
    from clip2scene_ros.share import share_directory

    default = PretrainConfig()
    if arguments.config is None and is_recording:
        default = read_config(share_directory() / "config" / "pretrain_recording.yaml", default)
    if start is not None:
        default = replace(default, network=start.trunk.config, input=start.trunk.input)
    return override(with_words(read_config(arguments.config, default), arguments), arguments.set)


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what could not end well, see `check_training_arguments`.

    Raises:
        ValueError: If so.
    """
    if arguments.teacher_only:
        if not arguments.dataset or arguments.cache is None:
            raise ValueError("--teacher-only embeds images into a folder; name data and --cache")
        return
    if arguments.share is not None:
        raise ValueError("--share is for --teacher-only; a training shares by --processes, --nodes")
    check_training_arguments(arguments)


def _embed(
    arguments: argparse.Namespace,
    dataset: KeyframeDataset,
    config: PretrainConfig,
    fabric: Fabric,
) -> None:
    """Embed this process's share of the images.

    Raises:
        ValueError: If the training will not read them.
    """
    from clip2scene_core.training.data_check import check_files
    from clip2scene_core.training.pretrain.prepare import embed_share, needs_cache

    if not needs_cache(config):
        raise ValueError(
            "images are augmented, so they are embedded anew in every epoch; --teacher-only is of "
            "no use with augmentation.image_flip or image_crop"
        )
    check_files(dataset)
    share, num_shares = arguments.share or (0, 1)
    part = share * fabric.world_size + fabric.global_rank
    bars = TrainingBars(fabric)
    try:
        embed_share(
            dataset,
            config.teacher,
            arguments.cache,
            str(fabric.device),
            part,
            num_shares * fabric.world_size,
            bars.show_teacher,
        )
        fabric.barrier()
    finally:
        bars.close()
    if fabric.is_global_zero:
        whose = "" if arguments.share is None else f" of share {share}/{num_shares}"
        print(f"embeddings{whose}: {arguments.cache}")
