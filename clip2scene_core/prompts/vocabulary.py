"""The labels of a cloud: names, prompts, colors and text embeddings."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL, NUSCENES_CLASSES

MAX_PROMPTS = 254
"""Labels are uint8 and 255 is IGNORE_LABEL."""

GROUPINGS: Final = ("logsumexp", "max")
"""How a label with several texts comes to one probability; see `Vocabulary.merge`."""


@dataclass(frozen=True)
class Vocabulary:
    """An immutable set of classes; the index of a class is its label.

    Attributes:
        names: C distinct names, shown to people.
        prompts: C texts, given to CLIP, or lists of them with bars between.
        colors: (C, 3) uint8 red, green, blue.
        embeddings: (P, D) float32 text embeddings of unit length; P is C unless a label has several
            texts.
        texts_of_label: For each label the texts that were embedded, in the order of `embeddings`;
            () where they are the prompts.
        grouping: How several texts make one label, one of GROUPINGS; see `merge`.
    """

    names: tuple[str, ...]
    prompts: tuple[str, ...]
    colors: NDArray[np.uint8]
    embeddings: Tensor
    texts_of_label: tuple[tuple[str, ...], ...] = ()
    grouping: str = "logsumexp"

    def __post_init__(self) -> None:
        if self.grouping not in GROUPINGS:
            raise ValueError(
                f"grouping must be one of {', '.join(GROUPINGS)}, got {self.grouping!r}"
            )
        count = len(self.names)
        _check_count(count)
        if len(self.prompts) != count:
            raise ValueError(f"{count} names but {len(self.prompts)} prompts; give one name each")
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ValueError(f"names must differ, got {', '.join(twice)} more than once")
        if self.texts_of_label and len(self.texts_of_label) != count:
            raise ValueError(f"{count} names but texts of {len(self.texts_of_label)} labels")
        num_texts = len(self.texts)
        if self.embeddings.ndim != 2 or len(self.embeddings) != num_texts:
            raise ValueError(
                f"embeddings must be ({num_texts}, D), got {tuple(self.embeddings.shape)}"
            )
        if not bool(torch.isfinite(self.embeddings).all()):
            rows = (~torch.isfinite(self.embeddings).all(dim=1)).nonzero()[:, 0].tolist()
            raise ValueError(
                f"the embedding of the text {self.texts[rows[0]]!r} is not finite; the CLIP or the "
                f"table of texts that it is from is damaged"
            )
        if self.colors.shape != (count, 3) or self.colors.dtype != np.uint8:
            raise ValueError(f"colours must be ({count}, 3) uint8, got {self.colors.shape}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def texts(self) -> tuple[str, ...]:
        """The P texts that were embedded."""
        return tuple(text for texts in self.texts_of_label for text in texts) or self.prompts

    @property
    def label_of_text(self) -> Tensor:
        """(P,) int64, the label that each text belongs to."""
        sizes = [len(texts) for texts in self.texts_of_label] or [1] * len(self)
        return torch.repeat_interleave(torch.arange(len(self)), torch.tensor(sizes))

    def merge(self, probabilities: Tensor) -> Tensor:
        """Make one probability of those of each label's texts.

        "logsumexp" adds them up, which is log-sum-exp in logits: what was split between "car" and
        "bus" is a vehicle's, and of many texts some share always comes in. "max" takes the best
        text of each label and scales what is left to one: how many texts a label has is no
        advantage to it.

        Args:
            probabilities: (N, P) float, rows that sum to one, or to zero.

        Returns:
            (N, C) float, rows that sum to what they did.
        """
        if len(self.embeddings) == len(self):
            return probabilities
        labels = self.label_of_text.to(probabilities.device)
        merged = probabilities.new_zeros(len(probabilities), len(self))
        if self.grouping == "logsumexp":
            return merged.index_add(1, labels, probabilities)
        best = merged.scatter_reduce(1, labels.expand_as(probabilities), probabilities, "amax")
        kept = best.sum(dim=1, keepdim=True).clamp(min=torch.finfo(best.dtype).tiny)
        return best * (probabilities.sum(dim=1, keepdim=True) / kept)

    def colorize(self, labels: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Look up the colour of each label.

        Args:
            labels: (N,) uint8, IGNORE_LABEL where there is none.

        Returns:
            (N, 3) uint8; grey for IGNORE_LABEL.
        """
        table = np.full((256, 3), IGNORE_COLOR, dtype=np.uint8)
        table[: len(self)] = self.colors
        return table[labels]


def make_vocabulary(
    prompts: Sequence[str],
    embeddings: Tensor,
    names: Sequence[str] | None = None,
    texts_of_label: Sequence[tuple[str, ...]] = (),
    palette: Sequence[int] = (),
    grouping: str = "logsumexp",
) -> Vocabulary:
    """Name and colour embedded prompts.

    Prompts that name a nuScenes class keep its usual color; each other one gets the hue that lies
    farthest from the colors that are taken. Beyond 72 labels hues repeat.

    Args:
        prompts: C texts.
        embeddings: (P, D) float32 of unit length.
        names: C names, by default the prompts themselves.
        texts_of_label: See Vocabulary; by default the prompts, and P is C.
        palette: 3 C values, 0 to 255, red, green, blue of each label; by default as said above.
        grouping: See `Vocabulary.merge`.

    Returns:
        The vocabulary.

    Raises:
        ValueError: If the counts differ, a name occurs twice, or there are none or over 254.
    """
    names = tuple(prompts) if names is None else tuple(names)
    _check_count(len(prompts))  # before colors are chosen, which takes its square
    if palette:
        colors = np.array(palette, dtype=np.uint8).reshape(-1, 3)
    else:
        colors = _choose_colors(names, tuple(prompts))
    return Vocabulary(
        names,
        tuple(prompts),
        colors,
        embeddings.detach().to("cpu", torch.float32),
        tuple(texts_of_label),
        grouping,
    )


def _check_count(count: int) -> None:
    if not 1 <= count <= MAX_PROMPTS:
        raise ValueError(f"a vocabulary has 1 to {MAX_PROMPTS} prompts, got {count}")


def _choose_colors(names: tuple[str, ...], prompts: tuple[str, ...]) -> NDArray[np.uint8]:
    known = {text: c.color for c in NUSCENES_CLASSES for text in (c.name, c.prompt)}
    colors: dict[int, tuple[int, int, int]] = {}
    for index, texts in enumerate(zip(prompts, names, strict=False)):
        color = next((known[text] for text in texts if text in known), None)
        if color is not None and color not in colors.values():
            colors[index] = color
    hues = [colorsys.hsv_to_rgb(step / 36, 0.75, value) for step in range(36) for value in (1, 0.6)]
    candidates = np.round(255 * np.array(hues))
    for index in range(len(prompts)):
        if index not in colors:
            taken = np.array([IGNORE_COLOR, *colors.values()])
            apart = np.linalg.norm(candidates[:, None] - taken, axis=2).min(axis=1)
            red, green, blue = candidates[apart.argmax()].astype(int).tolist()
            colors[index] = (red, green, blue)
    ordered = [colors[index] for index in range(len(prompts))]
    return np.array(ordered, dtype=np.uint8).reshape(-1, 3)


def classify(
    probabilities: Tensor, min_score: float = 0.0, scored: Tensor | None = None
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Take the most probable class of each point.

    Args:
        probabilities: (N, C) float, rows that sum to one.
        min_score: Points below it become IGNORE_LABEL.
        scored: (N, C) float, probabilities that the scores are taken from; by default the same.

    Returns:
        Labels (N,) uint8 and scores (N,) float32 in [0, 1].
    """
    if len(probabilities) == 0:
        return np.zeros(0, np.uint8), np.zeros(0, np.float32)
    scores, labels = probabilities.max(dim=1)
    if scored is not None:
        scores = scored.gather(1, labels[:, None])[:, 0]
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
