"""Read-outs of a VisionTransformer's last block: what stands for its attention, patch by patch.

MaskCLIP keeps the value path alone (`maskclip`). The others let patches attend to similar patches,
and drop the last block's residual and MLP, which carry what the image as a whole is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip2scene_core.teacher.openclip import VisionTransformer

_WINDOW_STD: Final = 5.0
"""NACLIP's standard deviation of the Gaussian window, in patches."""

_NUM_NEIGHBORS: Final = 30
_OUTLIER_SHARE: Final = 0.05
_MIN_SIMILARITY: Final = 0.4
_MID_SHARPNESS: Final = 3.0
_CLASS_WEIGHT: Final = 0.3
"""SC-CLIP's values, the same for all of its networks."""

_EARLY, _MID, _FUSED = 4 / 12, 9 / 12, (4 / 12, 10 / 12)
"""SC-CLIP's blocks, as shares of the depth: 4, 9, and 4 to 10 of the 12 blocks of a ViT-B."""

MapSize = tuple[int, int]


def clearclip(visual: VisionTransformer, tokens: Sequence[Tensor], map_size: MapSize) -> Tensor:
    """ClearCLIP: queries attend to queries; neither residual nor MLP.

    Args:
        visual: The image tower.
        tokens: (B, 1 + h * w, C) after each block but the last, the class token first.
        map_size: (h, w).

    Returns:
        (B, h * w, D) float, not of unit length.

    Source: Lan et al., ClearCLIP (ECCV 2024), Eq. 5 to 7.
    """
    block = visual.transformer.resblocks[-1]
    queries, _, values = _heads(block.attn, block.ln_1(tokens[-1]))
    attended = _join(block, torch.softmax(_products(queries), dim=-1) @ values)
    return _project(visual, attended[:, 1:])


def naclip(visual: VisionTransformer, tokens: Sequence[Tensor], map_size: MapSize) -> Tensor:
    """NACLIP: keys attend to keys, more to those nearby; neither residual nor MLP.

    Arguments and result as `clearclip`.

    Source: Hajimiri et al., Pay Attention to Your Neighbours (WACV 2025), Eq. 5 to 7.
    """
    block = visual.transformer.resblocks[-1]
    _, keys, values = _heads(block.attn, block.ln_1(tokens[-1]))
    logits = _products(keys)
    logits[..., 1:, 1:] += gaussian_window(map_size).to(logits)
    attended = _join(block, torch.softmax(logits, dim=-1) @ values)
    return _project(visual, attended[:, 1:])


def sc_clip(visual: VisionTransformer, tokens: Sequence[Tensor], map_size: MapSize) -> Tensor:
    """SC-CLIP: outliers repaired, and the last block guided by the similarity of middle features.

    Patches that are outliers before the last block are replaced by the mean of their neighbors.
    Features are averaged over patches that a middle block finds similar, before the last block and,
    by an earlier block, after it. Its attention is half that of keys to keys, half that of the
    middle block's similarities. The same is done to the sum of several blocks' features, and both
    are added.

    Arguments and result as `clearclip`. Blocks are those of the paper's ViT-B, at the same shares
    of the depth.

    Source: Bai et al., Self-Calibrated CLIP (arXiv 2411.15869), section 3.
    """
    depth = len(visual.transformer.resblocks)
    last = tokens[-1]
    outliers = find_outliers(last[:, 1:])
    patches = repair(last[:, 1:], outliers, map_size)
    middle = similarities(repair(tokens[_block(_MID, depth)][:, 1:], outliers, map_size))
    early = similarities(tokens[_block(_EARLY, depth)][:, 1:])
    first, final = (_block(share, depth) for share in _FUSED)
    fused = torch.stack(list(tokens[first : final + 1])).sum(dim=0)

    def last_block(patches: Tensor, class_token: Tensor) -> Tensor:
        block = visual.transformer.resblocks[-1]
        _, keys, values = _heads(block.attn, block.ln_1(patches))
        by_keys = torch.softmax(_products(keys), dim=-1)
        attention = (by_keys + _attention_of(middle)[:, None]) / 2
        attended = _join(block, attention @ values) + _CLASS_WEIGHT * class_token
        return aggregate(attended, early)

    detailed = last_block(aggregate(patches, middle), last[:, :1])
    return _project(visual, detailed + last_block(fused[:, 1:], fused[:, :1]))


ATTENTIVE_READOUTS: Final[
    Mapping[str, Callable[[VisionTransformer, Sequence[Tensor], MapSize], Tensor]]
] = {"clearclip": clearclip, "naclip": naclip, "sc_clip": sc_clip}
"""The read-outs with attention by name; "maskclip" has none."""


def gaussian_window(map_size: MapSize) -> Tensor:
    """Make NACLIP's window around each patch: (h * w, h * w) float32, 1 at the patch itself."""
    rows, columns = map_size
    y = torch.arange(rows, dtype=torch.float32).repeat_interleave(columns)
    x = torch.arange(columns, dtype=torch.float32).repeat(rows)
    squared = (y[:, None] - y) ** 2 + (x[:, None] - x) ** 2
    return torch.exp(-squared / (2 * _WINDOW_STD**2))


def find_outliers(patches: Tensor) -> Tensor:
    """Find the twentieth of the patches whose features lie most apart from those of the others.

    Args:
        patches: (B, N, C) float.

    Returns:
        (B, N) bool; the highest local outlier factors among 30 nearest neighbors.

    Source: Breunig et al., LOF (SIGMOD 2000).
    """
    count = patches.shape[1]
    num_neighbors = min(_NUM_NEIGHBORS, count - 1)
    num_outliers = int(_OUTLIER_SHARE * count)
    is_outlier = torch.zeros(patches.shape[:2], dtype=torch.bool, device=patches.device)
    if num_neighbors < 1 or num_outliers < 1:
        return is_outlier
    distances = torch.cdist(patches, patches)
    distances.diagonal(dim1=1, dim2=2).fill_(float("inf"))
    nearest, index = distances.topk(num_neighbors, dim=2, largest=False)
    reach_of = nearest[:, :, -1]

    def at_neighbors(values: Tensor) -> Tensor:
        return values[:, None].expand(-1, count, -1).gather(2, index)

    density = 1 / torch.maximum(nearest, at_neighbors(reach_of)).mean(dim=2).clamp(min=1e-12)
    factors = at_neighbors(density).mean(dim=2) / density
    return is_outlier.scatter(1, factors.topk(num_outliers, dim=1).indices, True)


def repair(patches: Tensor, outliers: Tensor, map_size: MapSize) -> Tensor:
    """Replace outliers by the mean of the up to eight neighbors in the image that are none.

    Args:
        patches: (B, h * w, C) float.
        outliers: (B, h * w) bool. Those without such a neighbor are kept.
        map_size: (h, w).

    Returns:
        (B, h * w, C) float.
    """
    is_kept = (~outliers).to(patches.dtype)[..., None]

    def sum_around(values: Tensor) -> Tensor:
        image = values.transpose(1, 2).reshape(len(values), -1, *map_size)
        # A mean over the 9 places, zeros around the image included, times 9.
        around = 9 * F.avg_pool2d(image, 3, stride=1, padding=1) - image
        return around.flatten(2).transpose(1, 2)

    num_kept = sum_around(is_kept)
    mean = sum_around(patches * is_kept) / num_kept.round().clamp(min=1)
    return torch.where(outliers[..., None] & (num_kept > 0.5), mean, patches)


def similarities(patches: Tensor) -> Tensor:
    """Cosines between patches: (B, N, C) -> (B, N, N)."""
    unit = F.normalize(patches, dim=2)
    return unit @ unit.transpose(1, 2)


def aggregate(patches: Tensor, cosines: Tensor) -> Tensor:
    """Average patches (B, N, C) over those with a cosine (B, N, N) of at least 0.4, by it."""
    weights = torch.where(cosines >= _MIN_SIMILARITY, cosines, 0)
    averaged: Tensor = (weights / weights.sum(dim=2, keepdim=True)) @ patches
    return averaged


def _attention_of(cosines: Tensor) -> Tensor:
    """Attention by cosines (B, N, N) above their mean over the image."""
    logits = _MID_SHARPNESS * (cosines - cosines.mean(dim=(1, 2), keepdim=True))
    return torch.softmax(logits.masked_fill(logits < 0, float("-inf")), dim=2)


def _heads(attention: nn.MultiheadAttention, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of tokens (B, N, C): (B, heads, N, C / heads) each."""
    projected = F.linear(tokens, attention.in_proj_weight, attention.in_proj_bias)
    parts = projected.reshape(*tokens.shape[:2], 3, attention.num_heads, -1)
    queries, keys, values = parts.permute(2, 0, 3, 1, 4)
    return queries, keys, values


def _products(vectors: Tensor) -> Tensor:
    """Scaled dot products of vectors (B, heads, N, d) with each other: (B, heads, N, N)."""
    products: Tensor = vectors @ vectors.transpose(2, 3) * vectors.shape[3] ** -0.5
    return products


def _join(block: Any, attended: Tensor) -> Tensor:
    """Put heads (B, heads, N, d) together, through output layer and layer scale: (B, N, C)."""
    joined: Tensor = block.ls_1(block.attn.out_proj(attended.transpose(1, 2).flatten(2)))
    return joined


def _project(visual: VisionTransformer, patches: Tensor) -> Tensor:
    projected: Tensor = visual.ln_post(patches) @ visual.proj
    return projected


def _block(share: float, depth: int) -> int:
    """Index into the tokens after each block but the last, of the block at a share of the depth."""
    return min(max(round(share * depth), 1), depth - 1) - 1
