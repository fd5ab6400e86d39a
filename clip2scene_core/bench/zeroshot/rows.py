"""The rows of the table as settings of one configuration of zero-shot training."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clip2scene_core.config.parser import override
from clip2scene_core.config.zeroshot import ZeroShotConfig

FULL: Final = "full method"
TEACHER: Final = "pseudo labels only"


@dataclass(frozen=True)
class ZeroShotRow:
    """One way to train.

    Attributes:
        name: Name in the table.
        settings: Changes to the configuration of the bench, KEY=VALUE as `override` reads them.
        is_supervised: Whether the labels of unseen classes teach, too: an upper bound.
        note: Note below the table.
    """

    name: str
    settings: tuple[str, ...] = ()
    is_supervised: bool = False
    note: str = ""


@dataclass(frozen=True)
class ZeroShotRun:
    """One training: a row and a seed.

    Attributes:
        row: The row.
        config: Configuration with the seed.
        weights: File of the checkpoint.
    """

    row: ZeroShotRow
    config: ZeroShotConfig
    weights: Path

    @property
    def name(self) -> str:
        """Name of the run, for files."""
        return self.weights.stem


_NO_ALIGNMENT: Final = ("losses.prototype_weight=0", "losses.patch_weight=0")

ROWS: Final = (
    ZeroShotRow(FULL, note="both losses on features, pseudo labels by CLIP, then by the student"),
    ZeroShotRow("without prototype loss", ("losses.prototype_weight=0",)),
    ZeroShotRow("without patch loss", ("losses.patch_weight=0",)),
    ZeroShotRow(
        "without self-training",
        ("self_training.start=1",),
        note="CLIP names the points without a seen label to the end",
    ),
    ZeroShotRow(
        "without pseudo labels",
        ("losses.pseudo_weight=0",),
        note="unseen classes are learned from their words and by the losses on features alone",
    ),
    ZeroShotRow(
        "seen labels only",
        ("losses.pseudo_weight=0", *_NO_ALIGNMENT),
        note="the cross-entropy of seen classes over the words of all, nothing from cameras",
    ),
    ZeroShotRow(
        "full supervision",
        is_supervised=True,
        note="the labels of unseen classes teach, too, with the same network and schedule",
    ),
)
"""What is trained, each with every seed; the table has TEACHER, too."""


def plan_run(row: ZeroShotRow, base: ZeroShotConfig, seed: int, work: Path) -> ZeroShotRun:
    """Plan the training of a row with a seed in the folder of a bench.

    Raises:
        ConfigError: If a setting does not fit.
    """
    config = override(base, row.settings)
    config = replace(config, training=replace(config.training, seed=seed))
    name = "-".join(re.findall(r"\w+", row.name.lower()))
    return ZeroShotRun(row, config, work / "students" / f"{name}-{seed}.safetensors")
