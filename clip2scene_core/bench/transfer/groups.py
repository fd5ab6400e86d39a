"""Six coarse classes that the synthetic world and other data sets share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES

GROUPS: Final = ("vehicle", "person or cycle", "flat", "terrain", "manmade", "vegetation")
"""Names of the groups. An index into them is a label."""

MOVABLE: Final = (0, 1)
"""Groups of what can move."""

_CLASSES_OF_GROUP: Final = (
    ("car", "bus", "truck", "trailer", "construction vehicle"),
    ("pedestrian", "bicycle", "motorcycle"),
    ("driveable surface", "sidewalk", "other flat"),
    ("terrain",),
    ("manmade", "barrier", "traffic cone"),
    ("vegetation",),
)

COARSE_PROMPTS: Final = (
    ("car", "van", "bus", "truck", "trailer"),
    ("person", "cyclist", "bicycle", "motorcycle"),
    ("road", "sidewalk"),
    ("grass",),
    ("building", "wall", "fence", "pole"),
    ("tree", "bush", "hedge"),
)
"""Prompts of each group for a person who asks for no more than the groups."""

_SEMANTICKITTI_IDS_OF_GROUP: Final = (
    (10, 13, 16, 18, 20, 252, 256, 257, 258, 259),
    (11, 15, 30, 31, 32, 253, 254, 255),
    (40, 44, 48, 49, 60),
    (72,),
    (50, 51, 52, 80, 81, 99),
    (70, 71),
)
"""Raw ids of SemanticKITTI; "moving" ids (252 to 259) belong to what moves. Other ids, such as
"unlabeled" and "outlier", do not count."""


def group_of_class(names: Sequence[str]) -> NDArray[np.uint8]:
    """Map labels of nuScenes' classes to groups.

    Args:
        names: C names of classes, in the order of their labels.

    Returns:
        (256,) uint8; IGNORE_LABEL for every other label.

    Raises:
        ValueError: If a name is no class of nuScenes.
    """
    group_of_name = {
        name: group for group, members in enumerate(_CLASSES_OF_GROUP) for name in members
    }
    unknown = sorted(set(names) - set(group_of_name))
    if unknown:
        known = ", ".join(one.name for one in NUSCENES_CLASSES)
        raise ValueError(f"no classes of nuScenes: {', '.join(unknown)}; the classes are {known}")
    return _table({label: group_of_name[name] for label, name in enumerate(names)}, 256)


def group_of_semantickitti() -> NDArray[np.uint8]:
    """Map the lower 16 bits of SemanticKITTI's raw labels to groups: (65536,) uint8."""
    groups = enumerate(_SEMANTICKITTI_IDS_OF_GROUP)
    return _table({raw: group for group, ids in groups for raw in ids}, 1 << 16)


def _table(group_of_label: Mapping[int, int], size: int) -> NDArray[np.uint8]:
    table = np.full(size, IGNORE_LABEL, dtype=np.uint8)
    for label, group in group_of_label.items():
        table[label] = group
    return table
