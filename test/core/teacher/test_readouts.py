"""Each read-out against its formulas, written out patch by patch with loops."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_clips import layer_norm, tiny_clip

from clip2scene_core.config.sections import READOUTS, ConfigError, TeacherConfig
from clip2scene_core.teacher.cache import fingerprint
from clip2scene_core.teacher.maskclip import DenseClip, read_vit
from clip2scene_core.teacher.readouts import (
    ATTENTIVE_READOUTS,
    find_outliers,
    gaussian_window,
    repair,
)

ROWS, COLUMNS = 5, 7


@pytest.fixture(scope="module")
def vit():
    """Twelve blocks, as a ViT-B has, with two heads of 16."""
    return tiny_clip(layers=12, width=32, patch_size=16).model.visual.double()


def tokens_of_blocks(visual, image):
    """What each block but the last gives for one image: (1 + N, C), the class token first."""
    hidden = []
    handles = [
        block.register_forward_pre_hook(lambda module, args: hidden.append(args[0][0]))
        for block in visual.transformer.resblocks[1:]
    ]
    # At the size of its training, so that no position is resized.
    visual(image[None])
    for handle in handles:
        handle.remove()
    return hidden


def parts_of(block, tokens):
    """Queries, keys and values by head, of each token: lists of (heads, d)."""
    attention, found = block.attn, []
    for token in tokens:
        all_three = attention.in_proj_weight @ layer_norm(token, block.ln_1)
        all_three = all_three + attention.in_proj_bias
        found.append(all_three.reshape(3, attention.num_heads, -1))
    return tuple(torch.stack([three[part] for three in found]) for part in range(3))


def attend(block, similarity, values, extra=None):
    """Attention with one (T, heads, d) in the place of queries and keys, token by token."""
    attention = block.attn
    outputs = []
    for p in range(len(values)):
        heads = []
        for head in range(attention.num_heads):
            d = values.shape[2]
            logits = torch.stack(
                [
                    similarity[p, head] @ similarity[q, head] / math.sqrt(d)
                    + (0 if extra is None else extra(p, q))
                    for q in range(len(values))
                ]
            )
            weights = logits.exp() / logits.exp().sum()
            heads.append(sum(weight * value for weight, value in zip(weights, values[:, head])))  # noqa: B905
        outputs.append(attention.out_proj.weight @ torch.cat(heads) + attention.out_proj.bias)
    return torch.stack(outputs)


def project(visual, token):
    return visual.proj.T @ layer_norm(token, visual.ln_post)


def naive_attentive(visual, image, part, extra):
    block = visual.transformer.resblocks[-1]
    found = parts_of(block, tokens_of_blocks(visual, image)[-1])
    attended = attend(block, found[part], found[2], extra)
    scale = getattr(block.ls_1, "gamma", 1)
    return torch.stack([project(visual, scale * token) for token in attended[1:]], dim=1)


@torch.no_grad()
def test_clearclip_equals_its_closed_form(vit):
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    expected = naive_attentive(vit, image, part=0, extra=None)
    embeddings, _ = read_vit(vit, image[None], "clearclip")
    torch.testing.assert_close(embeddings[0].flatten(1), expected, atol=1e-5, rtol=0)


@torch.no_grad()
def test_naclip_equals_its_closed_form(vit):
    image = torch.rand(3, 64, 64, dtype=torch.float64)

    def window(p, q):
        if p == 0 or q == 0:  # the class token is nowhere
            return 0.0
        (y, x), (v, u) = divmod(p - 1, 4), divmod(q - 1, 4)
        return math.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 5.0**2))

    expected = naive_attentive(vit, image, part=1, extra=window)
    embeddings, _ = read_vit(vit, image[None], "naclip")
    torch.testing.assert_close(embeddings[0].flatten(1), expected, atol=1e-5, rtol=0)
    torch.testing.assert_close(
        gaussian_window((4, 4)),
        torch.tensor([[window(p, q) for q in range(1, 17)] for p in range(1, 17)]),
    )


@torch.no_grad()
def test_a_layer_scale_stays_in_what_is_read():
    visual = tiny_clip(layers=2, width=32, patch_size=16, ls_init_value=0.3).model.visual.double()
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    expected = naive_attentive(visual, image, part=0, extra=None)
    embeddings, _ = read_vit(visual, image[None], "clearclip")
    torch.testing.assert_close(embeddings[0].flatten(1), expected, atol=1e-5, rtol=0)


def naive_repair(patches, outliers, rows, columns):
    repaired = patches.clone()
    for p in range(len(patches)):
        if not outliers[p]:
            continue
        y, x = divmod(p, columns)
        around = [
            patches[v * columns + u]
            for v in range(max(y - 1, 0), min(y + 2, rows))
            for u in range(max(x - 1, 0), min(x + 2, columns))
            if not outliers[v * columns + u]
        ]
        if around:
            repaired[p] = torch.stack(around).mean(dim=0)
    return repaired


def naive_aggregate(patches, guide):
    unit = [vector / vector.norm() for vector in guide]
    rows = []
    for p in range(len(patches)):
        weights = torch.stack([unit[p] @ other for other in unit])
        weights = torch.where(weights < 0.4, 0, weights)
        rows.append(sum(w * v for w, v in zip(weights, patches)) / weights.sum())  # noqa: B905
    return torch.stack(rows)


@torch.no_grad()
def test_sc_clip_equals_its_closed_form(vit):
    image = torch.rand(3, 64, 64, dtype=torch.float64)
    tokens = tokens_of_blocks(vit, image)
    outliers = find_outliers(tokens[-1][None, 1:])[0]
    # 16 patches have no twentieth: choose two, so that the repair counts.
    assert not outliers.any()
    block = vit.transformer.resblocks[-1]
    middle = tokens[8][1:]  # after the 9th of 12 blocks
    unit = [vector / vector.norm() for vector in middle]
    cosines = torch.stack([torch.stack([a @ b for b in unit]) for a in unit])
    centered = 3 * (cosines - cosines.mean())
    by_middle = centered.exp() * (centered >= 0)
    by_middle = by_middle / by_middle.sum(dim=1, keepdim=True)

    def last(patches, class_token):
        _, keys, values = parts_of(block, patches)
        by_keys = attend(block, keys, values)
        mixed = torch.einsum("pq,qhd->phd", by_middle, values).flatten(1)
        mixed = mixed @ block.attn.out_proj.weight.T + block.attn.out_proj.bias
        attended = (by_keys + mixed) / 2 + 0.3 * class_token  # out_proj is affine
        return naive_aggregate(attended, tokens[3][1:])  # after the 4th block

    fused = sum(tokens[3:10])
    total = last(naive_aggregate(tokens[-1][1:], middle), tokens[-1][0])
    total = total + last(fused[1:], fused[0])
    expected = torch.stack([project(vit, token) for token in total], dim=1)
    embeddings, _ = read_vit(vit, image[None], "sc_clip")
    torch.testing.assert_close(embeddings[0].flatten(1), expected, atol=1e-5, rtol=0)


def test_outliers_are_those_whose_neighbors_lie_denser():
    generator = torch.Generator().manual_seed(0)
    patches = torch.randn(2, 100, 8, generator=generator, dtype=torch.float64)
    patches[0, [3, 50, 97]] += 9 * torch.randn(3, 8, generator=generator, dtype=torch.float64)
    outliers = find_outliers(patches)
    assert outliers.sum(dim=1).tolist() == [5, 5]
    assert outliers[0, [3, 50, 97]].all()
    factors = naive_factors(patches[1])
    highest = sorted(range(100), key=lambda p: -factors[p])[:5]
    assert sorted(highest) == outliers[1].nonzero()[:, 0].tolist()


def naive_factors(points, count=30):
    """Local outlier factors by their definition."""
    rows = points.tolist()
    nearest = []
    for i, one in enumerate(rows):
        others = [(math.dist(one, other), j) for j, other in enumerate(rows) if j != i]
        nearest.append(sorted(others)[:count])
    densities = [
        count / sum(max(distance, nearest[j][-1][0]) for distance, j in around)
        for around in nearest
    ]
    return [
        sum(densities[j] for _, j in around) / count / densities[i]
        for i, around in enumerate(nearest)
    ]


def test_repair_takes_the_neighbors_that_are_none():
    generator = torch.Generator().manual_seed(1)
    patches = torch.randn(1, ROWS * COLUMNS, 3, generator=generator, dtype=torch.float64)
    outliers = torch.rand(1, ROWS * COLUMNS, generator=generator) < 0.4
    outliers[0, [0, 1, COLUMNS, COLUMNS + 1]] = True  # a corner without any other
    expected = naive_repair(patches[0], outliers[0], ROWS, COLUMNS)
    torch.testing.assert_close(repair(patches, outliers, (ROWS, COLUMNS))[0], expected)
    assert torch.equal(expected[0], patches[0, 0])


@torch.no_grad()
@pytest.mark.parametrize("readout", READOUTS)
def test_images_do_not_know_each_other(vit, readout):
    clip = tiny_clip(layers=12, width=32, patch_size=16)
    dense_clip = DenseClip(clip, image_height=80, readout=readout)
    images = torch.rand(2, 3, 80, 112)
    together = dense_clip.embed_pixels(images)
    assert together.shape == (2, 24, ROWS, COLUMNS)
    torch.testing.assert_close(together.norm(dim=1), torch.ones(2, ROWS, COLUMNS))
    alone = torch.cat([dense_clip.embed_pixels(image[None]) for image in images])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


def test_readouts_have_their_own_cache_and_names():
    clip = tiny_clip(layers=2, width=32, patch_size=16)
    digests = {fingerprint(DenseClip(clip, readout=readout)) for readout in READOUTS}
    assert len(digests) == len(READOUTS) == len(ATTENTIVE_READOUTS) + 1
    with pytest.raises(ConfigError, match=r"teacher\.readout must be .*got 'proxyclip'"):
        TeacherConfig(readout="proxyclip")
    with pytest.raises(ValueError, match="readout must be one of maskclip, clearclip"):
        DenseClip(clip, readout="proxyclip")
    with pytest.raises(ValueError, match=r"'naclip' is for open_clip's own ViTs.*ModifiedResNet"):
        DenseClip(tiny_clip(layers=[1, 1, 1, 1], width=8), readout="naclip")
