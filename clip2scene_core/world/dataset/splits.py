"""The benchmark's splits: which scenes train, which tune, which are only measured on.

`train` is for training. `val` is to tune on. `test` is for the bench alone: whoever looks at it to
choose anything, has no test split any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.world.dataset.options import WorldOptions


@dataclass(frozen=True)
class Split:
    """Scenes of one seed.

    Attributes:
        name: Also the folder's name.
        seed: No two splits share one, so they share no scene and no token.
        num_scenes: How many drives.
    """

    name: str
    seed: int
    num_scenes: int


SPLITS: Final = (Split("train", 1, 120), Split("val", 100, 30), Split("test", 300, 40))


def benchmark_options(split: Split) -> WorldOptions:
    """What the benchmark writes of a split: three keyframes a scene, at a size for two cores."""
    return WorldOptions(
        num_scenes=split.num_scenes,
        seed=split.seed,
        seconds=1.5,
        image_size=(224, 400),
        lidar_columns=542,
        is_every_frame=False,
        with_ground_truth=True,
    )
