"""Dense embeddings from image towers that open_clip takes from timm: SigLIP, PE, EVA, MobileCLIP.

MaskCLIP replaces the last attention by its value path, so each patch becomes what it would be if
it alone were attended to. The last attention is that of the pool where the tower has an attention
pool (SigLIP, PE), else that of the last block. In both cases a patch is a sequence of its own: an
attention over one token is its value, with whatever rotary positions, norms of queries and keys, or
scales the attention has.

Source: MaskCLIP (ECCV 2022), section 3.2, which does so with the attention pool of CLIP's ResNet.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from clip2scene_core.teacher.openclip import (
    AttentionPoolLatent,
    Eva,
    EvaBlockPostNorm,
    PatchFormat,
    TimmModel,
    TimmVisionTransformer,
)


def is_readable(tower: TimmModel) -> bool:
    """Whether the tower is a ViT whose patches can be read."""
    trunk = tower.trunk
    if not isinstance(trunk, (TimmVisionTransformer, Eva)):
        return False
    if isinstance(trunk.attn_pool, AttentionPoolLatent):
        return bool(trunk.attn_pool.pos_embed is None and trunk.attn_pool.latent_len == 1)
    return trunk.attn_pool is None and trunk.global_pool in ("token", "avg")


def stride_of(tower: TimmModel) -> int:
    """Edge of a patch, pixels."""
    stride: int = tower.trunk.patch_embed.feat_ratio()
    return stride


def read_timm(tower: TimmModel, images: Tensor) -> tuple[Tensor, Tensor]:
    """Run a ViT of timm with the value path instead of its last attention.

    Args:
        tower: Image tower, see `is_readable`.
        images: (B, 3, H, W) float, normalized; H and W are multiples of the patch size.

    Returns:
        Embeddings (B, D, h, w), not of unit length, and the last attention's keys (B, C, h, w).
    """
    trunk = tower.trunk
    has_pool = trunk.attn_pool is not None
    map_size = tuple(side // stride_of(tower) for side in images.shape[2:])
    last = len(trunk.blocks) - 1
    with _any_size(trunk, map_size):
        (patches,) = trunk.forward_intermediates(
            images,
            indices=[last if has_pool else last - 1],
            stop_early=True,
            output_fmt="NLC",
            intermediates_only=True,
        )
    size, count, width = patches.shape
    alone = patches.reshape(size * count, 1, width)
    if has_pool:
        normed = trunk.norm(alone)
        pooled = trunk.attn_pool(normed)
        keys = trunk.attn_pool.kv(normed).chunk(2, dim=2)[0]
    else:
        pooled = trunk.norm(trunk.blocks[-1](alone))[:, 0]
        keys = _keys(trunk.blocks[-1], alone)
    embeddings = tower.head(trunk.head(trunk.fc_norm(pooled)))
    maps = (one.reshape(size, count, -1).transpose(1, 2) for one in (embeddings, keys))
    dense, key_map = (one.reshape(size, -1, *map_size) for one in maps)
    return dense, key_map


def _keys(block: Any, tokens: Tensor) -> Tensor:
    """Keys of a block's attention: tokens (B, N, C) -> (B, N, C)."""
    attention = block.attn
    normed = tokens if isinstance(block, EvaBlockPostNorm) else block.norm1(tokens)
    keys: Tensor = (
        attention.k_proj(normed)
        if getattr(attention, "qkv", None) is None
        else attention.qkv(normed).chunk(3, dim=2)[1]
    )
    return keys


@contextmanager
def _any_size(trunk: Any, map_size: tuple[int, ...]) -> Iterator[None]:
    """Let a trunk take images of map_size patches: timm's settings of `dynamic_img_size`."""
    patches = trunk.patch_embed
    rope: Any = getattr(trunk, "rope", None)
    usual = (patches.strict_img_size, patches.flatten, patches.output_fmt, trunk.dynamic_img_size)
    is_fixed = rope is not None and rope.feat_shape is not None
    try:
        patches.strict_img_size, patches.flatten = False, False
        patches.output_fmt, trunk.dynamic_img_size = PatchFormat.NHWC, True
        if is_fixed:
            rope.update_feat_shape(list(map_size))
        yield
    finally:
        patches.strict_img_size, patches.flatten, patches.output_fmt, trunk.dynamic_img_size = usual
        if is_fixed:
            rope.update_feat_shape(list(patches.grid_size))
