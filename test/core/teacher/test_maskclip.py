"""MaskCLIP against independent readings of CLIP's own layers."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_clips import layer_norm, tiny_clip
from torch.nn import functional as F

from clip2scene_core.teacher.maskclip import (
    DenseClip,
    pooled_and_dense,
    read_vit,
    smooth_by_keys,
    value_path_of_resnet,
)
from clip2scene_core.teacher.openclip import VisionTransformer
from clip2scene_core.teacher.sampling import sample_at


@pytest.fixture(scope="module")
def tiny_vit():
    return tiny_clip(layers=3, width=32, patch_size=16)


@pytest.fixture(scope="module")
def tiny_resnet():
    return tiny_clip(layers=[1, 1, 1, 1], width=8)


def closed_form_of_maskclip(visual, image):
    """One image (3, H, W), token by token: V, output, residual, MLP with QuickGELU, projection."""
    hidden = []
    handle = visual.transformer.resblocks[-1].register_forward_pre_hook(
        lambda module, args: hidden.append(args[0])
    )
    visual(image[None])
    handle.remove()
    block = visual.transformer.resblocks[-1]
    width = block.attn.embed_dim
    columns = []
    for token in hidden[0][0, 1:]:
        normed = layer_norm(token, block.ln_1)
        value = (
            block.attn.in_proj_weight[2 * width :] @ normed + block.attn.in_proj_bias[2 * width :]
        )
        token = token + block.attn.out_proj.weight @ value + block.attn.out_proj.bias
        inner = block.mlp.c_fc.weight @ layer_norm(token, block.ln_2) + block.mlp.c_fc.bias
        inner = inner * (1 / (1 + torch.exp(-1.702 * inner)))
        token = token + block.mlp.c_proj.weight @ inner + block.mlp.c_proj.bias
        columns.append(visual.proj.T @ layer_norm(token, visual.ln_post))
    return torch.stack(columns, dim=1)


@torch.no_grad()
def test_vit_equals_the_closed_form_token_by_token(tiny_vit):
    image = torch.rand(3, 64, 64)
    embeddings, keys = read_vit(tiny_vit.model.visual, image[None])
    expected = closed_form_of_maskclip(tiny_vit.model.visual, image)
    assert embeddings.shape == (1, 24, 4, 4)
    assert keys.shape == (1, 32, 4, 4)
    torch.testing.assert_close(embeddings[0].flatten(1), expected, atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("name", ["tiny_vit", "tiny_resnet"])
def test_one_pass_gives_what_the_tower_pools_and_the_value_path(name, request):
    visual = request.getfixturevalue(name).model.visual
    images = torch.rand(2, 3, 64, 64)
    pooled, dense = pooled_and_dense(visual, images)
    value_path = read_vit if name == "tiny_vit" else value_path_of_resnet
    torch.testing.assert_close(pooled, visual(images), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(dense, value_path(visual, images)[0])


@torch.no_grad()
def test_vit_norm_epsilon_is_openai_s(tiny_vit):
    visual = tiny_vit.model.visual
    assert visual.ln_post.eps == 1e-5
    assert visual.transformer.resblocks[0].ln_1.eps == 1e-5


@torch.no_grad()
def test_resnet_equals_the_attention_pool_where_it_has_one_token():
    # The pool of equal tokens without position is the value path of that token.
    clip = tiny_clip(layers=[1, 1, 1, 1], width=8, image_size=32)
    visual = clip.model.visual
    visual.attnpool.positional_embedding.zero_()
    image = torch.rand(2, 3, 32, 32)
    embeddings, keys = value_path_of_resnet(visual, image)
    assert keys.shape == (2, 256, 1, 1)
    torch.testing.assert_close(embeddings[:, :, 0, 0], visual(image), atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_embeddings_are_computed_from_images_normalised_with_the_clip_s_own_constants(tiny_vit):
    image = torch.rand(1, 3, 64, 64)
    red, green, blue = image[:, 0], image[:, 1], image[:, 2]
    normalized = torch.stack([(red - 0.5) / 0.2, (green - 0.4) / 0.3, (blue - 0.3) / 0.4], dim=1)
    expected = F.normalize(read_vit(tiny_vit.model.visual, normalized)[0], dim=1)
    torch.testing.assert_close(DenseClip(tiny_vit).embed_pixels(image), expected)


def test_wide_images_keep_their_shape_and_unit_length(tiny_vit, tiny_resnet):
    images = torch.rand(2, 3, 90, 160)
    vit = DenseClip(tiny_vit, image_height=48).embed_pixels(images)
    assert vit.shape == (2, 24, 3, 5)
    resnet = DenseClip(tiny_resnet, image_height=64).embed_pixels(images)
    assert resnet.shape == (2, 24, 2, 4)
    for dense in (vit, resnet):
        torch.testing.assert_close(dense.norm(dim=1), torch.ones(dense[:, 0].shape))


@torch.no_grad()
def test_scales_average_the_unit_embeddings_of_every_size(tiny_resnet):
    images = torch.rand(2, 3, 90, 160)
    large = DenseClip(tiny_resnet, image_height=128).embed_pixels(images)
    small = DenseClip(tiny_resnet, image_height=64).embed_pixels(images)
    small = F.interpolate(small, large.shape[2:], mode="bilinear", align_corners=False)
    both = DenseClip(tiny_resnet, image_height=128, scales=(0.5, 1.0)).embed_pixels(images)
    torch.testing.assert_close(both, F.normalize(large + small, dim=1))


@torch.no_grad()
@pytest.mark.parametrize(
    "kind",
    [
        {},
        {"no_ln_pre": True, "pool_type": "avg", "final_ln_after_pool": True},  # CLIPA
        {"ls_init_value": 0.2},  # ViT-M-16-alt
        {"pos_embed_type": "sin_cos_2d"},
        {"mlp_ratio": 3.0, "norm_kwargs": {"eps": 1e-3}},
    ],
    ids=str,
)
def test_every_vit_of_open_clip_is_read_as_patches_alone(kind):
    visual = tiny_clip(layers=2, width=32, patch_size=16, **kind).model.visual
    image, seen = torch.rand(1, 3, 64, 64), []
    block = visual.transformer.resblocks[-1]
    handle = block.register_forward_pre_hook(lambda _, args: seen.append(args[0][0]))
    visual(image)
    handle.remove()
    alone = block(seen[0][1:, None])[:, 0]  # each patch is a sequence of its own
    expected = visual.ln_post(alone) @ visual.proj
    torch.testing.assert_close(read_vit(visual, image)[0][0].flatten(1).T, expected)


def test_key_smoothing_keeps_shape_and_changes_embeddings(tiny_vit):
    images = torch.rand(1, 3, 64, 64)
    plain = DenseClip(tiny_vit).embed_pixels(images)
    smoothed = DenseClip(tiny_vit, key_smoothing=True).embed_pixels(images)
    assert smoothed.shape == plain.shape
    assert not torch.allclose(smoothed, plain)


def test_smoothing_mixes_places_with_equal_keys_only():
    embeddings = torch.eye(3).reshape(1, 3, 1, 3)  # three places, three directions
    keys = torch.tensor([[1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]).reshape(1, 2, 1, 3)
    smoothed = smooth_by_keys(embeddings, keys)[0, :, 0]
    half = math.sqrt(0.5)
    expected = torch.tensor([[half, half, 0], [half, half, 0], [0, 0, 1]])
    torch.testing.assert_close(smoothed, expected)


def test_position_embeddings_of_the_trained_size_are_used_as_they_are(tiny_vit):
    visual = tiny_vit.model.visual
    assert isinstance(visual, VisionTransformer)
    image = torch.rand(1, 3, 64, 64)
    square, _ = read_vit(visual, image)
    wide, _ = read_vit(visual, torch.cat([image, image], dim=3))
    assert wide.shape == (1, 24, 4, 8)
    assert torch.isfinite(wide).all()
    assert not torch.allclose(wide[..., :4], square)


def test_uint8_images_are_refused(tiny_vit):
    with pytest.raises(ValueError, match=r"images must be \(B, 3, H, W\) float in \[0, 1\]"):
        DenseClip(tiny_vit).embed_pixels(torch.zeros(1, 3, 64, 64, dtype=torch.uint8))


def test_image_height_below_one_patch_is_refused(tiny_vit):
    with pytest.raises(ValueError, match="at least 16"):
        DenseClip(tiny_vit, image_height=8)
    with pytest.raises(ValueError, match="scale"):
        DenseClip(tiny_vit, image_height=16, scales=(1.0, 0.5))
    with pytest.raises(ValueError, match="scale"):
        DenseClip(tiny_vit, scales=())


def test_other_towers_are_refused(tiny_vit):
    model = torch.nn.Module()
    model.visual = torch.nn.Linear(1, 1)
    foreign = type(tiny_vit)("foreign", model, tiny_vit.tokenizer, (0, 0, 0), (1, 1, 1), 64)
    with pytest.raises(ValueError, match="has a Linear"):
        DenseClip(foreign)


def test_sampling_is_bilinear_between_the_centres_of_places():
    # Two places side by side over an image of 8 x 4 pixels: centres at u = 1.5 and u = 5.5.
    dense = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).reshape(1, 2, 1, 2)
    pixels = torch.tensor([[1.5, 1.0], [5.5, 3.0], [3.5, 0.0], [2.5, 0.0], [0.0, 0.0], [7.0, 3.0]])
    sampled = sample_at(dense, torch.zeros(6, dtype=torch.int64), pixels, (4, 8))
    quarter = torch.tensor([0.75, 0.25]) / math.hypot(0.75, 0.25)
    half = math.sqrt(0.5)
    expected = torch.tensor([[1, 0], [0, 1], [half, half], quarter.tolist(), [1, 0], [0, 1]])
    torch.testing.assert_close(sampled, expected)


def test_sampling_agrees_with_grid_sample():
    generator = torch.Generator().manual_seed(3)
    dense = F.normalize(torch.randn(2, 5, 4, 7, generator=generator), dim=1)
    pixels = torch.rand(50, 2, generator=generator) * torch.tensor([69.0, 39.0])
    image_index = torch.randint(2, (50,), generator=generator)
    sampled = sample_at(dense, image_index, pixels, (40, 70))
    grid = (2 * pixels + 1) / torch.tensor([70.0, 40.0]) - 1
    for row in range(50):
        image = dense[image_index[row]][None]
        place = grid[row].view(1, 1, 1, 2)
        expected = F.grid_sample(image, place, padding_mode="border", align_corners=False)
        torch.testing.assert_close(sampled[row], F.normalize(expected.flatten(), dim=0))


def test_sampling_nothing_gives_nothing():
    dense = torch.rand(1, 5, 4, 7)
    none = torch.zeros(0, dtype=torch.int64)
    assert sample_at(dense, none, torch.zeros(0, 2), (40, 70)).shape == (0, 5)


def test_sampling_with_wrong_shapes_is_refused():
    with pytest.raises(ValueError, match=r"pixels must be \(P, 2\)"):
        sample_at(
            torch.rand(1, 5, 4, 7), torch.zeros(3, dtype=torch.int64), torch.rand(2, 2), (4, 7)
        )


def test_bfloat16_changes_embeddings_by_roundings_alone(tiny_resnet):
    images = torch.rand(2, 3, 64, 96)
    exact = DenseClip(tiny_resnet, 64, key_smoothing=True).embed_pixels(images)
    rounded = DenseClip(tiny_resnet, 64, key_smoothing=True, precision="bf16").embed_pixels(images)
    assert rounded.dtype == torch.float32
    assert not torch.equal(rounded, exact)
    assert (rounded * exact).sum(1).min() > 0.99
