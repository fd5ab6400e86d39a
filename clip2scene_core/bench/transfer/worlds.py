"""The worlds of the transfer bench: the flat street, and varied scenes for each LiDAR model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import SPLITS, VARIED_TRAIN, benchmark_options
from clip2scene_core.world.dataset.tables import Tables
from clip2scene_core.world.render.lidar_models import MODEL_NAMES

_SEED: Final = 301
_NUM_SCENES: Final = 16


def is_trained_in_varied_world(scene_tokens: Sequence[str]) -> bool:
    """Whether any of these scenes is one of `VARIED_TRAIN`."""
    tables = Tables(VARIED_TRAIN)
    own = {tables.token("scene", index) for index in range(VARIED_TRAIN.num_scenes)}
    return bool(own & set(scene_tokens))


def test_worlds() -> dict[str, WorldOptions]:
    """Options of the test data sets by name: "street", then one for each LiDAR model.

    "street" is the test split of the world bench: flat, with one sensor. The others show the same
    varied scenes, from the same places, to one LiDAR model each. None has images.
    """
    street = next(split for split in SPLITS if split.name == "test")
    varied = replace(
        VARIED_TRAIN,
        num_scenes=_NUM_SCENES,
        seed=_SEED,
        seconds=0.5,
        previous_sweeps=0,
        cameras="none",
        held_out_lidars=(),
    )
    return {
        "street": replace(benchmark_options(street), with_ground_truth=False, cameras="none"),
        **{f"lidar-{name}": replace(varied, lidar=name) for name in MODEL_NAMES},
    }
