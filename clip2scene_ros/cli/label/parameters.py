"""`clip2scene parameters`: write the node's parameter table as Markdown or a parameter file."""

from __future__ import annotations

import argparse

from clip2scene_ros.node.parameters.export import parameters_markdown, parameters_yaml

SUMMARY = "list the parameters of the ROS 2 node"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--yaml", action="store_true", help="as a parameter file with the defaults")


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    print(parameters_yaml() if arguments.yaml else parameters_markdown(), end="")
