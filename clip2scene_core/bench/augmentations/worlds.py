"""The worlds of the bench: fewer and coarser ones than those that teach a student that ships."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from clip2scene_core.bench.splits import quick_world
from clip2scene_core.bench.transfer.worlds import lidar_worlds
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import (
    HELD_OUT_LIDARS,
    SPLITS,
    TRAINING_WORLDS,
    benchmark_options,
)

STREET: Final = "street"
SEEN_LIDARS: Final = ("VLP-16", "HDL-64E")
"""Two of those that training has; `HELD_OUT_LIDARS` are those that it has not."""

_VARIED_SEED: Final = 101
_NUM_SCENES: Final = {"train": 32, "varied": 48}
_LIDAR_COLUMNS: Final = 360
_LIDAR_MAX_POINTS: Final = 12_000


def bench_worlds(is_quick: bool) -> dict[str, WorldOptions]:
    """Options of all data sets by name: two to train on, the street, one for each LiDAR model.

    The numbers are of scenes that one may choose by: the street is the split `val`, and the varied
    scenes are others than those of `bench transfer`.
    """
    worlds = {
        name: replace(world, num_scenes=_NUM_SCENES[name], with_ground_truth=False)
        for name, world in TRAINING_WORLDS.items()
    }
    worlds["train"] = replace(worlds["train"], lidar_columns=_LIDAR_COLUMNS)
    worlds["varied"] = replace(worlds["varied"], lidar_max_points=_LIDAR_MAX_POINTS)
    val = next(split for split in SPLITS if split.name == "val")
    street = replace(benchmark_options(val), seconds=0.5, with_ground_truth=False, cameras="none")
    measured = {STREET: street, **lidar_worlds((*SEEN_LIDARS, *HELD_OUT_LIDARS), _VARIED_SEED)}
    worlds |= measured
    return {name: quick_world(world) for name, world in worlds.items()} if is_quick else worlds
