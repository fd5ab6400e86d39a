"""`--from`: the trained network that a training begins with."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clip2scene_core.training.pretrained import Pretrained

SCRATCH: Final = "scratch"


def add_start_argument(parser: argparse.ArgumentParser, default: str = SCRATCH) -> None:
    """Declare --from.

    Args:
        parser: Of the command.
        default: What it begins with if nothing is said.
    """
    parser.add_argument(
        "--from",
        dest="start",
        default=default,
        metavar="CHECKPOINT",
        help="student to begin with: small, large, a file of any training here or of "
        f"'import-checkpoint'; {SCRATCH} begins with random weights (default: {default})",
    )


def load_start(arguments: argparse.Namespace) -> Pretrained | None:
    """Read what --from names; None for random weights.

    Raises:
        CheckpointError: If the file cannot be used.
    """
    from clip2scene_core.training.pretrained import load_pretrained

    return None if arguments.start == SCRATCH else load_pretrained(arguments.start)
