"""CLIP's text tower at work: tokens to embeddings, every beginning of a text read once.

CLIP's tower is causal: what it says of a token depends on this token and those before it. The 85
sentences around a prompt begin alike, and so do those around other prompts. So linear layers run
on the different beginnings alone, which are about half of the tokens, and texts meet in attention.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clip2scene_core.teacher.openclip import (
    CLIP,
    CustomTextCLIP,
    ResidualAttentionBlock,
    Transformer,
)


class _Beginnings(NamedTuple):
    """The U different beginnings of T texts with L tokens.

    Attributes:
        of_token: (T, L) int64, the beginning that ends with each token.
        places: (U,) int64, a token in T * L where each beginning ends.
    """

    of_token: Tensor
    places: Tensor


def encode_tokens(model: CLIP | CustomTextCLIP, tokens: Tensor) -> Tensor:
    """Run CLIP's text tower on texts that may be shorter than its context length.

    CLIP's tower is causal, and its result is read at the end token. So padding after that token has
    no effect. Other towers see the whole context, filled with CLIP's padding, 0, or already by the
    tokenizer's.

    Args:
        model: The CLIP.
        tokens: (T, L) int64, from `tokenize`.

    Returns:
        (T, D) float, not of unit length.
    """
    tower = model.text if isinstance(model, CustomTextCLIP) else model
    pooling = tower.pool_type if isinstance(model, CustomTextCLIP) else tower.text_pool_type
    length = tokens.shape[1]
    if tower.attn_mask is None or pooling != "argmax":
        whole: Tensor = model.encode_text(F.pad(tokens, (0, model.context_length - length)))
        return whole
    mask = tower.attn_mask[:length, :length]
    at_end = tower.ln_final(_read_at_end(tower, tokens, mask))
    projection = tower.text_projection
    embeddings: Tensor = (
        projection(at_end) if isinstance(projection, nn.Linear) else at_end @ projection
    )
    return embeddings


def _read_at_end(tower: Any, tokens: Tensor, mask: Tensor) -> Tensor:
    """Run the transformer of a causal tower on tokens (T, L): (T, W) at their end tokens."""
    length, end = tokens.shape[1], tokens.argmax(dim=1)
    rows = torch.arange(len(tokens), device=tokens.device)
    transformer: Transformer = tower.transformer
    blocks = list(transformer.resblocks)
    if not transformer.batch_first or {type(block) for block in blocks} != {ResidualAttentionBlock}:
        hidden = tower.token_embedding(tokens) + tower.positional_embedding[:length]
        whole: Tensor = transformer(hidden, attn_mask=mask)
        return whole[rows, end]
    beginnings = _find_beginnings(tokens)
    hidden = tower.token_embedding(tokens.flatten()[beginnings.places])
    hidden = hidden + tower.positional_embedding[beginnings.places % length]
    *others, last = blocks
    for block in others:
        attended = _attend(block, hidden, beginnings.of_token, mask)
        hidden = _finish(block, hidden, attended.flatten(0, 1)[beginnings.places])
    # Nobody reads what the last block says of other tokens than the end.
    ends = beginnings.of_token[rows, end]
    attended = _attend(last, hidden, beginnings.of_token, mask[end][:, None], ends)
    return _finish(last, hidden[ends], attended[:, 0])


def _find_beginnings(tokens: Tensor) -> _Beginnings:
    num_texts, length = tokens.shape
    of_token = torch.empty_like(tokens)
    firsts = torch.arange(num_texts, device=tokens.device) * length
    places = []
    parents, count = torch.zeros_like(firsts), 0
    for column in range(length):
        keys = parents * (int(tokens.max()) + 1) + tokens[:, column]
        found, parents = torch.unique(keys, return_inverse=True)
        of_token[:, column] = parents + count
        places.append(torch.empty_like(found).scatter_(0, parents, firsts + column))
        count += len(found)
    return _Beginnings(of_token, torch.cat(places))


def _attend(
    block: ResidualAttentionBlock,
    hidden: Tensor,
    of_token: Tensor,
    mask: Tensor,
    ends: Tensor | None = None,
) -> Tensor:
    """Attention of a block before its last projection.

    Args:
        block: The block.
        hidden: (U, W) float, one row for each beginning.
        of_token: (T, L) int64, see `_Beginnings`.
        mask: Added to the attention of Q tokens to L: (Q, L), or (T, Q, L).
        ends: (T,) int64 beginnings that ask alone, Q = 1; None if all L tokens ask.

    Returns:
        (T, Q, W) float.
    """
    attention = block.attn
    projected = F.linear(block.ln_1(hidden), attention.in_proj_weight, attention.in_proj_bias)
    by_token = projected[of_token].view(*of_token.shape, 3, attention.num_heads, -1)
    query, key, value = by_token.permute(2, 0, 3, 1, 4)  # each (T, heads, L, W / heads)
    if ends is not None:
        width = hidden.shape[1]
        query = projected[ends, :width].view(len(ends), attention.num_heads, 1, -1)
    if mask.ndim == 3:
        mask = mask[:, None]
    attended = F.scaled_dot_product_attention(query, key, value, mask.to(query.dtype))
    return attended.transpose(1, 2).flatten(2)


def _finish(block: ResidualAttentionBlock, hidden: Tensor, attended: Tensor) -> Tensor:
    """Do what follows the attention of a block: (n, W) and (n, W) -> (n, W)."""
    hidden = hidden + block.ls_1(block.attn.out_proj(attended))
    finished: Tensor = hidden + block.ls_2(block.mlp(block.ln_2(hidden)))
    return finished
