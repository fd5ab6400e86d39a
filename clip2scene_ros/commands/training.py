"""Arguments of whatever reads a training configuration, and what no training begins with."""

from __future__ import annotations

import argparse
from pathlib import Path

from clip2scene_ros.commands.threads import add_threads_argument


def add_config_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare --config and --set.

    Args:
        parser: Of the command.
        example: KEY=VALUE that the configuration knows.
    """
    parser.add_argument("--config", type=Path, help="YAML file that overrides the defaults")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help=f"override one value, for example {example}; may be repeated",
    )


def add_training_arguments(parser: argparse.ArgumentParser, example: str) -> None:
    """Declare what is the same for every training.

    Args:
        parser: Of the command.
        example: KEY=VALUE that its configuration knows.
    """
    add_config_arguments(parser, example)
    parser.add_argument(
        "--print-config", action="store_true", help="print the resolved configuration and stop"
    )
    parser.add_argument("--out", type=Path, help="checkpoint (.safetensors)")
    parser.add_argument(
        "--log", type=Path, metavar="DIR", help="write steps.csv there, and TensorBoard's events"
    )
    parser.add_argument("--save-every", type=int, default=500, help="steps between two states")
    parser.add_argument("--workers", type=int, default=0, help="processes that load keyframes")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, or cuda:N")
    parser.add_argument(
        "--processes", type=int, default=1, help="processes on this machine, one GPU each"
    )
    parser.add_argument("--nodes", type=int, default=1, help="machines, under torchrun or SLURM")
    add_threads_argument(parser)


def check_training_arguments(arguments: argparse.Namespace) -> None:
    """Refuse a training that could not end well.

    Raises:
        ValueError: If there is no data set, or the checkpoint cannot be written where it should.
    """
    if arguments.dataset is None or arguments.out is None:
        raise ValueError("name a data set and --out; --print-config alone needs neither")
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out must end in .safetensors, got {arguments.out}")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} exists; choose another --out or remove it")
