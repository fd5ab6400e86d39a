"""Prompts to text embeddings: by a CLIP, from memory, or from a table that a CLIP filled."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.device import find_device
from clip2scene_core.files.arrays import read_npz
from clip2scene_core.files.damage import name_damage
from clip2scene_core.prompts.prompt_set import EmbedPrompts
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.teacher.prompting.template import ENSEMBLE

if TYPE_CHECKING:
    from clip2scene_core.teacher.clip import Clip

_MAX_TABLE_BYTES: Final = 1 << 28
_MIN_COSINE = 0.99
_MAX_LENGTH_ERROR = 0.01


class TextEncoder:
    """Embeds prompts for a student by the CLIP that taught it.

    Args:
        clip_name: A CLIP as `load_clip` names it.
        device: Where CLIP runs.
        taught_with: The student's own vocabulary; a CLIP that embeds its first text elsewhere is
            not the one that taught the student, and its prompts would mean nothing to it.
    """

    def __init__(
        self, clip_name: str, device: str = "cpu", taught_with: Vocabulary | None = None
    ) -> None:
        self._clip_name = clip_name
        self._device = find_device(device)
        self._taught_with = taught_with
        self._clip: Clip | None = None
        self._lock = threading.Lock()

    @property
    def clip(self) -> Clip:
        """The CLIP; the first use loads it.

        Raises:
            ValueError: If it cannot be used or did not teach the student.
            FileNotFoundError: If its file is missing.
        """
        from clip2scene_core.teacher.clip import load_clip  # seconds of imports

        with self._lock:
            if self._clip is None:
                clip = load_clip(self._clip_name, self._device)
                self._check(clip)
                self._clip = clip
            return self._clip

    def __call__(self, prompts: Sequence[str], template: str = ENSEMBLE) -> Tensor:
        """Embed prompts: P texts -> (P, D) float32 of unit length; see `embed_prompts`.

        Args:
            prompts: P texts.
            template: One sentence with {} in the prompt's place, or "ensemble" for all 85.
        """
        from clip2scene_core.teacher.prompting.prompts import embed_prompts, templates_of

        return embed_prompts(self.clip, prompts, templates_of(self.clip, template))

    def _check(self, clip: Clip) -> None:
        if self._taught_with is None:
            return
        if not is_taught_by(self._taught_with, clip):
            raise ValueError(
                f"CLIP {clip.name!r} did not teach this student: they place the prompt "
                f"{self._taught_with.texts[0]!r} differently; name the CLIP of its training"
            )


def is_taught_by(vocabulary: Vocabulary, clip: Clip) -> bool:
    """Whether a CLIP is the one that embedded a vocabulary: it places the first text there, too."""
    from clip2scene_core.teacher.prompting.prompts import embed_prompts
    from clip2scene_core.teacher.prompting.tokenizer import PromptError

    own = vocabulary.embeddings[0]
    try:
        theirs = embed_prompts(clip, vocabulary.texts[:1])[0].cpu()
    except PromptError:  # the CLIP that embedded the text can read it
        return False
    return own.shape == theirs.shape and float(torch.dot(own, theirs)) >= _MIN_COSINE


class KnownPrompts:
    """Embeds the prompts of a vocabulary from memory and all others by an encoder.

    Args:
        vocabulary: Prompts whose embeddings are at hand, as the mean over all templates.
        encoder: Asked for everything else.
    """

    def __init__(self, vocabulary: Vocabulary, encoder: EmbedPrompts) -> None:
        self._rows = {text: row for row, text in enumerate(vocabulary.texts)}
        self._embeddings = vocabulary.embeddings
        self._encoder = encoder

    def __call__(self, prompts: Sequence[str], template: str = ENSEMBLE) -> Tensor:
        """Embed prompts: P texts -> (P, D) float32 of unit length.

        Raises:
            ValueError: If the encoder cannot take a text.
        """
        if template != ENSEMBLE or not prompts:
            return self._encoder(prompts, template)
        new = [text for text in dict.fromkeys(prompts) if text not in self._rows]
        fresh = self._encoder(new).to(self._embeddings.device) if new else self._embeddings[:0]
        known = torch.cat([self._embeddings, fresh])
        rows = self._rows | {text: len(self._rows) + row for row, text in enumerate(new)}
        return known[[rows[text] for text in prompts]]


class TextTable:
    """Embeds the texts of a table, and no others.

    Args:
        texts: T texts.
        embeddings: (T, D) float32 of unit length.
        template: The sentence in which CLIP read them, or "ensemble".
        name: Name of the table's file, for error messages.
    """

    def __init__(
        self, texts: Sequence[str], embeddings: Tensor, template: str = ENSEMBLE, name: str = ""
    ) -> None:
        self.texts = tuple(texts)
        self.embeddings = embeddings
        self.template = template
        self._name = name
        self._rows = {text: row for row, text in enumerate(self.texts)}

    def __call__(self, prompts: Sequence[str], template: str = ENSEMBLE) -> Tensor:
        """Embed prompts: P texts -> (P, D) float32 of unit length.

        Raises:
            ValueError: If the table was made with another template or lacks a text.
        """
        if template != self.template:
            raise ValueError(
                f"{self._name} holds texts for the template {self.template!r}, not {template!r}"
            )
        missing = [prompt for prompt in prompts if prompt not in self._rows]
        if missing:
            raise ValueError(
                f"{self._name} does not hold {', '.join(map(repr, missing))}; add it with "
                f"'clip2scene words --prompts' where there is the CLIP"
            )
        return self.embeddings[[self._rows[prompt] for prompt in prompts]]


def fill_text_table(
    encoder: TextEncoder, own: Vocabulary, prompts: Sequence[str], template: str = ENSEMBLE
) -> TextTable:
    """Encode texts for robots that have no CLIP.

    Args:
        encoder: The CLIP that taught the student.
        own: The student's own vocabulary, which goes into the table too.
        prompts: More texts.
        template: Sentence around every text, or "ensemble".

    Raises:
        ValueError: If the CLIP cannot take a text.
    """
    texts = list(dict.fromkeys([*own.texts, *(prompt.strip() for prompt in prompts)]))
    return TextTable(texts, encoder(texts, template).cpu(), template)


def save_text_table(table: TextTable, path: Path) -> None:
    """Write a table as .npz.

    Raises:
        ValueError: If the path ends otherwise.
        OSError: If it cannot be written.
    """
    if path.suffix != ".npz":
        raise ValueError(f"{path}: a table of texts ends in .npz")
    with atomic_write(path) as draft:
        np.savez_compressed(
            draft,
            texts=np.array(table.texts),
            embeddings=table.embeddings.numpy(),
            template=np.array(table.template),
        )


def load_text_table(path: Path, own: Vocabulary) -> TextTable:
    """Read a table, and check that its CLIP is the one that taught the student.

    Args:
        path: Written by `save_text_table`.
        own: The student's own vocabulary.

    Raises:
        ValueError: If it is no such file, or of another CLIP.
        FileNotFoundError: If it is missing.
    """
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such table of texts")
    with name_damage(path, "table of texts", remedy="; write one with 'clip2scene words'"):
        file = read_npz(path, ("texts", "embeddings", "template"), _MAX_TABLE_BYTES)
        if file["texts"].ndim != 1 or file["texts"].dtype.kind != "U":
            raise ValueError("its texts are none")
        texts = file["texts"].tolist()
        embeddings = torch.from_numpy(file["embeddings"].astype(np.float32))
        if embeddings.ndim != 2 or len(embeddings) != len(texts):
            raise ValueError(f"{len(texts)} texts with embeddings {tuple(embeddings.shape)}")
        if not embeddings.isfinite().all():
            raise ValueError("embeddings that are not finite")
        table = TextTable(texts, embeddings, str(file["template"]), str(path))
    known = [row for row, text in enumerate(own.texts) if text in texts]
    ours = own.embeddings[known]
    if not known or embeddings.shape[1] != ours.shape[1]:
        raise ValueError(f"{path} was made for another student")
    if len(embeddings) != len(texts):
        raise ValueError(f"{path} has {len(texts)} texts and {len(embeddings)} embeddings")
    length = embeddings.norm(dim=1)
    if not bool(((length - 1).abs() < _MAX_LENGTH_ERROR).all()):  # NaN is no length either
        wrong = texts[int((~((length - 1).abs() < _MAX_LENGTH_ERROR)).nonzero()[0, 0])]
        raise ValueError(
            f"{path}: the embedding of {wrong!r} is not finite or not of unit length; write the "
            f"table anew with 'clip2scene words'"
        )
    if table.template == ENSEMBLE:
        theirs = table([own.texts[row] for row in known])
        if float((ours * theirs).sum(dim=1).min()) < _MIN_COSINE:
            raise ValueError(f"{path} was read by another CLIP than the one of this student")
    return table
