"""Name pictures and pixels by prompts: what every score of a CLIP is made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.openclip import ModifiedResNet
from clip2scene_core.teacher.small_clip import PositionFreeAttentionPool
from clip2scene_core.teacher.text import check_prompt, embed_prompts
from clip2scene_core.teacher.tokenizer import PromptError

_PICTURES_PER_PASS = 256


@torch.no_grad()
def embed_pictures(clip: Clip, images: NDArray[np.uint8]) -> Tensor:
    """Embed whole pictures, as CLIP's image tower pools them.

    Args:
        clip: A CLIP. Pictures are resized to the size that its position embeddings ask for.
        images: (N, S, S, 3) uint8, red green blue.

    Returns:
        (N, D) float32 on the CLIP's device, unit length.
    """
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (clip.mean, clip.std))
    size = _fixed_size(clip)
    embeddings = [torch.zeros(0, clip.embedding_size, device=clip.device)]
    for start in range(0, len(images), _PICTURES_PER_PASS):
        chunk = torch.from_numpy(images[start : start + _PICTURES_PER_PASS])
        pixels = chunk.permute(0, 3, 1, 2).float() / 255
        if size is not None and size != tuple(pixels.shape[2:]):
            pixels = F.interpolate(pixels, size, mode="bilinear", antialias=True)
        embedded = clip.model.visual(((pixels - mean) / std).to(clip.device))
        embeddings.append(F.normalize(embedded, dim=1))
    return torch.cat(embeddings)


def _fixed_size(clip: Clip) -> tuple[int, int] | None:
    """Height and width that the tower pools, None where it takes any."""
    visual = clip.model.visual
    if isinstance(visual, ModifiedResNet) and isinstance(
        visual.attnpool, PositionFreeAttentionPool
    ):
        return None
    size: int | tuple[int, int] = visual.image_size
    return (size, size) if isinstance(size, int) else size


def nearest_prompt(
    clip: Clip, picture_embeddings: Tensor, prompts: Sequence[str]
) -> NDArray[np.int64]:
    """Find the prompt that fits each picture best.

    Args:
        clip: The CLIP that embedded the pictures.
        picture_embeddings: (N, D) float of unit length.
        prompts: C prompts; one that the CLIP cannot read fits no picture.

    Returns:
        (N,) int64, indices into prompts.

    Raises:
        PromptError: If the CLIP can read none of them.
    """
    unread = unreadable(clip, prompts)
    read = [index for index, prompt in enumerate(prompts) if prompt not in unread]
    if not read:
        raise PromptError(f"CLIP {clip.name!r} can read none of {', '.join(prompts)}")
    cosines = picture_embeddings @ embed_prompts(clip, [prompts[index] for index in read]).T
    nearest: NDArray[np.int64] = np.array(read)[cosines.argmax(dim=1).cpu().numpy()]
    return nearest


def unreadable(clip: Clip, prompts: Sequence[str]) -> list[str]:
    """List the prompts that a CLIP cannot read, such as words that it never saw."""
    unread = []
    for prompt in prompts:
        try:
            check_prompt(clip, prompt)
        except PromptError:
            unread.append(prompt)
    return unread


@torch.no_grad()
def label_pixels(
    dense_clip: DenseClip, image: NDArray[np.uint8], text_embeddings: Tensor
) -> NDArray[np.uint8]:
    """Give each pixel of an image the class whose text is nearest.

    The scores are bilinear between the places of the embedding, as `sample_at` reads them for
    points: a sum of embeddings has the sum of their scores.

    Args:
        dense_clip: The teacher.
        image: (H, W, 3) uint8, red green blue.
        text_embeddings: (C, D) float of unit length, C at most 254.

    Returns:
        (H, W) uint8, indices into text_embeddings.
    """
    # A copy: images are read-only where they come from messages or files.
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    embeddings = dense_clip.embed_pixels(pixels)  # (1, D, h, w)
    scores = torch.einsum("bdhw,cd->bchw", embeddings, text_embeddings)
    scores = F.interpolate(scores, image.shape[:2], mode="bilinear", align_corners=False)
    labels: NDArray[np.uint8] = scores.argmax(dim=1)[0].to("cpu", torch.uint8).numpy()
    return labels
