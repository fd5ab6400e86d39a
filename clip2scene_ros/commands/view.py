"""`clip2scene view`: a labelled bag in the Rerun viewer."""

from __future__ import annotations

import argparse
from pathlib import Path

SUMMARY = "show a labelled bag in Rerun, in three dimensions and over time"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("bag", type=Path, help="bag that segment or demo wrote")
    parser.add_argument("--save", type=Path, help="write a .rrd file instead of opening a window")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_ros.report import read_labelled_bag
    from clip2scene_ros.rerun_log import log_sweeps

    if arguments.save is not None and arguments.save.exists():
        raise ValueError(f"{arguments.save} exists; choose another --save or remove it")
    sweeps = read_labelled_bag(arguments.bag)
    log_sweeps(sweeps, arguments.save)
    if arguments.save is not None:
        print(f"recording: {arguments.save} ({len(sweeps)} sweeps; open it with 'rerun')")
