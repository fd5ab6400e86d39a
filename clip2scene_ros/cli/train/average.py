"""`clip2scene average`: the mean of a student before and after further trainings."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "average a student's weights before and after further trainings (pretrain --from)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("before", help="what --from had: a student's checkpoint, small or large")
    parser.add_argument(
        "after", nargs="+", type=Path, help="the student that a training from it wrote, or several"
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint (.safetensors)")
    parser.add_argument(
        "--share",
        type=float,
        metavar="S",
        help="of AFTER in the mean, from 0 to 1 (of several, without BEFORE); by default all "
        "students have alike",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.checkpoint import save_checkpoint
    from clip2scene_core.training.averaging import average_students

    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {arguments.out}")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")
    save_checkpoint(
        arguments.out, average_students(arguments.before, arguments.after, arguments.share)
    )
    print(f"student: {arguments.out}; its scores are not calibrated ('clip2scene calibrate')")
