"""How good a CLIP is on pictures that it was not trained on."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.pictures import CaptionedPictures
from clip2scene_core.teacher.text import embed_prompts
from clip2scene_core.teacher.tokenizer import split_words

_PICTURES_PER_PASS = 256


def zero_shot_accuracy(
    clip: Clip, pictures: CaptionedPictures, class_of_prompt: Mapping[str, str]
) -> dict[str, float]:
    """Classify whole pictures by prompts; a guess is right if the caption names its class.

    Args:
        clip: A CLIP.
        pictures: Held-out pictures. Pictures whose caption names no class are left out.
        class_of_prompt: The class that each prompt stands for; a class may have several.

    Returns:
        `accuracy` over all pictures, `class_mean` over the classes, and the recall of each class
        by its name, all in [0, 1].

    Raises:
        ValueError: If no caption names a class.
    """
    prompts = list(class_of_prompt)
    named = [_named_classes(caption, class_of_prompt) for caption in pictures.captions]
    kept = [row for row, classes in enumerate(named) if classes]
    if not kept:
        raise ValueError("no held-out caption names a class; check the prompts")
    guesses = _classify(clip, pictures, kept, prompts)
    right = [class_of_prompt[guess] in named[row] for row, guess in zip(kept, guesses, strict=True)]
    scores = {"accuracy": sum(right) / len(right)}
    recalls = {}
    for name in sorted(set(class_of_prompt.values())):
        hits = [
            class_of_prompt[guess] == name
            for row, guess in zip(kept, guesses, strict=True)
            if named[row] == {name}
        ]
        if hits:
            recalls[name] = sum(hits) / len(hits)
    if recalls:
        scores["class_mean"] = sum(recalls.values()) / len(recalls)
    return {**scores, **recalls}


def _named_classes(caption: str, class_of_prompt: Mapping[str, str]) -> set[str]:
    """The classes that a caption names; a "road barrier" does not name a road."""
    words = f" {' '.join(split_words(caption))} "
    classes = set()
    for prompt in sorted(class_of_prompt, key=len, reverse=True):
        phrase = f" {' '.join(split_words(prompt))} "
        if phrase in words:
            classes.add(class_of_prompt[prompt])
            words = words.replace(phrase, " , ")
    return classes


@torch.no_grad()
def _classify(
    clip: Clip, pictures: CaptionedPictures, rows: list[int], prompts: list[str]
) -> list[str]:
    """The prompt nearest to each picture."""
    text_embeddings = embed_prompts(clip, prompts)
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (clip.mean, clip.std))
    guesses: list[str] = []
    for start in range(0, len(rows), _PICTURES_PER_PASS):
        chunk = pictures.images[rows[start : start + _PICTURES_PER_PASS]]
        images = torch.from_numpy(chunk).permute(0, 3, 1, 2).float() / 255
        embeddings = clip.model.visual(((images - mean) / std).to(clip.device))
        best = (F.normalize(embeddings, dim=1) @ text_embeddings.T).argmax(dim=1)
        guesses += [prompts[int(prompt)] for prompt in best]
    return guesses
