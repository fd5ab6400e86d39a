"""Classify pictures and pixels by prompts: the basis of all scores of a CLIP."""

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
from clip2scene_core.teacher.prompting.prompts import check_prompts, embed_prompts
from clip2scene_core.teacher.prompting.tokenizer import PromptError
from clip2scene_core.teacher.small_clip import PositionFreeAttentionPool

_PICTURES_PER_PASS = 256


@torch.no_grad()
def embed_pictures(clip: Clip, images: NDArray[np.uint8]) -> Tensor:
    """Compute pooled embeddings of whole pictures.

    Args:
        clip: A CLIP. Pictures are resized if its position embeddings need a fixed size.
        images: (N, S, S, 3) uint8 RGB.

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
        pooled = clip.model.visual(((pixels - mean) / std).to(clip.device))
        embeddings.append(F.normalize(pooled, dim=1))
    return torch.cat(embeddings)


def _fixed_size(clip: Clip) -> tuple[int, int] | None:
    """(height, width) of the tower's input, pixels; None if it takes any size."""
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
    """Find the prompt nearest to each picture.

    Args:
        clip: The CLIP that computed the picture embeddings.
        picture_embeddings: (N, D) float of unit length.
        prompts: C prompts. Prompts that the CLIP cannot read are never the nearest.

    Returns:
        (N,) int64, indices into prompts.

    Raises:
        PromptError: If the CLIP can read none of the prompts.
    """
    unread = unreadable(clip, prompts)
    read = [index for index, prompt in enumerate(prompts) if prompt not in unread]
    if not read:
        raise PromptError(f"CLIP {clip.name!r} can read none of {', '.join(prompts)}")
    cosines = picture_embeddings @ embed_prompts(clip, [prompts[index] for index in read]).T
    nearest: NDArray[np.int64] = np.array(read)[cosines.argmax(dim=1).cpu().numpy()]
    return nearest


def unreadable(clip: Clip, prompts: Sequence[str]) -> list[str]:
    """List the prompts that a CLIP cannot read, for example because of unknown words."""
    unread = []
    for prompt in prompts:
        try:
            check_prompts(clip, [prompt])
        except PromptError:
            unread.append(prompt)
    return unread


@torch.no_grad()
def label_pixels(
    dense_clip: DenseClip, image: NDArray[np.uint8], text_embeddings: Tensor
) -> NDArray[np.uint8]:
    """Label each pixel of an image with the class of the nearest text.

    Scores are interpolated bilinearly between places. This equals the scores of bilinear
    embeddings, as `sample_at` computes them for points, because scores are linear.

    Args:
        dense_clip: The teacher.
        image: (H, W, 3) uint8 RGB.
        text_embeddings: (C, D) float of unit length, C at most 254.

    Returns:
        (H, W) uint8, indices into text_embeddings.
    """
    # torch.tensor copies: images from messages or files can be read-only.
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    embeddings = dense_clip.embed_pixels(pixels)  # (1, D, h, w)
    scores = torch.einsum("bdhw,cd->bchw", embeddings, text_embeddings)
    scores = F.interpolate(scores, image.shape[:2], mode="bilinear", align_corners=False)
    labels: NDArray[np.uint8] = scores.argmax(dim=1)[0].to("cpu", torch.uint8).numpy()
    return labels
