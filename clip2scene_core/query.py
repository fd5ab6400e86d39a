"""One free text asked of every point, beside the words that it is labelled with."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clip2scene_core.vocabulary import Vocabulary


@dataclass(frozen=True)
class Query:
    """A text that points are compared with.

    Attributes:
        text: What was asked.
        embedding: (D,) float32 text embedding of unit length.
    """

    text: str
    embedding: Tensor

    def __post_init__(self) -> None:
        if self.embedding.ndim != 1:
            raise ValueError(f"embedding must be (D,), got {tuple(self.embedding.shape)}")


def rivals_and_query(vocabulary: Vocabulary, query: Query) -> Tensor:
    """Put a query behind the prompts that it competes with.

    A cosine alone says little: CLIP places every text near every point, and how near depends on the
    text. So the similarity of a point with a query is the probability that the query would get if
    it were one more prompt: near 0 where some prompt fits far better, 0.5 where one fits as well,
    near 1 where none comes close. It is worth more the better the prompts cover the scene. A prompt
    that is the query itself is no rival.

    Args:
        vocabulary: C prompts.
        query: Embedded by the same CLIP.

    Returns:
        (R + 1, D) float32 text embeddings, R of rivals and then the query's.
    """
    asked = query.text.strip().casefold()
    rivals = [row for row, text in enumerate(vocabulary.texts) if text.casefold() != asked]
    return torch.cat([vocabulary.embeddings[rivals], query.embedding[None].to("cpu")])
