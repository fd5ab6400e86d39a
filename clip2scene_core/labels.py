"""Class tables of the data sets: names, prompts, colors, and the maps of raw labels.

nuScenes has 16 classes, SemanticKITTI 19, ScanNet 20.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

IGNORE_LABEL: Final = 255
"""Label of a point without a class: unlabelled, noise, ego, out of range, not finite."""

IGNORE_COLOR: Final = (80, 80, 80)
"""(red, green, blue) of such a point, 0-255."""


@dataclass(frozen=True)
class SemanticClass:
    """One class of a data set.

    Attributes:
        name: Name in the data set, with spaces in place of underscores and dots.
        prompt: Default prompt for CLIP.
        color: (red, green, blue), 0-255.
    """

    name: str
    prompt: str
    color: tuple[int, int, int]


NUSCENES_CLASSES: Final = (
    SemanticClass("barrier", "barrier", (255, 120, 50)),
    SemanticClass("bicycle", "bicycle", (255, 192, 203)),
    SemanticClass("bus", "bus", (255, 255, 0)),
    SemanticClass("car", "car", (0, 150, 245)),
    SemanticClass("construction vehicle", "excavator", (0, 255, 255)),
    SemanticClass("motorcycle", "motorcycle", (200, 180, 0)),
    SemanticClass("pedestrian", "pedestrian", (255, 0, 0)),
    SemanticClass("traffic cone", "traffic cone", (255, 240, 150)),
    SemanticClass("trailer", "trailer", (135, 60, 0)),
    SemanticClass("truck", "truck", (160, 32, 240)),
    SemanticClass("driveable surface", "road", (255, 0, 255)),
    SemanticClass("other flat", "traffic island", (139, 137, 137)),
    SemanticClass("sidewalk", "sidewalk", (75, 0, 75)),
    SemanticClass("terrain", "grass", (150, 240, 80)),
    SemanticClass("manmade", "building", (230, 230, 250)),
    SemanticClass("vegetation", "tree", (0, 175, 0)),
)
"""The 16 classes of nuScenes-lidarseg; the index of a class is its label."""

NUSCENES_RAW_CATEGORIES: Final = (
    "noise",
    "animal",
    "human.pedestrian.adult",
    "human.pedestrian.child",
    "human.pedestrian.construction_worker",
    "human.pedestrian.personal_mobility",
    "human.pedestrian.police_officer",
    "human.pedestrian.stroller",
    "human.pedestrian.wheelchair",
    "movable_object.barrier",
    "movable_object.debris",
    "movable_object.pushable_pullable",
    "movable_object.trafficcone",
    "static_object.bicycle_rack",
    "vehicle.bicycle",
    "vehicle.bus.bendy",
    "vehicle.bus.rigid",
    "vehicle.car",
    "vehicle.construction",
    "vehicle.emergency.ambulance",
    "vehicle.emergency.police",
    "vehicle.motorcycle",
    "vehicle.trailer",
    "vehicle.truck",
    "flat.driveable_surface",
    "flat.other",
    "flat.sidewalk",
    "flat.terrain",
    "static.manmade",
    "static.other",
    "static.vegetation",
    "vehicle.ego",
)
"""The 32 raw categories of nuScenes-lidarseg; the index of a name is the byte in the .bin file."""

_RAW_TO_CLASS: Final = {
    9: 0, 14: 1, 15: 2, 16: 2, 17: 3, 18: 4, 21: 5, 2: 6, 3: 6, 4: 6, 6: 6, 12: 7,
    22: 8, 23: 9, 24: 10, 25: 11, 26: 12, 27: 13, 28: 14, 30: 15,
}  # fmt: skip


def nuscenes_label_map() -> NDArray[np.uint8]:
    """Build the lookup table from raw lidarseg bytes to the 16 classes.

    Returns:
        (256,) uint8; entry r is the label of raw category r, IGNORE_LABEL if it has none.
    """
    label_map = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    for raw, label in _RAW_TO_CLASS.items():
        label_map[raw] = label
    return label_map


SEMANTIC_KITTI_CLASSES: Final = (
    SemanticClass("car", "car", (100, 150, 245)),
    SemanticClass("bicycle", "bicycle", (100, 230, 245)),
    SemanticClass("motorcycle", "motorcycle", (30, 60, 150)),
    SemanticClass("truck", "truck", (80, 30, 180)),
    SemanticClass("other vehicle", "bus", (0, 0, 255)),
    SemanticClass("person", "person", (255, 30, 30)),
    SemanticClass("bicyclist", "bicyclist", (255, 40, 200)),
    SemanticClass("motorcyclist", "motorcyclist", (150, 30, 90)),
    SemanticClass("road", "road", (255, 0, 255)),
    SemanticClass("parking", "parking lot", (255, 150, 255)),
    SemanticClass("sidewalk", "sidewalk", (75, 0, 75)),
    SemanticClass("other ground", "traffic island", (175, 0, 75)),
    SemanticClass("building", "building", (255, 200, 0)),
    SemanticClass("fence", "fence", (255, 120, 50)),
    SemanticClass("vegetation", "tree", (0, 175, 0)),
    SemanticClass("trunk", "tree trunk", (135, 60, 0)),
    SemanticClass("terrain", "grass", (150, 240, 80)),
    SemanticClass("pole", "pole", (255, 240, 150)),
    SemanticClass("traffic sign", "traffic sign", (255, 0, 0)),
)
"""The 19 classes of SemanticKITTI; the index of a class is its label."""

SEMANTIC_KITTI_RAW_LABELS: Final = {
    "car": (10, 252),
    "bicycle": (11,),
    "motorcycle": (15,),
    "truck": (18, 258),
    "other vehicle": (20, 13, 16, 256, 257, 259),
    "person": (30, 254),
    "bicyclist": (31, 253),
    "motorcyclist": (32, 255),
    "road": (40, 60),
    "parking": (44,),
    "sidewalk": (48,),
    "other ground": (49,),
    "building": (50,),
    "fence": (51,),
    "vegetation": (70,),
    "trunk": (71,),
    "terrain": (72,),
    "pole": (80,),
    "traffic sign": (81,),
}
"""Raw labels of each class; moving objects (252 to 259) fall into the class of standing ones.

The first one of a class is what predictions are written as.
"""

_SEMANTIC_KITTI_WITHOUT_CLASS: Final = (0, 1, 52, 99)
"""Raw labels of no class: unlabelled, outliers, other structures, other objects."""


def semantic_kitti_label_map() -> dict[int, int]:
    """Map each raw label of SemanticKITTI to its class, IGNORE_LABEL if it has none.

    A raw label is the lower half of the 32 bits in the file; the upper half counts instances.
    """
    label_map = dict.fromkeys(_SEMANTIC_KITTI_WITHOUT_CLASS, IGNORE_LABEL)
    for label, one in enumerate(SEMANTIC_KITTI_CLASSES):
        label_map |= dict.fromkeys(SEMANTIC_KITTI_RAW_LABELS[one.name], label)
    return label_map


SCANNET_CLASSES: Final = (
    SemanticClass("wall", "wall", (174, 199, 232)),
    SemanticClass("floor", "floor", (152, 223, 138)),
    SemanticClass("cabinet", "cabinet", (31, 119, 180)),
    SemanticClass("bed", "bed", (255, 187, 120)),
    SemanticClass("chair", "chair", (188, 189, 34)),
    SemanticClass("sofa", "sofa", (140, 86, 75)),
    SemanticClass("table", "table", (255, 152, 150)),
    SemanticClass("door", "door", (214, 39, 40)),
    SemanticClass("window", "window", (197, 176, 213)),
    SemanticClass("bookshelf", "bookshelf", (148, 103, 189)),
    SemanticClass("picture", "picture", (196, 156, 148)),
    SemanticClass("counter", "counter", (23, 190, 207)),
    SemanticClass("desk", "desk", (247, 182, 210)),
    SemanticClass("curtain", "curtain", (219, 219, 141)),
    SemanticClass("refrigerator", "refrigerator", (255, 127, 14)),
    SemanticClass("shower curtain", "shower curtain", (158, 218, 229)),
    SemanticClass("toilet", "toilet", (44, 160, 44)),
    SemanticClass("sink", "sink", (112, 128, 144)),
    SemanticClass("bathtub", "bathtub", (227, 119, 194)),
    SemanticClass("other furniture", "other furniture", (82, 84, 163)),
)
"""The 20 classes of ScanNet's benchmark; the index of a class is its label."""

SCANNET_RAW_LABELS: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 14, 16, 24, 28, 33, 34, 36, 39)
"""The label of each class among NYU's 40, which ScanNet's files hold."""


def scannet_label_map() -> NDArray[np.uint8]:
    """Build the lookup table from NYU's 40 labels to the 20 classes of ScanNet.

    Returns:
        (41,) uint8; entry r is the class of the raw label r, IGNORE_LABEL if it has none. 0 is
        unlabelled.
    """
    label_map = np.full(41, IGNORE_LABEL, dtype=np.uint8)
    label_map[list(SCANNET_RAW_LABELS)] = np.arange(len(SCANNET_CLASSES))
    return label_map
