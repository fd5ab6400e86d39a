"""The text side of a CLIP, loaded when it is first needed and checked against a student."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import torch
from torch import Tensor

from clip2scene_core.device import find_device
from clip2scene_core.teacher.clip import Clip, load_clip
from clip2scene_core.teacher.text import ENSEMBLE, embed_prompts, templates_of
from clip2scene_core.vocabulary import Vocabulary

_MIN_COSINE = 0.99


class PromptEncoder:
    """Embeds prompts for a student that knows its own words without CLIP.

    Args:
        clip_name: A CLIP as `load_clip` names it.
        device: Where CLIP runs.
        taught_with: The student's own vocabulary; a CLIP that embeds its first prompt elsewhere is
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
        return embed_prompts(self.clip, prompts, templates_of(self.clip, template))

    def _check(self, clip: Clip) -> None:
        if self._taught_with is None:
            return
        own = self._taught_with.embeddings[0]
        theirs = embed_prompts(clip, self._taught_with.prompts[:1])[0].cpu()
        if own.shape != theirs.shape or float(torch.dot(own, theirs)) < _MIN_COSINE:
            raise ValueError(
                f"CLIP {clip.name!r} did not teach this student: they place the prompt "
                f"{self._taught_with.prompts[0]!r} differently; name the CLIP of its training"
            )
