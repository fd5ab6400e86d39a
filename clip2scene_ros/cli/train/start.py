"""`--from` and `--voter`: trained networks that a training begins with, or listens to."""

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


def add_voter_argument(parser: argparse.ArgumentParser, otherwise: str) -> None:
    """Declare --voter.

    Args:
        parser: Of the command.
        otherwise: Who votes if nothing is said.
    """
    parser.add_argument(
        "--voter",
        metavar="CHECKPOINT",
        help="student of the same CLIP that votes beside the cameras if consensus.student_weight "
        f"is not 0: small, large or a file; its network may be another one (default: {otherwise})",
    )


def load_voter(arguments: argparse.Namespace) -> Pretrained | None:
    """Read what --voter names; None if nothing was said.

    Raises:
        CheckpointError: If the file cannot be used.
    """
    from clip2scene_core.training.pretrained import load_pretrained

    return None if arguments.voter is None else load_pretrained(arguments.voter)
