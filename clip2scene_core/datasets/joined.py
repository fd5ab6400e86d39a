"""Several data sets as one, for a student that learns from all of them."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from itertools import accumulate

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset, SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.datasets.scannet import ScanNetDataset
from clip2scene_core.labels import SemanticClass
from clip2scene_core.sample import DatasetError, Sample


class JoinedDataset:
    """The keyframes of several data sets, one data set after the other.

    Args:
        datasets: At least one data set.

    Raises:
        DatasetError: If a scene is in two of them, only some have labels or colors, or the labels
            are of different classes.
        ValueError: If there is none.
    """

    def __init__(self, datasets: Sequence[KeyframeDataset]) -> None:
        if not datasets:
            raise ValueError("a joined data set needs at least one data set, got none")
        if len({dataset.with_labels for dataset in datasets}) > 1:
            raise DatasetError("open all joined data sets with labels, or none of them")
        tables = [dataset.classes for dataset in datasets]
        if datasets[0].with_labels and any(table != tables[0] for table in tables):
            raise DatasetError(
                "the joined data sets have labels of different classes; open them without labels"
            )
        if len({isinstance(dataset, ScanNetDataset) for dataset in datasets}) > 1:
            raise DatasetError(
                "ScanNet's clouds have colors, those of the other data sets have none; no network "
                "reads both, so join one kind"
            )
        self._datasets = tuple(datasets)
        self._starts = [0, *accumulate(len(dataset) for dataset in datasets)]
        counts = Counter(scene.token for scene in self.scenes)
        twice = [scene.name for scene in self.scenes if counts[scene.token] > 1]
        if twice:
            raise DatasetError(
                f"{len(set(twice))} scenes are in two data sets, the first is {twice[0]}; "
                f"name every data set once"
            )

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """The classes of all data sets; () if they have different ones, and thus no labels."""
        tables = [dataset.classes for dataset in self._datasets]
        return tables[0] if all(table == tables[0] for table in tables) else ()

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes of all data sets."""
        return tuple(scene for dataset in self._datasets for scene in dataset.scenes)

    @property
    def with_labels(self) -> bool:
        """Whether keyframes have labels."""
        return self._datasets[0].with_labels

    def __len__(self) -> int:
        return self._starts[-1]

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe with the sweeps that its data set was opened for."""
        dataset, own = self._find(index)
        return dataset[own]

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one keyframe and chosen sweeps before it, see `KeyframeDataset.load`."""
        dataset, own = self._find(index)
        return dataset.load(own, previous, with_pixels)

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        dataset, own = self._find(index)
        return dataset.token(own)

    def scene_token(self, index: int) -> str:
        """The token of the scene of a keyframe; opens no file."""
        dataset, own = self._find(index)
        return dataset.scene_token(own)

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe in its scene, up to `limit`; opens no file."""
        dataset, own = self._find(index)
        return dataset.num_previous(own, limit)

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a keyframe, see `KeyframeDataset.files`."""
        dataset, own = self._find(index)
        return dataset.files(own, previous)

    def _find(self, index: int) -> tuple[KeyframeDataset, int]:
        """Find the data set of a keyframe, and the index of the keyframe in it."""
        if not 0 <= index < len(self):
            raise IndexError(f"there are {len(self)} keyframes, got the index {index}")
        number = bisect_right(self._starts, index) - 1
        return self._datasets[number], index - self._starts[number]
