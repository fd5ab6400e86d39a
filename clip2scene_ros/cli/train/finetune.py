"""`clip2scene finetune`: train a classifier on a share of the 3D labels."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import yaml
from tqdm import tqdm

from clip2scene_ros.cli.arguments import (
    add_split_argument,
    add_training_arguments,
    check_training_arguments,
    count_workers,
    open_chosen,
)
from clip2scene_ros.cli.train.start import add_start_argument, load_start

if TYPE_CHECKING:
    from clip2scene_core.config.finetune import FinetuneConfig
    from clip2scene_core.datasets import KeyframeDataset
    from clip2scene_core.training.finetune.trainer import FinetuneStep
    from clip2scene_core.training.pretrained import Pretrained

SUMMARY = "fine-tune a pre-trained student, or train from scratch, on a share of the 3D labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument(
        "dataset", type=Path, nargs="?", help="nuScenes with lidarseg, SemanticKITTI or ScanNet"
    )
    parser.add_argument(
        "--labels",
        type=Path,
        metavar="FOLDER",
        help="labels that an annotator saved, with legend.json, in place of a data set's: "
        "SemanticKITTI's layout, .label, .pcd, .ply, .las or .laz; DATASET is then the folder of "
        "the scans, if they lie elsewhere",
    )
    parser.add_argument(
        "--columns", type=int, choices=(4, 5), help="of .bin scans, if --labels are of such"
    )
    parser.add_argument(
        "--label-field",
        metavar="FIELD",
        help="field of .pcd, .ply or .las files that holds the labels, such as classification; by "
        "default label",
    )
    parser.add_argument("--version", help="version folder, if there are several")
    parser.add_argument(
        "--scenes",
        type=Path,
        help="text file with the names of the scenes to sample from, one a line; the samplers "
        "count in this order, without it in that of scene.json",
    )
    add_split_argument(parser)
    add_start_argument(parser, "small")
    parser.add_argument("--percent", type=int, help="share of the labels: 1, 5, 10, 25 or 100")
    parser.add_argument(
        "--sampler",
        help="slidr_scene (every n-th scene) or clip2scene_keyframe (every n-th keyframe, and the "
        "one for SemanticKITTI); their scores must not be compared",
    )
    parser.add_argument("--linear-probe", action="store_true", help="train the new head alone")
    add_training_arguments(parser, "head.learning_rate=0.1")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.config.parser import config_to_dict
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.fabric import make_fabric
    from clip2scene_core.training.finetune.run import finetune
    from clip2scene_core.training.run_log import RunLog

    start = load_start(arguments)
    config = _resolve(arguments, start)
    if arguments.print_config:
        print(yaml.safe_dump(config_to_dict(config), sort_keys=False), end="")
        return
    scans = arguments.dataset
    if arguments.labels is not None and scans is None:
        arguments.dataset = arguments.labels
    check_training_arguments(arguments)
    use_threads(arguments.threads)
    fabric = make_fabric(config, arguments.device, arguments.processes, arguments.nodes)
    fabric.launch()
    dataset = _open_labels(arguments, scans, fabric.is_global_zero)
    log = RunLog(arguments.log) if arguments.log and fabric.is_global_zero else None
    try:
        with tqdm(desc="classifier", unit="step", disable=not fabric.is_global_zero) as bar:

            def report(step: FinetuneStep) -> None:
                bar.total = step.num_steps
                bar.set_postfix(loss=f"{step.loss:.3f}", refresh=False)
                bar.update(step.step - bar.n)
                if log is not None:
                    log.add(step)

            finetune(
                dataset,
                config,
                arguments.out,
                start,
                fabric,
                count_workers(arguments, None),
                arguments.save_every,
                report,
            )
    finally:
        if log is not None:
            log.close()
    if fabric.is_global_zero:
        print(f"fine-tuned network: {arguments.out}")
        print(f"its keyframes: {arguments.out.with_suffix('.tokens.txt')}")


def _open_labels(
    arguments: argparse.Namespace, scans: Path | None, may_say: bool
) -> KeyframeDataset:
    """Open the data set, or the labels that an annotator saved.

    Raises:
        ValueError: If they cannot be used.
    """
    if arguments.labels is None:
        for option in ("columns", "label_field"):
            if getattr(arguments, option) is not None:
                name = option.replace("_", "-")
                raise ValueError(f"--{name} is for scans with --labels; leave it out")
        return open_chosen(
            arguments, arguments.dataset, with_labels=True, with_images=False, with_poses=False
        )
    from clip2scene_core.scans.corrected_dataset import CorrectedScans

    for option in ("version", "scenes", "split"):
        if getattr(arguments, option) is not None:
            raise ValueError(f"--{option} is for data sets, not for --labels; leave it out")
    dataset = CorrectedScans(
        arguments.labels,
        scans,
        arguments.intensity_scale,
        arguments.columns,
        arguments.label_field,
    )
    # All are read before the training, so that none stops it in its middle.
    counts = dict.fromkeys((*(one.name for one in dataset.classes), "unlabelled"), 0)
    names = np.array(list(counts))
    for index in tqdm(
        range(len(dataset)), desc="checking labels", unit="scan", disable=not may_say
    ):
        labels = dataset[index].keyframe.labels
        assert labels is not None  # corrected scans have some
        found, numbers = np.unique(np.minimum(labels, len(names) - 1), return_counts=True)
        for name, number in zip(names[found], numbers, strict=True):
            counts[str(name)] += int(number)
    if may_say:
        said = ", ".join(f"{name} {number}" for name, number in counts.items())
        print(f"{len(dataset)} labelled scans; points: {said}", file=sys.stderr)
    return dataset


def _resolve(arguments: argparse.Namespace, start: Pretrained | None) -> FinetuneConfig:
    """Configuration: defaults with the student's network and input, the file, the arguments."""
    from clip2scene_core.config.finetune import FinetuneConfig
    from clip2scene_core.config.parser import override, read_config

    default = FinetuneConfig()
    if start is not None:
        default = replace(default, network=start.trunk.config, input=start.trunk.input)
    if arguments.labels is not None:  # what a person corrected is all used, unless they say so
        default = replace(default, labels=replace(default.labels, percent=100))
    config = read_config(arguments.config, default)
    assignments = list(arguments.set)
    if arguments.percent is not None:
        assignments.append(f"labels.percent={arguments.percent}")
    if arguments.sampler is not None:
        assignments.append(f"labels.sampler={arguments.sampler}")
    if arguments.linear_probe:
        assignments.append("head.linear_probe=true")
    return override(config, assignments)
