"""Refinement by colors, against its formulas in loops over places and neighbors."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_clips import tiny_clip
from torch.nn import functional as F

from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.refinement import refine, refinement_factor


def naive_refine(masks, colors, iterations):
    """Eq. (7) to (9) of the paper with the released code's deviation, place by place."""
    _, rows, columns = masks.shape

    def neighbors(values, y, x):
        found = []
        for distance in (1, 2, 4):
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    if down == right == 0:
                        continue
                    v = min(max(y + distance * down, 0), rows - 1)
                    u = min(max(x + distance * right, 0), columns - 1)
                    found.append(values[:, v, u])
        return found

    for _ in range(iterations):
        updated = torch.zeros_like(masks)
        for y in range(rows):
            for x in range(columns):
                own = colors[:, y, x]
                around = neighbors(colors, y, x)
                kernels = []
                for other in around:
                    kernel = 0.0
                    for channel in range(3):
                        values = [c[channel].item() for c in around] + 3 * [own[channel].item()]
                        mean = sum(values) / len(values)
                        variance = sum((v - mean) ** 2 for v in values) / (len(values) - 1)
                        difference = abs(other[channel].item() - own[channel].item())
                        kernel -= difference / (0.1 * math.sqrt(variance) + 1e-8) / 3
                    kernels.append(kernel)
                total = sum(math.exp(k) for k in kernels)
                for kernel, mask in zip(kernels, neighbors(masks, y, x), strict=True):
                    updated[:, y, x] += math.exp(kernel) / total * mask
        masks = updated
    return masks


def test_refinement_equals_its_closed_form():
    generator = torch.Generator().manual_seed(0)
    masks = torch.rand(2, 4, 5, 6, generator=generator, dtype=torch.float64)
    colors = torch.rand(2, 3, 5, 6, generator=generator, dtype=torch.float64)
    refined = refine(masks, colors, factor=1, iterations=2)
    for one in range(2):
        expected = naive_refine(masks[one], colors[one], iterations=2)
        torch.testing.assert_close(refined[one], expected, atol=1e-5, rtol=0)


def test_embeddings_follow_the_edges_of_the_image():
    # The places know left from right at a boundary that lies 2 columns beside that of the image.
    image = torch.zeros(1, 3, 8, 16)
    image[..., 6:] = 1.0
    image += 0.02 * torch.rand(image.shape, generator=torch.Generator().manual_seed(0))
    masks = torch.zeros(1, 2, 8, 16)
    masks[:, 0, :, :4], masks[:, 1, :, 4:] = 1.0, 1.0
    labels = refine(masks, image, factor=1, iterations=10).argmax(dim=1)[0]
    is_right = torch.arange(16) >= 6
    before = (masks.argmax(dim=1)[0] == is_right).float().mean()
    assert (labels == is_right).float().mean() > before


def test_a_flat_image_spreads_evenly_and_keeps_constants():
    flat = torch.full((1, 3, 12, 12), 0.3)
    masks = torch.full((1, 2, 3, 3), 0.25)
    torch.testing.assert_close(refine(masks, flat, 4, 3), torch.full((1, 2, 12, 12), 0.25))


@pytest.mark.parametrize(("stride", "factor"), [(4, 1), (8, 2), (14, 4), (16, 4), (32, 8), (2, 1)])
def test_refined_places_are_about_four_pixels_wide(stride, factor):
    assert refinement_factor(stride) == factor


def test_a_refined_map_is_finer_and_of_unit_length():
    clip = tiny_clip(layers=2, width=32, patch_size=16)
    images = torch.rand(1, 3, 64, 96)
    refined = DenseClip(clip, refinement=2)
    embeddings = refined.embed_pixels(images)
    assert tuple(embeddings.shape[2:]) == refined.map_size((64, 96)) == (16, 24)
    plain = DenseClip(clip).embed_pixels(images)
    expected = F.normalize(refine(plain, images, 4, 2), dim=1)
    assert torch.equal(embeddings, expected)
