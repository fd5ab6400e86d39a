"""The legend beside labelled scans: which number stands for which class, and how points came."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from clip2scene_core.files.text import read_text
from clip2scene_core.labels import (
    IGNORE_LABEL,
    SEMANTIC_KITTI_CLASSES,
    SEMANTIC_KITTI_RAW_LABELS,
)
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.scans.scan import ScanError

LEGEND: Final = "legend.json"
UNLABELLED: Final = 0
"""Number of a point without a label, in every file for other tools."""

_MAX_ID: Final = 65535  # the upper half of a .label is the object, not the class


@dataclass(frozen=True)
class Legend:
    """What the numbers in the files of a folder mean.

    Attributes:
        vocabulary: C classes; its embeddings are empty, because no file has them.
        ids: C distinct numbers, 1 to 65535; 0 is unlabelled.
        intensity_scale: The sensor's largest intensity in the files; None where it is not known.
        T_base_lidar: (4, 4) float64, how the LiDAR is mounted; None where it is not known, and z of
            the points points up.

    Raises:
        ScanError: If a number is out of its range, or two classes have the same one.
    """

    vocabulary: Vocabulary
    ids: tuple[int, ...]
    intensity_scale: float | None = None
    T_base_lidar: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        is_whole = all(type(number) is int and 0 < number <= _MAX_ID for number in self.ids)
        if not is_whole or {len(set(self.ids)), len(self.ids)} != {len(self.vocabulary)}:
            raise ScanError(
                f"ids of classes must be {len(self.vocabulary)} different whole numbers from 1 to "
                f"{_MAX_ID}, got {list(self.ids)}"
            )

    def encode(self, labels: NDArray[np.uint8]) -> NDArray[np.uint32]:
        """Numbers for other tools, (N,) uint32, of labels (N,) uint8."""
        table = np.full(IGNORE_LABEL + 1, UNLABELLED, dtype="<u4")
        table[: len(self.ids)] = self.ids
        ids: NDArray[np.uint32] = table[labels]
        return ids

    def decode(self, ids: NDArray[np.integer], path: Path) -> NDArray[np.uint8]:
        """Labels, (N,) uint8, of numbers (N,) that a tool saved; 0 becomes IGNORE_LABEL.

        Args:
            ids: Whole numbers.
            path: Their file, for the message.

        Raises:
            ScanError: If a number is not in the legend.
        """
        order = np.argsort(self.ids)
        known = np.asarray(self.ids)[order]
        place = np.minimum(np.searchsorted(known, ids), len(known) - 1)
        is_known = known[place] == ids
        strange = ids[~is_known & (ids != UNLABELLED)]
        if len(strange):
            count = np.count_nonzero(ids == strange[0])
            raise ScanError(
                f"{path}: {count} points have the label {strange[0]}, which {LEGEND} does not "
                f"have; it has {', '.join(f'{n} {name}' for n, name in self._named()[:20])}"
            )
        return np.where(is_known, order[place], IGNORE_LABEL).astype(np.uint8)

    def write(self, path: Path) -> None:
        """Write it as JSON."""
        words = zip(
            self.ids, self.vocabulary.names, self.vocabulary.prompts,
            self.vocabulary.colors.tolist(), strict=True,
        )  # fmt: skip
        content: dict[str, Any] = {
            "unlabelled": UNLABELLED,
            "classes": [
                {"id": number, "name": name, "prompt": prompt, "rgb": color}
                for number, name, prompt, color in words
            ],
        }
        if self.intensity_scale is not None:
            content["intensity_scale"] = self.intensity_scale
        if self.T_base_lidar is not None:
            content["T_base_lidar"] = self.T_base_lidar.tolist()
        path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

    def _named(self) -> list[tuple[int, str]]:
        return list(zip(self.ids, self.vocabulary.names, strict=True))


def read_legend(path: Path) -> Legend:
    """Read a legend that `Legend.write` wrote, perhaps with classes that a person added.

    Args:
        path: JSON file; a class needs `id` and `name`, and may have `prompt` and `rgb`.

    Raises:
        ScanError: If it is missing, no JSON, or not of this form.
    """
    try:
        content = json.loads(read_text(path))
        classes = content["classes"]
        if content.get("unlabelled", UNLABELLED) != UNLABELLED:
            raise ValueError(f"unlabelled must be {UNLABELLED}, got {content['unlabelled']}")
        names = tuple(str(one["name"]) for one in classes)
        prompts = tuple(str(one.get("prompt", one["name"])) for one in classes)
        colors = np.array([one.get("rgb", (200, 200, 200)) for one in classes], np.int64)
        if colors.shape != (len(names), 3) or colors.min() < 0 or colors.max() > 255:
            raise ValueError("rgb must be three numbers from 0 to 255")
        scale, mounting = content.get("intensity_scale"), content.get("T_base_lidar")
        return Legend(
            Vocabulary(names, prompts, colors.astype(np.uint8), torch.zeros(len(names), 0)),
            tuple(one["id"] for one in classes),
            None if scale is None else float(scale),
            None if mounting is None else np.array(mounting, np.float64).reshape(4, 4),
        )
    except FileNotFoundError:
        raise ScanError(
            f"{path} is missing; it says which label stands for which class, and lies where "
            f"'clip2scene export' and 'segment' wrote the labels"
        ) from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise ScanError(f"{path} is no legend of labelled scans: {why}") from error


def number_classes(vocabulary: Vocabulary) -> tuple[int, ...]:
    """Numbers of C classes: SemanticKITTI's raw labels where all have its names, else 1 to C."""
    names = {one.name for one in SEMANTIC_KITTI_CLASSES}
    if names.issuperset(vocabulary.names):
        return tuple(SEMANTIC_KITTI_RAW_LABELS[name][0] for name in vocabulary.names)
    return tuple(range(1, len(vocabulary) + 1))
