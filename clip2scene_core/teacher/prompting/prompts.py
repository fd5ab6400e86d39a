"""Text embeddings of prompts: the mean over 85 templates of unit-length embeddings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import torch
from torch import Tensor
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.openclip import open_clip
from clip2scene_core.teacher.prompting.template import ENSEMBLE, check_template
from clip2scene_core.teacher.prompting.text_tower import encode_tokens
from clip2scene_core.teacher.prompting.tokenizer import PromptError, Tokenizer, split_words

IN_THE_SCENE_TEMPLATES: Final = (
    "there is a {} in the scene.",
    "there is the {} in the scene.",
    "this is a {} in the scene.",
    "this is the {} in the scene.",
    "this is one {} in the scene.",
)

PROMPT_TEMPLATES: Final = (
    *(template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES),
    *IN_THE_SCENE_TEMPLATES,
)
"""OpenAI's 80 templates for ImageNet and five for scenes; {} is the place of the prompt.

Source: CLIP2Scene (CVPR 2023), section 4.1 (85 templates, averaged).
"""

_CACHED_PROMPTS = 512
_PROMPTS_PER_PASS = 16
_TEXTS_PER_PASS = 128


def embed_prompts(
    clip: Clip, prompts: Sequence[str], templates: Sequence[str] = PROMPT_TEMPLATES
) -> Tensor:
    """Embed prompts: the mean over templates of unit-length text embeddings.

    Embeddings of recent prompts are kept in `clip.prompt_cache`.

    Args:
        clip: A frozen CLIP.
        prompts: C prompts, such as "traffic cone".
        templates: Sentences with one {}, the place of the prompt.

    Returns:
        (C, D) float32 on the CLIP's device, unit length.

    Raises:
        PromptError: If there is no prompt, or a prompt is empty, too long, or has an unknown word.
    """
    if not prompts:
        raise PromptError("no prompt given; name at least one thing to look for")
    check_prompts(clip, prompts, templates)
    asked = {prompt: (prompt, tuple(templates)) for prompt in prompts}
    missing = [prompt for prompt, entry in asked.items() if entry not in clip.prompt_cache]
    fresh: dict[str, Tensor] = {}
    for start in range(0, len(missing), _PROMPTS_PER_PASS):
        chunk = missing[start : start + _PROMPTS_PER_PASS]
        fresh.update(zip(chunk, _average_over_templates(clip, chunk, templates), strict=True))
    embeddings = {}
    for prompt, entry in asked.items():
        embedding = fresh[prompt] if prompt in fresh else clip.prompt_cache[entry]
        embeddings[prompt] = clip.prompt_cache[entry] = embedding
        clip.prompt_cache.move_to_end(entry)
    while len(clip.prompt_cache) > _CACHED_PROMPTS:
        clip.prompt_cache.popitem(last=False)
    return torch.stack([embeddings[prompt] for prompt in prompts])


def check_prompts(
    clip: Clip, prompts: Sequence[str], templates: Sequence[str] = PROMPT_TEMPLATES
) -> None:
    """Check that CLIP's text tower can read each prompt inside every template.

    Raises:
        PromptError: If it cannot; the message is one line for the user.
    """
    tokenizer = clip.tokenizer
    around = len(tokenizer.encode(""))
    longest = max(len(tokenizer.encode(template.format(""))) for template in templates)
    room = tokenizer.context_length - longest
    for prompt in dict.fromkeys(prompts):
        if not split_words(prompt):
            raise PromptError(
                f"prompt {prompt!r} holds no word; name a thing, such as 'traffic cone'"
            )
        tokenizer.check_prompt(prompt)
        num_tokens = len(tokenizer.encode(prompt)) - around
        if num_tokens > room:
            raise PromptError(
                f"prompt {_shortened(prompt)!r} is too long: {num_tokens} tokens, and CLIP "
                f"{clip.name} reads {room} beside the longest template; say it in fewer words"
            )


def templates_of(clip: Clip, template: str) -> tuple[str, ...]:
    """Turn a template setting into templates.

    Args:
        clip: The CLIP that will read the templates.
        template: One sentence with {}, or "ensemble".

    Returns:
        The sentence alone, or PROMPT_TEMPLATES.

    Raises:
        PromptError: If it is neither, or has a word that the CLIP does not know.
    """
    check_template(template)
    if template == ENSEMBLE:
        return PROMPT_TEMPLATES
    try:
        clip.tokenizer.encode(template.format(""))
    except KeyError as error:
        raise PromptError(
            f"prompt template {template!r} holds a word that CLIP {clip.name} never saw"
        ) from error
    return (template,)


def _shortened(prompt: str) -> str:
    return prompt if len(prompt) <= 60 else f"{prompt[:57]}..."


@torch.inference_mode(False)  # cached embeddings are also used by callers that train
@torch.no_grad()
def _average_over_templates(clip: Clip, prompts: list[str], templates: Sequence[str]) -> Tensor:
    """C prompts -> unit-length embeddings (C, D)."""
    texts = [template.format(prompt) for prompt in prompts for template in templates]
    embeddings = F.normalize(_encode_texts(clip, texts), dim=1)
    averaged = embeddings.reshape(len(prompts), len(templates), -1).mean(dim=1)
    return F.normalize(averaged, dim=1)


def _encode_texts(clip: Clip, texts: list[str]) -> Tensor:
    """T texts -> (T, D): texts of the same tokens once, those of as many together, unpadded."""
    rows = [tuple(clip.tokenizer.encode(text)) for text in texts]
    by_length: dict[int, list[tuple[int, ...]]] = {}
    for row in dict.fromkeys(rows):
        by_length.setdefault(len(row), []).append(row)
    encoded: dict[tuple[int, ...], Tensor] = {}
    for group in map(sorted, by_length.values()):  # those that begin alike together
        for start in range(0, len(group), _TEXTS_PER_PASS):
            chosen = group[start : start + _TEXTS_PER_PASS]
            tokens = _padded(clip.tokenizer, chosen, texts[rows.index(chosen[0])])
            encoded.update(
                zip(chosen, encode_tokens(clip.model, tokens.to(clip.device)), strict=True)
            )
    return torch.stack([encoded[row] for row in rows])


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Turn texts into tokens, padded to the longest text, or to the context if the tower reads it.

    Args:
        tokenizer: Tokenizer of the CLIP.
        texts: T texts.

    Returns:
        (T, L) int64, L at most the context length.

    Raises:
        PromptError: If a text has more tokens than the context length.
    """
    rows = [tokenizer.encode(text) for text in texts]
    longest = max(range(len(rows)), key=lambda row: len(rows[row]))
    return _padded(tokenizer, rows, texts[longest])


def _padded(tokenizer: Tokenizer, rows: Sequence[Sequence[int]], longest: str) -> Tensor:
    """Tokens (T, L) of rows; the longest one is of a text that an error would quote."""
    length = max(len(row) for row in rows)
    if length > tokenizer.context_length:
        raise PromptError(
            f"text {_shortened(longest)!r} is too long: {length} tokens, the text tower reads "
            f"{tokenizer.context_length}"
        )
    if tokenizer.is_padded:
        length = tokenizer.context_length
    return torch.tensor([[*row, *[tokenizer.padding] * (length - len(row))] for row in rows])
