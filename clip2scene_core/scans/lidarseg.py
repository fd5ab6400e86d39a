"""Labels of a data set in nuScenes' format as nuScenes has them: a byte a point, by token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.labels import (
    IGNORE_LABEL,
    NUSCENES_CLASSES,
    NUSCENES_RAW_CATEGORIES,
    nuscenes_label_map,
)
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.scans.folders import SCANS
from clip2scene_core.scans.legend import LEGEND, Legend
from clip2scene_core.scans.scan import LabelledScan, ScanError

_UNLABELLED: Final = "unlabeled"  # as other data sets call it; nuScenes' own is "noise"


class LidarsegFolder:
    """A folder of labels for a data set in nuScenes' format, written keyframe by keyframe.

    It has lidarseg/VERSION/TOKEN_lidarseg.bin (uint8), VERSION/lidarseg.json and
    VERSION/category.json: laid over the data set they are its lidarseg labels. Where all classes
    are called as nuScenes' 16, categories are its 32; else category 0 is "unlabeled" and the words
    follow. Beside them are legend.json and scans.json as `LabelledFolder` has them.

    Args:
        root: Folder to make.
        dataset: The data set that the labels are for.

    Raises:
        ScanError: If the folder exists.
    """

    def __init__(self, root: Path, dataset: NuScenesDataset) -> None:
        if root.exists():
            raise ScanError(f"{root} exists already; remove it or name another")
        self.root, self._dataset = root, dataset
        self._labels = root / "lidarseg" / dataset.version
        self._labels.mkdir(parents=True)
        self._vocabulary: Vocabulary | None = None
        self._rows: list[dict[str, str]] = []
        self._scans: list[dict[str, str | int | float]] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, scan: LabelledScan) -> None:
        """Write the labels of the next keyframe; keyframes come in the data set's order."""
        self._vocabulary = scan.vocabulary
        token = self._dataset.lidar_token(len(self))
        path = self._labels / f"{token}_lidarseg.bin"
        _raw_of_label(scan.vocabulary)[scan.labels].tofile(path)
        name = path.relative_to(self.root).as_posix()
        self._rows.append({"token": token, "sample_data_token": token, "filename": name})
        self._scans.append(scan.listed_as(name))

    def close(self) -> None:
        """Write the tables, the legend and the order of doubt.

        Raises:
            ScanError: If there is no keyframe.
        """
        if self._vocabulary is None:
            raise ScanError(f"{self.root}: there is no labelled scan to write")
        names = _category_names(self._vocabulary)
        categories = [
            {
                "token": token_of(name),
                "name": name,
                "description": "",
                "index": index,
            }
            for index, name in enumerate(names)
        ]
        tables = self.root / self._dataset.version
        tables.mkdir()
        (tables / "category.json").write_text(json.dumps(categories, indent=0), encoding="utf-8")
        (tables / "lidarseg.json").write_text(json.dumps(self._rows, indent=0), encoding="utf-8")
        ids = _raw_of_label(self._vocabulary)[: len(self._vocabulary)]
        Legend(self._vocabulary, tuple(ids.tolist())).write(self.root / LEGEND)
        doubtful = sorted(self._scans, key=lambda one: -float(one["doubt"]))
        (self.root / SCANS).write_text(json.dumps(doubtful, indent=1) + "\n", encoding="utf-8")


def _is_nuscenes(vocabulary: Vocabulary) -> bool:
    return {one.name for one in NUSCENES_CLASSES}.issuperset(vocabulary.names)


def _category_names(vocabulary: Vocabulary) -> tuple[str, ...]:
    is_known = _is_nuscenes(vocabulary)
    return NUSCENES_RAW_CATEGORIES if is_known else (_UNLABELLED, *vocabulary.names)


def _raw_of_label(vocabulary: Vocabulary) -> NDArray[np.uint8]:
    """(256,) uint8: category of each label; 0 without one."""
    raw = np.zeros(IGNORE_LABEL + 1, np.uint8)
    if not _is_nuscenes(vocabulary):
        raw[: len(vocabulary)] = np.arange(1, len(vocabulary) + 1)
        return raw
    label_of_raw = nuscenes_label_map()[: len(NUSCENES_RAW_CATEGORIES)]
    order = [one.name for one in NUSCENES_CLASSES]
    for label, name in enumerate(vocabulary.names):
        raw[label] = np.flatnonzero(label_of_raw == order.index(name))[0]
    return raw
