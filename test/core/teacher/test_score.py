"""Naming pictures and pixels by prompts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES, embed_prompts
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer, PromptError
from clip2scene_core.teacher.sampling import sample_at
from clip2scene_core.teacher.score import (
    embed_pictures,
    label_pixels,
    nearest_prompt,
    unreadable,
)
from clip2scene_core.teacher.small_clip import SmallClipShape, build_small_clip

PROMPTS = ("car", "road", "tree")


@pytest.fixture(scope="module")
def clip() -> Clip:
    shape = SmallClipShape(width=4, embedding_size=16, text_width=16, text_heads=2)
    tokenizer = CompactBytePairTokenizer.of_captions(PROMPTS, PROMPT_TEMPLATES, 56)
    torch.manual_seed(0)
    model = build_small_clip(shape, tokenizer.size)
    for _ in range(40):  # normalized features, so that random weights tell pictures apart
        model.visual(torch.randn(16, 3, 32, 32))
    return Clip("small", model, tokenizer, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4), 32)


def test_pictures_are_embedded_as_the_tower_pools_them(clip):
    images = np.random.default_rng(0).integers(0, 256, (300, 32, 32, 3), dtype=np.uint8)
    embeddings = embed_pictures(clip, images)
    assert embeddings.shape == (300, 16)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(300))
    pixels = torch.tensor(images[280:281]).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (clip.mean, clip.std))
    with torch.no_grad():
        pooled = clip.model.visual((pixels - mean) / std)[0]
    torch.testing.assert_close(embeddings[280], pooled / pooled.norm(), atol=1e-5, rtol=1e-5)
    assert embed_pictures(clip, images[:0]).shape == (0, 16)


def test_pictures_are_resized_for_a_tower_with_positions(clip):
    torch.manual_seed(0)
    vit = SmallClipShape(layers=1, width=32, head_width=16, embedding_size=16)
    model = build_small_clip(vit, clip.tokenizer.size)
    with_positions = Clip("vit", model, clip.tokenizer, (0.0,) * 3, (1.0,) * 3, 32)
    images = np.repeat(np.array([10, 240, 90], np.uint8), 48 * 48).reshape(3, 48, 48)
    images = np.repeat(images[..., None], 3, axis=3)
    at_96 = images.repeat(2, axis=1).repeat(2, axis=2)
    torch.testing.assert_close(
        embed_pictures(with_positions, images), embed_pictures(with_positions, at_96)
    )


def test_the_nearest_prompt_has_the_largest_cosine(clip):
    texts = embed_prompts(clip, PROMPTS)
    assert nearest_prompt(clip, texts[[2, 0, 1, 1]], PROMPTS).tolist() == [2, 0, 1, 1]


def test_a_prompt_that_cannot_be_read_fits_no_picture(clip):
    texts = embed_prompts(clip, PROMPTS)
    asked = ("giraffe", "tree", "red car", "car")
    assert unreadable(clip, asked) == ["giraffe", "red car"]
    assert nearest_prompt(clip, texts, asked)[[0, 2]].tolist() == [3, 1]
    with pytest.raises(PromptError, match="can read none of giraffe, red car"):
        nearest_prompt(clip, texts, ["giraffe", "red car"])


@pytest.mark.parametrize("size", [(32, 56), (50, 70)])
def test_pixels_are_labelled_as_points_that_project_there(clip, size):
    dense_clip = DenseClip(clip)
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    image.setflags(write=False)
    dense = dense_clip.embed_pixels(torch.tensor(image).permute(2, 0, 1)[None] / 255)
    places = dense[0].flatten(1).T
    texts = F.normalize(places[[0, 5, 9]] - places.mean(dim=0), dim=1)
    labels = label_pixels(dense_clip, image, texts)
    assert labels.shape == size
    assert labels.dtype == np.uint8
    rows, columns = (torch.from_numpy(axis.ravel()) for axis in np.mgrid[: size[0], : size[1]])
    pixels = torch.stack([columns, rows], dim=1).float()
    sampled = sample_at(dense, torch.zeros(len(rows), dtype=torch.int64), pixels, size)
    expected = (sampled @ texts.T).argmax(dim=1).numpy()
    assert set(expected) == {0, 1, 2}
    assert (labels.ravel() == expected).mean() > 0.999  # rounding decides between equal scores
