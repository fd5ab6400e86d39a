"""The words a cloud is labelled with: names, prompts, colours and text embeddings."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.labels import IGNORE_COLOUR, IGNORE_LABEL, NUSCENES_CLASSES

MAX_PROMPTS = 254
"""Labels are uint8 and 255 is IGNORE_LABEL."""


@dataclass(frozen=True)
class Vocabulary:
    """An immutable set of classes; the index of a class is its label.

    Attributes:
        names: C distinct names, shown to people.
        prompts: C texts, given to CLIP.
        colours: (C, 3) uint8 red, green, blue.
        embeddings: (C, D) float32 text embeddings of unit length.
    """

    names: tuple[str, ...]
    prompts: tuple[str, ...]
    colours: NDArray[np.uint8]
    embeddings: Tensor

    def __post_init__(self) -> None:
        count = len(self.names)
        if not 1 <= count <= MAX_PROMPTS:
            raise ValueError(f"a vocabulary has 1 to {MAX_PROMPTS} prompts, got {count}")
        if len(self.prompts) != count:
            raise ValueError(f"{count} names but {len(self.prompts)} prompts; give one name each")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"names must differ, got {', '.join(twice)} more than once")
        if self.embeddings.ndim != 2 or len(self.embeddings) != count:
            raise ValueError(f"embeddings must be ({count}, D), got {tuple(self.embeddings.shape)}")
        if self.colours.shape != (count, 3) or self.colours.dtype != np.uint8:
            raise ValueError(f"colours must be ({count}, 3) uint8, got {self.colours.shape}")

    def __len__(self) -> int:
        return len(self.names)

    def colourise(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Look up the colour of each label.

        Args:
            labels: (N,) uint8, IGNORE_LABEL where there is none.

        Returns:
            (N, 3) uint8; grey for IGNORE_LABEL.
        """
        table = np.full((256, 3), IGNORE_COLOUR, dtype=np.uint8)
        table[: len(self)] = self.colours
        return table[labels]


def make_vocabulary(
    prompts: Sequence[str], embeddings: Tensor, names: Sequence[str] | None = None
) -> Vocabulary:
    """Name and colour embedded prompts.

    Words that name a nuScenes class keep its usual colour; each other word gets the hue that lies
    farthest from the colours that are taken. Beyond 72 words hues repeat.

    Args:
        prompts: C texts.
        embeddings: (C, D) float32 of unit length.
        names: C names, by default the prompts themselves.

    Returns:
        The vocabulary.

    Raises:
        ValueError: If the counts differ, a name occurs twice, or there are none or over 254.
    """
    names = tuple(prompts) if names is None else tuple(names)
    return Vocabulary(
        names,
        tuple(prompts),
        _choose_colours(names, tuple(prompts)),
        embeddings.detach().to("cpu", torch.float32),
    )


def _choose_colours(names: tuple[str, ...], prompts: tuple[str, ...]) -> NDArray[np.uint8]:
    known = {word: c.colour for c in NUSCENES_CLASSES for word in (c.name, c.prompt)}
    colours: dict[int, tuple[int, int, int]] = {}
    for index, words in enumerate(zip(prompts, names, strict=False)):
        colour = next((known[word] for word in words if word in known), None)
        if colour is not None and colour not in colours.values():
            colours[index] = colour
    hues = [colorsys.hsv_to_rgb(step / 36, 0.75, value) for step in range(36) for value in (1, 0.6)]
    candidates = np.round(255 * np.array(hues))
    for index in range(len(prompts)):
        if index not in colours:
            taken = np.array([IGNORE_COLOUR, *colours.values()])
            apart = np.linalg.norm(candidates[:, None] - taken, axis=2).min(axis=1)
            red, green, blue = candidates[apart.argmax()].astype(int).tolist()
            colours[index] = (red, green, blue)
    ordered = [colours[index] for index in range(len(prompts))]
    return np.array(ordered, dtype=np.uint8).reshape(-1, 3)


def classify(
    probabilities: Tensor, min_score: float = 0.0
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Take the most probable class of each point.

    Args:
        probabilities: (N, C) float, rows that sum to one.
        min_score: Points below it become IGNORE_LABEL.

    Returns:
        Labels (N,) uint8 and scores (N,) float32 in [0, 1].
    """
    if len(probabilities) == 0:
        return np.zeros(0, np.uint8), np.zeros(0, np.float32)
    scores, labels = probabilities.max(dim=1)
    labels = labels.masked_fill(scores < min_score, IGNORE_LABEL)
    return (
        labels.to("cpu", torch.uint8).numpy(),
        scores.to("cpu", torch.float32).numpy(),
    )


def entropies_of(probabilities: Tensor) -> NDArray[np.float32]:
    """Say how undecided each point is.

    Args:
        probabilities: (N, C) float, rows that sum to one, or to zero for points that nothing is
            known about.

    Returns:
        (N,) float32 Shannon entropy in nats: 0 where one class is certain, ln C where all are
        equally probable or nothing is known.
    """
    undecided = float(np.log(probabilities.shape[1]))
    known = probabilities.sum(dim=1) > 0
    entropies = torch.special.entr(probabilities.float()).sum(dim=1)
    return torch.where(known, entropies, undecided).to("cpu", torch.float32).numpy()
