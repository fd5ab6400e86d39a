"""The splits of the benchmark.

`train` is for training, `val` for tuning. `test` is only for the final scores of the bench: do not
choose anything by its scores.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.world.dataset.options import WorldOptions


@dataclass(frozen=True)
class Split:
    """The scenes of one seed.

    Attributes:
        name: Name of the split and of its folder.
        seed: Seed of its world. Splits have different seeds, so they share no scene and no token.
        num_scenes: Number of sequences.
    """

    name: str
    seed: int
    num_scenes: int


SPLITS: Final = (Split("train", 1, 120), Split("val", 100, 30), Split("test", 300, 40))


def benchmark_options(split: Split) -> WorldOptions:
    """The options of a split: three keyframes per scene, at a size for two processor cores."""
    return WorldOptions(
        num_scenes=split.num_scenes,
        seed=split.seed,
        seconds=1.5,
        image_size=(224, 400),
        lidar_columns=542,
        is_every_frame=False,
        with_ground_truth=True,
    )
