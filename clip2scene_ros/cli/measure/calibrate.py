"""`clip2scene calibrate`: make a student's scores come true."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from clip2scene_ros.cli.arguments import (
    add_dataset_arguments,
    add_split_argument,
    add_threads_argument,
    open_chosen,
)

SUMMARY = "fit a student's scores to labelled scenes that it was not trained on"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    add_dataset_arguments(
        parser,
        "data sets with labels, of any layout; not the test split",
        has_several=True,
    )
    add_split_argument(parser)
    parser.add_argument("--weights", default="small", help="student, small or large")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint (.safetensors)")
    add_threads_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.bench.measure.unknown import calibrate, embed_points
    from clip2scene_core.bench.measure.unknown import calibration_error as error_of
    from clip2scene_core.checkpoint import load_checkpoint, save_checkpoint
    from clip2scene_core.datasets import JoinedDataset
    from clip2scene_core.device import use_threads
    from clip2scene_core.inference.segmenter import Segmenter

    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {arguments.out}")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")
    use_threads(arguments.threads)
    dataset = JoinedDataset(
        [
            open_chosen(arguments, root, with_labels=True, with_images=False)
            for root in arguments.dataset
        ]
    )
    segmenter = Segmenter(load_checkpoint(arguments.weights))
    points = embed_points(segmenter, dataset)
    before = error_of(segmenter, points)
    calibrated = replace(segmenter.checkpoint, calibration=calibrate(segmenter, points))
    after = error_of(Segmenter(calibrated), points)
    assert calibrated.calibration is not None
    save_checkpoint(arguments.out, calibrated)
    print(f"{len(points.labels)} points of {len(dataset)} keyframes")
    print(f"temperature of the scores: {calibrated.calibration.temperature:.3f}")
    print(f'cosine of "none of these words": {calibrated.calibration.nothing_cosine:.3f}')
    print(f"expected calibration error: {100 * before:.1f} % before, {100 * after:.1f} % after")
    print(f"student with calibrated scores: {arguments.out}")
