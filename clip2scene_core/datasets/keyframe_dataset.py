"""The interface of a data set: keyframes as samples, scene by scene, and the classes of labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.labels import SemanticClass
from clip2scene_core.sample import Sample


@dataclass(frozen=True)
class SceneRecord:
    """One recorded sequence.

    Attributes:
        token: Identifier of the scene in the data set.
        name: Name of the scene, for example "scene-0061".
        num_keyframes: Number of its keyframes.
    """

    token: str
    name: str
    num_keyframes: int


class LabelledDataset(Protocol):
    """What an evaluation needs of a data set; every `KeyframeDataset` has it."""

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """The classes of the data set's labels; the index of a class is its label."""
        ...

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        ...

    @property
    def with_labels(self) -> bool:
        """Whether keyframes have labels."""
        ...

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe with the sweeps that the data set was opened for."""
        ...


class KeyframeDataset(LabelledDataset, Protocol):
    """Keyframes in a fixed order, with or without labels.

    `NuScenesDataset`, `SemanticKittiDataset`, `ScanNetDataset`, `JoinedDataset` and
    `SeenLabelsDataset` have this interface. All trainings, evaluation and audit take it.
    """

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one keyframe and chosen sweeps before it.

        Args:
            index: Index of the keyframe.
            previous: Numbers of the sweeps, ascending; 1 is the sweep just before the keyframe.
                Sweeps before the start of the scene are left out.
            with_pixels: Whether images are decoded. Else only their sizes are read, which is enough
                to pair points with embeddings that were computed before; see `CameraView.image`.
        """
        ...

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        ...

    def scene_token(self, index: int) -> str:
        """The token of the scene of a keyframe; opens no file."""
        ...

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe in its scene, up to `limit`; opens no file."""
        ...

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files that `load` reads, and what places them; opens none of them."""
        ...
