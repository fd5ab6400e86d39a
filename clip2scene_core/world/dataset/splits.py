"""The splits of the benchmarks.

`train` is for training, `val` for tuning. `test` is only for the final scores of the bench: do not
choose anything by its scores. These three show flat streets to one sensor. `VARIED_TRAIN` has other
places, terrain and LiDARs in every scene. `TRAINING_WORLDS` are what teaches a student.
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


HELD_OUT_LIDARS: Final = ("OS1-128", "Pandar40P", "XT32")
"""LiDAR models that no scene of `VARIED_TRAIN` has, to measure what an unseen one costs."""

VARIED: Final[dict[str, str]] = {
    "lidar": "mixed",
    "placement": "mixed",
    "terrain": "varied",
    "places": "mixed",
    "surfaces": "plain",
}
"""Options of a world whose scenes differ in everything but their cameras.

Six cameras in a circle see most points several times. Where there are fewer, fewer pixels vote on
the label of a point, and most points have none.
"""

VARIED_TRAIN: Final = WorldOptions(
    num_scenes=200,
    seed=2,
    seconds=1.5,
    is_every_frame=False,
    lidar="mixed",
    placement="mixed",
    cameras="nuscenes",
    terrain="varied",
    places="mixed",
    held_out_lidars=HELD_OUT_LIDARS,
    lidar_max_points=24_000,
)
"""Scenes that differ in place, terrain and LiDAR."""

TRAINING_WORLDS: Final[dict[str, WorldOptions]] = {
    "train": benchmark_options(SPLITS[0]),
    "varied": VARIED_TRAIN,
}
"""The data sets that teach a student, by name: the flat streets of `SPLITS`, and other scenes."""
