"""Texts that a CLIP has read before: a robot that has them needs no CLIP for new words."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clip2scene_core.prompt_encoder import PromptEncoder
from clip2scene_core.teacher.text import ENSEMBLE
from clip2scene_core.vocabulary import Vocabulary

_MIN_COSINE = 0.99


class TextTable:
    """Embeds the texts of a table, and no others.

    Args:
        texts: T texts.
        embeddings: (T, D) float32 of unit length.
        template: The sentence in which CLIP read them, or "ensemble".
        name: Of the table, for reasons.
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


def read_texts(
    encoder: PromptEncoder, own: Vocabulary, prompts: Sequence[str], template: str = ENSEMBLE
) -> TextTable:
    """Let a CLIP read texts for a student.

    Args:
        encoder: The CLIP that taught the student.
        own: The student's own words, which go into the table, too.
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
    np.savez_compressed(
        path,
        texts=np.array(table.texts),
        embeddings=table.embeddings.numpy(),
        template=np.array(table.template),
    )


def load_text_table(path: Path, own: Vocabulary) -> TextTable:
    """Read a table, and check that its CLIP is the one that taught the student.

    Args:
        path: Written by `save_text_table`.
        own: The student's own words.

    Raises:
        ValueError: If it is no such file, or of another CLIP.
        FileNotFoundError: If it is missing.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            texts = [str(text) for text in file["texts"]]
            embeddings = torch.from_numpy(file["embeddings"].astype(np.float32))
            table = TextTable(texts, embeddings, str(file["template"]), str(path))
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: no such table of texts") from error
    except (KeyError, ValueError, OSError, zipfile.BadZipFile) as error:
        raise ValueError(
            f"{path} is no table of texts; write one with 'clip2scene words'"
        ) from error
    known = [row for row, text in enumerate(own.texts) if text in texts]
    ours = own.embeddings[known]
    if not known or embeddings.ndim != 2 or embeddings.shape[1] != ours.shape[1]:
        raise ValueError(f"{path} was made for another student")
    if table.template == ENSEMBLE:
        theirs = table([own.texts[row] for row in known])
        if float((ours * theirs).sum(dim=1).min()) < _MIN_COSINE:
            raise ValueError(f"{path} was read by another CLIP than the one of this student")
    return table
