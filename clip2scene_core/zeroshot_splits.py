"""Zero-shot splits: which classes of a data set a training may see labels of, by class name."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class ZeroShotSplit:
    """A division of the classes of a data set. What is neither unseen nor ignored is seen.

    Attributes:
        unseen: Names of the classes whose labels no training may read.
        ignored: Names of the classes that are left out of training and evaluation.

    Raises:
        ValueError: If a name is there twice.
    """

    unseen: tuple[str, ...]
    ignored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        names = (*self.unseen, *self.ignored)
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(
                f"a split names {', '.join(twice)} twice; a class is seen, unseen or ignored"
            )

    def check(self, classes: Collection[str]) -> None:
        """Refuse classes that the split does not fit.

        Raises:
            ValueError: If an unseen or ignored class is not among `classes`, or none is unseen.
        """
        unknown = [name for name in (*self.unseen, *self.ignored) if name not in classes]
        if unknown:
            raise ValueError(
                f"the split names {', '.join(unknown)}, but the classes are {', '.join(classes)}; "
                f"name classes of the data set, or one of the splits {', '.join(ZEROSHOT_SPLITS)}"
            )
        if not self.unseen:
            raise ValueError("the split has no unseen class; name at least one")

    def seen(self, classes: Sequence[str]) -> tuple[str, ...]:
        """The names among `classes` that are neither unseen nor ignored, in their order."""
        return tuple(name for name in classes if name not in (*self.unseen, *self.ignored))


ZEROSHOT_SPLITS: Final = {
    "nuscenes": ZeroShotSplit(("motorcycle", "trailer", "terrain", "traffic cone")),
    "semantickitti": ZeroShotSplit(("motorcycle", "truck", "bicyclist", "traffic sign")),
    "nuscenes_b12_n3": ZeroShotSplit(
        ("motorcycle", "pedestrian", "traffic cone"), ignored=("other flat",)
    ),
    "nuscenes_b10_n5": ZeroShotSplit(
        ("barrier", "motorcycle", "pedestrian", "traffic cone", "sidewalk"), ignored=("other flat",)
    ),
    "scannet_b15_n4": ZeroShotSplit(
        ("sofa", "bookshelf", "desk", "toilet"), ignored=("other furniture",)
    ),
    "scannet_b12_n7": ZeroShotSplit(
        ("bed", "chair", "table", "bookshelf", "picture", "sink", "bathtub"),
        ignored=("other furniture",),
    ),
    "scannet_b10_n9": ZeroShotSplit(
        (
            "bookshelf",
            "picture",
            "counter",
            "desk",
            "refrigerator",
            "shower curtain",
            "toilet",
            "sink",
            "bathtub",
        ),
        ignored=("other furniture",),
    ),
}
"""Published splits by name. "nuscenes": Chen et al., Zero-shot Point Cloud Segmentation by
Transferring Geometric Primitives (arXiv 2210.09923). "semantickitti": 3DGenZ (Michele et al., 3DV
2021). "nuscenes_b12_n3", "scannet_b15_n4" and so on: 12 base and 3 novel classes, as the line of
PLA (CVPR 2023) and RegionPLC (CVPR 2024) has them."""


def find_split(names: Sequence[str], classes: Collection[str]) -> ZeroShotSplit:
    """Find a split by its name, or make one of unseen classes.

    Args:
        names: The name of one of ZEROSHOT_SPLITS, or the names of the unseen classes.
        classes: Names of all classes of the data set.

    Raises:
        ValueError: If the split does not fit the classes.
    """
    is_named = len(names) == 1 and names[0] in ZEROSHOT_SPLITS
    split = ZEROSHOT_SPLITS[names[0]] if is_named else ZeroShotSplit(tuple(names))
    split.check(classes)
    return split
