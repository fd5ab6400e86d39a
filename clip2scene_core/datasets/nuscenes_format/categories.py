"""The raw labels of a lidarseg folder: nuScenes' own, or what another category.json names."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.nuscenes_format.rows import text_of
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables
from clip2scene_core.files.damage import shortened
from clip2scene_core.labels import (
    IGNORE_LABEL,
    NUSCENES_CLASSES,
    NUSCENES_RAW_CATEGORIES,
    SemanticClass,
    nuscenes_label_map,
)
from clip2scene_core.sample import DatasetError

_WITHOUT_CLASS: Final = frozenset(
    ("unlabeled", "unlabelled", "noise", "void", "ignore", "ignored", "outlier", "unknown", "none")
)
"""Names of categories whose points have no class."""
_NO_CATEGORY: Final = 254


@dataclass(frozen=True)
class Categories:
    """What the raw labels of a data set mean.

    Attributes:
        classes: The classes; the index of a class is its label.
        label_of_raw: (256,) uint8, the label of each raw one; IGNORE_LABEL for those without a
            class, 254 for those that the data set does not name.
    """

    classes: tuple[SemanticClass, ...]
    label_of_raw: NDArray[np.uint8]

    def map(self, raw: NDArray[np.uint8], path: Path) -> NDArray[np.uint8]:
        """Map raw labels (N,) uint8 to labels (N,) uint8.

        Args:
            raw: As in the file.
            path: The file, for the message.

        Raises:
            DatasetError: If a raw label has no category.
        """
        labels: NDArray[np.uint8] = self.label_of_raw[raw]
        unknown = raw[labels == _NO_CATEGORY]
        if len(unknown):
            raise DatasetError(
                f"{path} holds the raw label {unknown.max()}, but the categories end at "
                f"{np.flatnonzero(self.label_of_raw != _NO_CATEGORY).max()} or leave it out; is it "
                f"a lidarseg file?"
            )
        return labels


def read_categories(tables: NuScenesTables) -> Categories:
    """Read category.json: nuScenes' 32 categories make its 16 classes, others make their own.

    A category of another data set is a class of its own, unless it is called "unlabeled", "noise",
    "void" or so. The prompt of "vehicle.fire_truck" is "fire truck".

    Raises:
        DatasetError: If a category has no number, two have the same one, or nuScenes' own names are
            numbered otherwise.
    """
    table = tables.table("category")
    name_of_raw: dict[int, str] = {}
    for index, name in tables.read_table(
        "category", lambda row: (row.get("index"), text_of(row, "name"))
    ):
        if not isinstance(index, int) or not 0 <= index < 256:
            raise DatasetError(
                f"{table} gives {shortened(repr(name), 60)} the lidarseg index "
                f"{shortened(repr(index), 60)}, not one of 0 to 255; install "
                f"the lidarseg tables or open the data set without labels"
            )
        if name_of_raw.get(index, name) != name:
            raise DatasetError(
                f"{table} calls the raw label {index} both "
                f"{shortened(repr(name_of_raw[index]), 60)} and {shortened(repr(name), 60)}"
            )
        name_of_raw[index] = name
    if set(name_of_raw.values()) <= set(NUSCENES_RAW_CATEGORIES):
        return _nuscenes(table, name_of_raw)
    return _own(table, name_of_raw)


def _nuscenes(table: Path, name_of_raw: dict[int, str]) -> Categories:
    for index, name in name_of_raw.items():
        known = dict(enumerate(NUSCENES_RAW_CATEGORIES)).get(index)
        if known != name:
            raise DatasetError(
                f"{table} calls the raw label {index} {name!r}, nuScenes-lidarseg calls it "
                f"{known!r}"
            )
    label_of_raw = nuscenes_label_map()
    label_of_raw[len(NUSCENES_RAW_CATEGORIES) :] = _NO_CATEGORY
    return Categories(NUSCENES_CLASSES, label_of_raw)


def _own(table: Path, name_of_raw: dict[int, str]) -> Categories:
    label_of_raw = np.full(256, _NO_CATEGORY, dtype=np.uint8)
    label_of_name: dict[str, int] = {}
    prompts = []
    for index, raw_name in sorted(name_of_raw.items()):
        name = " ".join(raw_name.replace("_", " ").replace(".", " ").split())
        if name.lower() in _WITHOUT_CLASS:
            label_of_raw[index] = IGNORE_LABEL
            continue
        if name not in label_of_name:
            label_of_name[name] = len(label_of_name)
            prompts.append(" ".join(raw_name.split(".")[-1].replace("_", " ").split()))
        label_of_raw[index] = label_of_name[name]
    if not 1 <= len(label_of_name) < _NO_CATEGORY:
        raise DatasetError(f"{table} must name 1 to 253 classes, got {len(label_of_name)}")
    known = {scene_class.name: scene_class.color for scene_class in NUSCENES_CLASSES}
    classes = tuple(
        SemanticClass(name, prompt, known.get(name, _color(number / len(prompts))))
        for number, (name, prompt) in enumerate(zip(label_of_name, prompts, strict=True))
    )
    return Categories(classes, label_of_raw)


def _color(hue: float) -> tuple[int, int, int]:
    red, green, blue = (round(255 * value) for value in colorsys.hsv_to_rgb(hue, 0.7, 0.9))
    return red, green, blue
