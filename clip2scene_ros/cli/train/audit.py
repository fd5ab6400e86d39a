"""`clip2scene audit`: compare the labels that pre-training would learn from with 3D labels."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from tqdm import tqdm

from clip2scene_core.atomic_write import scratch_folder
from clip2scene_ros.cli.arguments import (
    add_config_arguments,
    add_dataset_arguments,
    add_split_argument,
    add_threads_argument,
    open_chosen,
)
from clip2scene_ros.cli.recordings import (
    add_recording_arguments,
    require_labels,
    settle_recordings,
)
from clip2scene_ros.cli.train.start import add_voter_argument, load_voter

SUMMARY = "compare the labels that pre-training would learn from with 3D labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "nuScenes with lidarseg, SemanticKITTI, ScanNet, or recordings with /lidarseg, to tune on",
    )
    add_split_argument(parser)
    add_config_arguments(parser, "consensus.voxel_size_m=0.8")
    add_voter_argument(parser, "none")
    parser.add_argument(
        "--cache", type=Path, metavar="DIR", help="keep what the teacher says there, for other runs"
    )
    add_recording_arguments(parser)
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.config.parser import override
    from clip2scene_core.config.pretrain import load_config
    from clip2scene_core.device import use_threads
    from clip2scene_core.training.pretrain.audit import audit_labels

    require_labels(arguments.dataset, arguments.points_topic)
    settle_recordings(arguments)
    config = override(load_config(arguments.config), arguments.set)
    use_threads(arguments.threads)
    with_poses = config.consensus.voxel_size_m > 0
    labelled = open_chosen(arguments, arguments.dataset, with_labels=True, with_poses=False)
    unlabelled = open_chosen(arguments, arguments.dataset, with_poses=with_poses)
    with (
        scratch_folder("clip2scene-audit") as folder,
        tqdm(desc="teacher", unit="keyframe", total=len(labelled)) as teacher,
        tqdm(desc="compared", unit="keyframe", total=len(labelled)) as compared,
    ):
        report = audit_labels(
            labelled,
            unlabelled,
            config,
            arguments.cache or folder,
            lambda done, total: _show(teacher, done),
            lambda done, total: _show(compared, done),
            load_voter(arguments),
        )
    print(report.format_report([c.name for c in labelled.classes]))


def _show(bar: Any, done: int) -> None:
    bar.update(done - bar.n)
