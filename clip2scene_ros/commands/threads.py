"""The argument --threads, which every computing command has."""

from __future__ import annotations

import argparse


def add_threads_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --threads."""
    parser.add_argument(
        "--threads", type=int, default=0, help="torch's threads; 0 takes half of the processors"
    )
