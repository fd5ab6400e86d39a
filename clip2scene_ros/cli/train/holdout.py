"""The stretch that a training on recordings does not see."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clip2scene_core.datasets import KeyframeDataset

_SHARE: Final = 0.1


def add_holdout_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --hold-out."""
    parser.add_argument(
        "--hold-out",
        type=float,
        metavar="SHARE",
        help=f"keep the last scenes, this share of the keyframes, out of the training, and compare "
        f"student and teacher on them at the end; default: {_SHARE} of recordings, else 0",
    )


def hold_out(
    dataset: KeyframeDataset, share: float | None, is_recording: bool
) -> tuple[KeyframeDataset, KeyframeDataset | None]:
    """Part a data set by --hold-out; see `hold_out_scenes`.

    Args:
        dataset: All keyframes.
        share: The argument, None if it was not given.
        is_recording: Whether the data set was made of recordings.

    Raises:
        ValueError: If the share is out of its range.
    """
    from clip2scene_core.datasets.chosen_scenes import hold_out_scenes

    wanted = (_SHARE if is_recording else 0.0) if share is None else share
    left, held = hold_out_scenes(dataset, wanted)
    if wanted and held is None:
        print(
            "nothing is held out: there is one scene only; record more, or give a shorter "
            "--scene-length",
            file=sys.stderr,
        )
    return left, held
