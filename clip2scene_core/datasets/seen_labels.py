"""A data set that gives the labels of seen classes alone: no other label gets past this reader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset, SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.labels import IGNORE_LABEL, SemanticClass
from clip2scene_core.sample import DatasetError, Sample, Sweep


class SeenLabelsDataset:
    """A labelled data set whose other labels become IGNORE_LABEL as soon as they are read.

    A point of an unseen class, of an ignored class and without any label look the same from here
    on.

    Args:
        dataset: Data set of any kind, opened with labels.
        classes: Classes of the new labels; a seen one is called as in the data set.
        seen: Names of the classes whose labels may be read.
        drops_unlabelled: Whether keyframes lose all points that have no seen label. A keyframe may
            lose all of its points.

    Attributes:
        classes: The given ones; the index of a class is its label.

    Raises:
        DatasetError: If the data set was opened without labels, or has no such seen class.
    """

    def __init__(
        self,
        dataset: KeyframeDataset,
        classes: Sequence[SemanticClass],
        seen: Sequence[str],
        drops_unlabelled: bool = False,
    ) -> None:
        if not dataset.with_labels:
            raise DatasetError(
                "the data set was opened without labels; open it with labels, so that those of the "
                "seen classes can be read"
            )
        self.classes = tuple(classes)
        self._dataset = dataset
        self._class_of_label = _map_seen(dataset.classes, self.classes, seen)
        self._drops_unlabelled = drops_unlabelled

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        return self._dataset.scenes

    @property
    def with_labels(self) -> bool:
        """Whether keyframes have labels: always."""
        return True

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe with the sweeps that the data set was opened for."""
        return self._read(self._dataset[index])

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one keyframe and chosen sweeps before it, see `KeyframeDataset.load`."""
        return self._read(self._dataset.load(index, previous, with_pixels))

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._dataset.token(index)

    def scene_token(self, index: int) -> str:
        """The token of the scene of a keyframe; opens no file."""
        return self._dataset.scene_token(index)

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe in its scene, up to `limit`; opens no file."""
        return self._dataset.num_previous(index, limit)

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a keyframe, see `KeyframeDataset.files`."""
        return self._dataset.files(index, previous)

    def _read(self, sample: Sample) -> Sample:
        return replace(sample, sweeps=tuple(self._keep_seen(sweep) for sweep in sample.sweeps))

    def _keep_seen(self, sweep: Sweep) -> Sweep:
        if sweep.labels is None:
            return sweep
        labels = self._class_of_label[sweep.labels]
        if not self._drops_unlabelled:
            return replace(sweep, labels=labels)
        is_seen = labels != IGNORE_LABEL
        return replace(sweep, points=sweep.points[is_seen], labels=labels[is_seen])


def _map_seen(
    labels: Sequence[SemanticClass], classes: Sequence[SemanticClass], seen: Sequence[str]
) -> NDArray[np.uint8]:
    """Map labels to classes of the same name: (256,) uint8, IGNORE_LABEL for what is not seen."""
    label_names, class_names = [one.name for one in labels], [one.name for one in classes]
    unknown = [name for name in seen if name not in label_names]
    if unknown:
        raise DatasetError(
            f"{', '.join(unknown)} should have labels, but the data set's are "
            f"{', '.join(label_names)}; call seen classes as the data set does, or make them unseen"
        )
    table = np.full(256, IGNORE_LABEL, dtype=np.uint8)
    for name in seen:
        table[label_names.index(name)] = class_names.index(name)
    return table
