"""`clip2scene view`: show a labelled bag in the Rerun viewer."""

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
    from clip2scene_ros.bags.labelled_reader import read_labelled_bag, read_maps
    from clip2scene_ros.viewers.rerun import RerunLog

    viewer = RerunLog(arguments.save)
    sweeps = read_labelled_bag(arguments.bag)
    with viewer:
        for labelled in sweeps:
            viewer.show_sweep(
                labelled.sweep, labelled.cameras, labelled.labels, labelled.vocabulary
            )
        for labelled_map, at_ns in read_maps(arguments.bag):
            viewer.show_map(labelled_map, at_ns)
    if arguments.save is not None:
        print(f"recording: {arguments.save} ({len(sweeps)} sweeps; open it with 'rerun')")
