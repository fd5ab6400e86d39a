"""The interface of a data set for training: keyframes as samples, scene by scene."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from clip2scene_core.datasets.nuscenes_tables import SceneRecord
from clip2scene_core.sample import Sample


class KeyframeDataset(Protocol):
    """Keyframes in a fixed order; `NuScenesDataset` and `JoinedDataset` have this interface."""

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

    def load(self, index: int, previous: Sequence[int]) -> Sample:
        """Load one keyframe and chosen sweeps before it, see `NuScenesDataset.load`."""
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
