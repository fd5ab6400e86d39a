"""Some scenes of an open data set: what is held out, or what is left."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset, SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.labels import SemanticClass
from clip2scene_core.sample import Sample


class ChosenScenes:
    """The keyframes of some scenes of a data set, in its order.

    Args:
        dataset: Data set of any kind.
        tokens: Tokens of the scenes.

    Attributes:
        scenes: The chosen scenes.
    """

    def __init__(self, dataset: KeyframeDataset, tokens: Collection[str]) -> None:
        self._dataset = dataset
        self.scenes: tuple[SceneRecord, ...] = tuple(
            scene for scene in dataset.scenes if scene.token in tokens
        )
        self._indices = [i for i in range(len(dataset)) if dataset.scene_token(i) in tokens]

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """The classes of the data set's labels."""
        return self._dataset.classes

    @property
    def with_labels(self) -> bool:
        """Whether keyframes have labels."""
        return self._dataset.with_labels

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe with the sweeps that the data set was opened for."""
        return self._dataset[self._indices[index]]

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one keyframe and chosen sweeps before it, see `KeyframeDataset.load`."""
        return self._dataset.load(self._indices[index], previous, with_pixels)

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._dataset.token(self._indices[index])

    def scene_token(self, index: int) -> str:
        """The token of the scene of a keyframe; opens no file."""
        return self._dataset.scene_token(self._indices[index])

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files that `load` reads, see `KeyframeDataset.files`."""
        return self._dataset.files(self._indices[index], previous)

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe in its scene, up to `limit`; opens no file."""
        return self._dataset.num_previous(self._indices[index], limit)


def hold_out_scenes(
    dataset: KeyframeDataset, share: float
) -> tuple[KeyframeDataset, KeyframeDataset | None]:
    """Part the last scenes from the others.

    Args:
        dataset: Data set in the order of time.
        share: Least share of the keyframes to hold out, in [0, 1). The last scenes that make it up
            are taken, but never all.

    Returns:
        What is left, and what is held out; (`dataset`, None) if the share is 0 or there is one
        scene.

    Raises:
        ValueError: If the share is out of its range.
    """
    if not 0 <= share < 1:
        raise ValueError(f"the share to hold out must be in [0, 1), got {share}")
    if share == 0 or len(dataset.scenes) < 2:
        return dataset, None
    held: list[str] = []
    num_held = 0
    for scene in reversed(dataset.scenes[1:]):
        if num_held >= share * len(dataset):
            break
        held.append(scene.token)
        num_held += scene.num_keyframes
    left = [scene.token for scene in dataset.scenes if scene.token not in held]
    return ChosenScenes(dataset, left), ChosenScenes(dataset, held)
