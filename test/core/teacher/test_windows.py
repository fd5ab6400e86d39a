"""Sliding windows, against a loop over places and windows."""

from __future__ import annotations

import pytest
import torch
from tiny_clips import tiny_clip
from torch.nn import functional as F

from clip2scene_core.config.sections import ConfigError, TeacherConfig
from clip2scene_core.teacher.cache import fingerprint
from clip2scene_core.teacher.maskclip import DenseClip, read_vit
from clip2scene_core.teacher.windows import slide, window_starts


@pytest.fixture(scope="module")
def clip():
    return tiny_clip(layers=2, width=32, patch_size=16)


def test_windows_cover_a_side_and_end_with_it():
    assert window_starts(10, 4, 2) == [0, 2, 4, 6]
    assert window_starts(11, 4, 2) == [0, 2, 4, 6, 7]
    assert window_starts(11, 4, 4) == [0, 4, 7]
    assert window_starts(4, 4, 2) == [0]
    assert window_starts(3, 4, 2) == [0]


@torch.no_grad()
def test_places_are_averaged_over_the_windows_that_hold_them(clip):
    dense_clip = DenseClip(clip, image_height=96, window=64, window_step=32)
    images = torch.rand(1, 3, 96, 144)
    visual = clip.model.visual
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (clip.mean, clip.std))
    pixels = (images - mean) / std
    sums, counts = torch.zeros(24, 6, 9), torch.zeros(6, 9)
    for top in (0, 2):
        for left in (0, 2, 4, 5):
            crop = pixels[..., 16 * top : 16 * top + 64, 16 * left : 16 * left + 64]
            embeddings = F.normalize(read_vit(visual, crop)[0], dim=1)[0]
            for row in range(4):
                for column in range(4):
                    sums[:, top + row, left + column] += embeddings[:, row, column]
                    counts[top + row, left + column] += 1
    expected = F.normalize(sums / counts, dim=0)
    torch.testing.assert_close(dense_clip.embed_pixels(images)[0], expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("readout", ["maskclip", "naclip"])
def test_one_window_over_the_whole_image_is_the_plain_reading(clip, readout):
    images = torch.rand(2, 3, 64, 112)
    plain = DenseClip(clip, 64, True, (0.5, 1.0), readout)
    one_window = DenseClip(clip, 64, True, (0.5, 1.0), readout, window=112)
    torch.testing.assert_close(one_window.embed_pixels(images), plain.embed_pixels(images))


def test_windows_keep_the_size_of_the_map_and_the_batch_apart(clip):
    images = torch.rand(2, 3, 70, 130)
    dense_clip = DenseClip(clip, image_height=64, window=48)
    assert dense_clip.window_step == 16  # half a window, in whole patches
    both = dense_clip.embed_pixels(images)
    assert tuple(both.shape[2:]) == dense_clip.map_size((70, 130))
    torch.testing.assert_close(dense_clip.embed_pixels(images[1:])[0], both[1])
    torch.testing.assert_close(both.norm(dim=1), torch.ones(2, *both.shape[2:]))


def test_a_window_sees_nothing_outside_of_it():
    seen = []

    def embed(pixels):
        seen.append(tuple(pixels.shape[2:]))
        return pixels[:, :1, ::4, ::4]

    image = torch.arange(8.0 * 20).reshape(1, 1, 8, 20).expand(-1, 3, -1, -1)
    assert torch.equal(slide(embed, image, window=8, step=4, stride=4), image[:, :1, ::4, ::4])
    assert seen == [(8, 8)] * 4


def test_windows_have_their_own_cache(clip):
    settings = [{}, {"window": 64}, {"window": 64, "window_step": 16}, {"refinement": 3}]
    assert len({fingerprint(DenseClip(clip, **setting)) for setting in settings}) == 4
    assert fingerprint(DenseClip(clip, window=64)) == fingerprint(
        DenseClip(clip, window=64, window_step=32)
    )


def test_windows_that_do_not_fit_are_refused(clip):
    with pytest.raises(ValueError, match="must be multiples of 16"):
        DenseClip(clip, window=50)
    with pytest.raises(ValueError, match="must be multiples of 16"):
        DenseClip(clip, window=64, window_step=24)
    with pytest.raises(ConfigError, match=r"teacher\.window .* window_step at most the window"):
        TeacherConfig(window=64, window_step=96)
    with pytest.raises(ValueError, match="must not be negative"):
        DenseClip(clip, refinement=-1)
