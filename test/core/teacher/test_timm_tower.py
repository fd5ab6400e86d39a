"""Dense embeddings of timm's ViTs, against their own weights applied token by token."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_timm import (
    EVA02,
    EVA02_POST_NORM,
    MOBILE_CLIP,
    PE,
    PE_WITHOUT_CLASS,
    SIGLIP,
    SIZE,
    TIMM_TOWERS,
    WIDTH,
    tiny_timm_clip,
    tiny_timm_config,
)
from torch.nn import functional as F

from clip2scene_core.teacher.cache import fingerprint
from clip2scene_core.teacher.loading.architecture import check_buildable
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.score import embed_pictures
from clip2scene_core.teacher.timm_tower import read_timm


def linear(x, layer):
    return layer.weight @ x + (0 if layer.bias is None else layer.bias)


def normalized(x, norm):
    mean, variance = x.mean(), ((x - x.mean()) ** 2).mean()
    return (x - mean) / torch.sqrt(variance + norm.eps) * norm.weight + norm.bias


def gelu(x):
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def attention_pool_of_one(pool, x):
    value = (pool.kv.weight @ x + pool.kv.bias)[WIDTH:]
    out = linear(value, pool.proj)
    return out + linear(gelu(linear(normalized(out, pool.norm), pool.mlp.fc1)), pool.mlp.fc2)


def plain_block_of_one(block, x):
    value = linear(normalized(x, block.norm1), block.attn.qkv)[2 * WIDTH :]
    x = x + linear(value, block.attn.proj)
    return x + linear(gelu(linear(normalized(x, block.norm2), block.mlp.fc1)), block.mlp.fc2)


def swiglu(mlp, x):
    gate = linear(x, mlp.fc1_g)
    hidden = gate * torch.sigmoid(gate) * linear(x, mlp.fc1_x)
    return linear(normalized(hidden, mlp.norm), mlp.fc2)


def eva02_block_of_one(block, x):
    value = linear(normalized(x, block.norm1), block.attn.v_proj)
    x = x + linear(normalized(value, block.attn.norm), block.attn.proj)
    return x + swiglu(block.mlp, normalized(x, block.norm2))


def post_norm_block_of_one(block, x):
    weight, bias = block.attn.qkv.weight[2 * WIDTH :], block.attn.v_bias
    x = x + normalized(linear(weight @ x + bias, block.attn.proj), block.norm1)
    return x + normalized(linear(gelu(linear(x, block.mlp.fc1)), block.mlp.fc2), block.norm2)


BLOCKS = {MOBILE_CLIP: plain_block_of_one, EVA02: eva02_block_of_one}
BLOCKS[EVA02_POST_NORM] = post_norm_block_of_one


def tokens_into(module, tower, image):
    seen = []
    handle = module.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    tower(image[None])
    handle.remove()
    return seen[0]


@torch.no_grad()
@pytest.mark.parametrize("tower", [SIGLIP, PE, PE_WITHOUT_CLASS])
def test_the_value_path_of_an_attention_pool(monkeypatch, tower):
    visual = tiny_timm_clip(monkeypatch, tower).model.visual.double()
    image = torch.rand(3, SIZE, SIZE, dtype=torch.float64)
    tokens = tokens_into(visual.trunk.attn_pool, visual, image)
    embeddings, keys = read_timm(visual, image[None])
    for number, token in enumerate(tokens[len(tokens) - 16 :]):
        expected = attention_pool_of_one(visual.trunk.attn_pool, token)
        if tower != SIGLIP:
            expected = linear(expected, visual.trunk.head)
        found = embeddings[0].flatten(1)[:, number]
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)
        key = (visual.trunk.attn_pool.kv.weight @ token + visual.trunk.attn_pool.kv.bias)[:WIDTH]
        torch.testing.assert_close(keys[0].flatten(1)[:, number], key, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("tower", BLOCKS)
def test_the_value_path_of_a_last_block(monkeypatch, tower):
    visual = tiny_timm_clip(monkeypatch, tower).model.visual.double()
    image = torch.rand(3, SIZE, SIZE, dtype=torch.float64)
    block, trunk = visual.trunk.blocks[-1], visual.trunk
    tokens = tokens_into(block, visual, image)
    embeddings, keys = read_timm(visual, image[None])
    for number, token in enumerate(tokens[1:]):  # the class token is first
        last = normalized(BLOCKS[tower](block, token), trunk.norm)
        found = embeddings[0].flatten(1)[:, number]
        torch.testing.assert_close(found, linear(last, trunk.head), atol=1e-5, rtol=0)
        seen = token if tower == EVA02_POST_NORM else layer_norm_of(token, block.norm1)
        key = block.attn.k_proj(seen) if tower == EVA02 else block.attn.qkv(seen)[WIDTH:-WIDTH]
        torch.testing.assert_close(keys[0].flatten(1)[:, number], key, atol=1e-5, rtol=0)


def layer_norm_of(token, norm):
    return F.layer_norm(token, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


@torch.no_grad()
@pytest.mark.parametrize("tower", [SIGLIP, PE_WITHOUT_CLASS])
def test_an_image_of_one_patch_is_that_patch(monkeypatch, tower):
    monkeypatch.setattr("tiny_timm.SIZE", 16)
    clip = tiny_timm_clip(monkeypatch, tower)
    image = torch.rand(1, 3, 16, 16)
    dense, _ = read_timm(clip.model.visual, image)
    torch.testing.assert_close(dense[:, :, 0, 0], clip.model.visual(image), atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("tower", TIMM_TOWERS)
def test_images_of_any_size_are_read_and_the_tower_stays_as_it_was(monkeypatch, tower):
    clip = tiny_timm_clip(monkeypatch, tower)
    image = torch.rand(1, 3, SIZE, SIZE)
    before = clip.model.visual(image)
    dense_clip = DenseClip(clip, image_height=48, key_smoothing=True)
    wide = torch.rand(2, 3, 60, 110)
    both = dense_clip.embed_pixels(wide)
    assert tuple(both.shape) == (2, clip.embedding_size, 3, 6) == (2, before.shape[1], 3, 6)
    torch.testing.assert_close(dense_clip.embed_pixels(wide[1:])[0], both[1], atol=1e-5, rtol=0)
    assert torch.equal(clip.model.visual(image), before)
    # Windows of the tower's own size meet its own positions.
    windows = DenseClip(clip, image_height=48, window=48).embed_pixels(wide)
    assert windows.shape == both.shape
    assert fingerprint(dense_clip) != fingerprint(DenseClip(clip))


def test_pictures_are_embedded_at_the_size_of_the_tower(monkeypatch):
    clip = tiny_timm_clip(monkeypatch, SIGLIP)
    pictures = torch.randint(256, (2, 40, 40, 3), dtype=torch.uint8).numpy()
    assert embed_pictures(clip, pictures).shape == (2, WIDTH)


def test_other_readouts_and_other_towers_are_refused_by_name(monkeypatch):
    clip = tiny_timm_clip(monkeypatch, SIGLIP)
    with pytest.raises(ValueError, match="'naclip' is for open_clip's own ViTs, but CLIP 'tiny'"):
        DenseClip(clip, readout="naclip")
    monkeypatch.undo()
    config = tiny_timm_config(("resnet10t", "", "linear"))
    with pytest.raises(ValueError, match=r"CLIP 'tiny' has a ResNet, whose patches.* RN\* work"):
        check_buildable("tiny", config)
