"""The worlds of the transfer bench: the flat street, and varied scenes for each LiDAR model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.splits import SPLITS, VARIED_TRAIN, benchmark_options
from clip2scene_core.world.dataset.tables import Tables
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES

_SEED: Final = 301
_NUM_SCENES: Final = 16


def is_trained_in_varied_world(scene_tokens: Sequence[str]) -> bool:
    """Whether any of these scenes is one of `VARIED_TRAIN`."""
    tables = Tables(VARIED_TRAIN)
    own = {tables.token("scene", index) for index in range(VARIED_TRAIN.num_scenes)}
    return bool(own & set(scene_tokens))


def test_worlds() -> dict[str, WorldOptions]:
    """Options of the test data sets by name: "street", then two for each LiDAR model.

    "street" is the test split of the world bench: flat, with one sensor. None has images. Those by
    "surfaces-" and a model's name show what "lidar-" shows, with surfaces that vary.
    """
    street = next(split for split in SPLITS if split.name == "test")
    lidars = lidar_worlds(MODEL_NAMES, _SEED)
    return {
        "street": replace(benchmark_options(street), with_ground_truth=False, cameras="none"),
        **lidars,
        **{surfaces_twin(name): replace(one, surfaces="varied") for name, one in lidars.items()},
    }


def surfaces_twin(lidar_world: str) -> str:
    """Name of the data set with other surfaces that shows what one of `lidar_worlds` shows."""
    return lidar_world.replace("lidar-", "surfaces-", 1)


def lidar_worlds(models: Sequence[str], seed: int) -> dict[str, WorldOptions]:
    """Options of a data set for each of these LiDAR models, by "lidar-" and its name.

    All show the same varied scenes of a seed, from the same places, and have no images.
    """
    varied = replace(
        VARIED_TRAIN,
        num_scenes=_NUM_SCENES,
        seed=seed,
        seconds=0.5,
        previous_sweeps=0,
        cameras="none",
        held_out_lidars=(),
    )
    return {f"lidar-{name}": replace(varied, lidar=name) for name in models}
