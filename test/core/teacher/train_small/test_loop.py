"""Training of the small CLIP on coloured shapes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.prompting.prompts import embed_prompts
from clip2scene_core.teacher.score import embed_pictures, nearest_prompt
from clip2scene_core.teacher.small_clip import (
    SmallClipShape,
    build_small_clip,
    load_small_clip,
    save_small_clip,
)
from clip2scene_core.teacher.train_small.data import (
    Augmentation,
    CaptionedPictures,
    random_crops,
)
from clip2scene_core.teacher.train_small.loop import (
    TrainingOptions,
    train_small_clip,
    with_scores,
)

COLORS = {"red": (220, 40, 40), "green": (40, 200, 60), "blue": (40, 60, 220)}
OPTIONS = TrainingOptions(
    shape=SmallClipShape(
        width=8, head_width=32, embedding_size=32, text_width=32, text_heads=2, image_height=32
    ),
    augmentation=Augmentation(sizes=(24, 32)),
    steps=60,
    batch_size=24,
    warmup_steps=5,
    save_every=20,
)


def colored_shapes(num_pictures, seed):
    random = np.random.default_rng(seed)
    rows, columns = np.mgrid[:32, :32]
    for _ in range(num_pictures):
        color = random.choice(list(COLORS))
        shape = random.choice(["square", "disc"])
        image = random.integers(90, 130, (32, 32, 3)).astype(np.uint8)
        row, column, size = random.integers(12, 20), random.integers(12, 20), random.integers(7, 11)
        if shape == "square":
            inside = np.maximum(abs(rows - row), abs(columns - column)) < size
        else:
            inside = np.hypot(rows - row, columns - column) < size
        image[inside] = COLORS[color]
        yield image, f"a photo of a {color} {shape}", (f"a {color} {shape}",)


@pytest.fixture(scope="module")
def pictures():
    return CaptionedPictures.collect(colored_shapes(240, seed=0))


@pytest.fixture(scope="module")
def trained(pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "clip.safetensors"
    reports = []
    small_clip = train_small_clip(pictures, OPTIONS, out, reports.append)
    return out, small_clip, reports


def test_the_loss_falls(trained):
    _, _, reports = trained
    losses = [report.loss for report in reports]
    assert [report.step for report in reports] == list(range(1, 61))
    # Two losses. Equal captions are positives of each other: six texts, four pictures of each per
    # batch, so neither can fall below ln 4.
    assert np.mean(losses[:3]) > 5.6
    assert np.mean(losses[-5:]) < 4.6
    assert min(losses) > 2 * 1.25


def test_colours_of_new_pictures_are_recognised(trained):
    clip = load_clip(f"small:{trained[0]}")
    held_out = CaptionedPictures.collect(colored_shapes(60, seed=1))
    named = nearest_prompt(clip, embed_pictures(clip, held_out.images), list(COLORS))
    is_right = [
        list(COLORS)[color] in caption
        for color, caption in zip(named, held_out.captions, strict=True)
    ]
    assert np.mean(is_right) > 0.8


def test_a_vision_transformer_is_trained_too(pictures, tmp_path):
    shape = replace(OPTIONS.shape, layers=2, width=32, head_width=16)
    options = replace(OPTIONS, shape=shape, steps=30, learning_rate=3e-3)
    losses = []
    out = tmp_path / "clip.safetensors"
    train_small_clip(pictures, options, out, lambda progress: losses.append(progress.loss))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 0.5
    assert load_small_clip(out).training["options"]["shape"]["layers"] == 2


def test_another_image_tower_is_distilled_from_a_trained_one(pictures, trained, tmp_path):
    shape = replace(OPTIONS.shape, layers=2, width=32, head_width=16)
    options = replace(
        OPTIONS, shape=shape, steps=30, place_weight=0.0, choice_weight=0.0,
        distill=f"small:{trained[0]}",
    )  # fmt: skip
    losses = []
    out = tmp_path / "clip.safetensors"
    vit = train_small_clip(pictures, options, out, lambda progress: losses.append(progress.loss))
    assert np.mean(losses[-3:]) < np.mean(losses[:3]) - 1.0
    # The file holds matrices in half precision.
    own, new = load_small_clip(trained[0]).model.state_dict(), vit.model.state_dict()
    text = [name for name in own if not name.startswith("visual.") and name != "logit_scale"]
    assert all(torch.equal(own[name], new[name]) for name in text)
    assert not torch.equal(own["logit_scale"], new["logit_scale"])
    assert vit.tokenizer == trained[1].tokenizer
    images = CaptionedPictures.collect(colored_shapes(20, seed=2)).images
    by_teacher, by_vit = (
        embed_pictures(load_clip(f"small:{path}"), images) for path in (trained[0], out)
    )
    untrained = build_small_clip(shape, vit.tokenizer.size)
    with torch.no_grad():
        for name, value in vit.model.state_dict().items():
            if name.startswith("visual."):
                value.copy_(untrained.state_dict()[name])
    save_small_clip(tmp_path / "untrained.safetensors", vit)
    by_chance = embed_pictures(load_clip(f"small:{tmp_path / 'untrained.safetensors'}"), images)
    cosines = [(by_teacher * other).sum(dim=1).mean() for other in (by_vit, by_chance)]
    assert cosines[0] > cosines[1] + 0.3


def test_a_training_goes_on_from_a_trained_one_and_keeps_its_words(pictures, trained, tmp_path):
    start = f"small:{trained[0]}"
    options = replace(OPTIONS, steps=6, learning_rate=5e-4, warmup_steps=2, start=start)
    losses = []
    out = tmp_path / "clip.safetensors"
    clip = train_small_clip(pictures, options, out, lambda progress: losses.append(progress.loss))
    assert losses[0] < np.mean([report.loss for report in trained[2][:3]]) - 0.5
    assert clip.tokenizer == trained[1].tokenizer
    words = ["a red square", "a blue disc"]
    before, after = (embed_prompts(load_clip(f"small:{path}"), words) for path in (trained[0], out))
    assert torch.equal(before, after)
    images = CaptionedPictures.collect(colored_shapes(8, seed=2)).images
    before, after = (
        embed_pictures(load_clip(f"small:{path}"), images) for path in (trained[0], out)
    )
    assert not torch.equal(before, after)


def test_a_start_of_another_shape_and_two_starts_are_refused(pictures, trained, tmp_path):
    start = f"small:{trained[0]}"
    wider = replace(OPTIONS, shape=replace(OPTIONS.shape, width=16), start=start)
    with pytest.raises(ValueError, match=r"another image tower .* visual\.conv1\.weight is"):
        train_small_clip(pictures, wider, tmp_path / "clip.safetensors")
    with pytest.raises(ValueError, match="leave one out"):
        replace(OPTIONS, start=start, distill=start)


def test_what_cannot_be_distilled_is_refused(pictures, trained, tmp_path):
    for change, message in (
        ({"text_layers": 3}, r"\(32, 32, 2, 56\), the CLIP to train \(32, 32, 3, 56\)"),
        ({"embedding_size": 16}, "they must be the same"),
    ):
        options = replace(
            OPTIONS, shape=replace(OPTIONS.shape, **change), distill=f"small:{trained[0]}"
        )
        with pytest.raises(ValueError, match=message):
            train_small_clip(pictures, options, tmp_path / "clip.safetensors")


def test_scores_join_the_training_record_of_the_file(trained, tmp_path):
    _, small_clip, _ = trained
    path = tmp_path / "scored.safetensors"
    save_small_clip(path, with_scores(small_clip, {"accuracy": 0.5}))
    record = load_small_clip(path).training
    assert record["scores"] == {"accuracy": 0.5}
    assert record["num_pictures"] == 240
    assert record["options"]["steps"] == 60


def test_pixels_of_a_colour_lie_nearest_to_its_word(trained):
    out, _, _ = trained
    clip = load_clip(f"small:{out}")
    image = torch.full((1, 3, 32, 64), 110 / 255)
    image[0, :, 4:28, 4:28] = torch.tensor(COLORS["red"]).view(3, 1, 1) / 255
    image[0, :, 4:28, 36:60] = torch.tensor(COLORS["blue"]).view(3, 1, 1) / 255
    dense = DenseClip(clip).embed_pixels(image)  # (1, D, 4, 8)
    scores = torch.einsum("bdhw,cd->bchw", dense, embed_prompts(clip, ["red", "blue"]))
    labels = scores.argmax(dim=1)[0, 1:3]
    assert labels[:, 1:3].eq(0).all()
    assert labels[:, 5:7].eq(1).all()


def test_a_resumed_training_ends_with_the_same_numbers(pictures, trained, tmp_path):
    out = tmp_path / "clip.safetensors"

    def stop_after_30(progress):
        if progress.step == 30:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_small_clip(pictures, OPTIONS, out, stop_after_30)
    assert not out.exists()
    steps = []
    resumed = train_small_clip(pictures, OPTIONS, out, lambda progress: steps.append(progress.step))
    assert steps == list(range(21, 61))  # the training checkpoint of step 20 was the last one
    assert list(tmp_path.iterdir()) == [out]
    whole = trained[1].model.state_dict()
    for name, weight in resumed.model.state_dict().items():
        assert torch.equal(weight, whole[name]), name


def test_a_training_checkpoint_of_other_options_is_refused(pictures, tmp_path):
    out = tmp_path / "clip.safetensors"

    def stop(progress):
        if progress.step == 21:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_small_clip(pictures, OPTIONS, out, stop)
    with pytest.raises(ValueError, match="made with other options or pictures"):
        train_small_clip(pictures, replace(OPTIONS, learning_rate=0.1), out)


def test_crops_have_one_size_and_stay_in_range(pictures):
    sizes = set()
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        crops = random_crops(
            torch.from_numpy(pictures.images[:5]), Augmentation(sizes=(16, 24)), generator
        )
        assert crops.shape == (5, 3, crops.shape[2], crops.shape[2])
        assert 0 <= float(crops.min()) <= float(crops.max()) <= 1
        sizes.add(crops.shape[2])
    assert sizes == {16, 24}


def test_a_crop_of_the_whole_picture_is_the_picture_or_its_mirror_image(pictures):
    whole = Augmentation(sizes=(32,), smallest_zoom=1.0, largest_zoom=1.0, color_change=0.0)
    crops = random_crops(
        torch.from_numpy(pictures.images[:8]), whole, torch.Generator().manual_seed(0)
    )
    expected = torch.from_numpy(pictures.images[:8]).permute(0, 3, 1, 2) / 255
    mirrored = 0
    for crop, picture in zip(crops, expected, strict=True):
        is_mirrored = torch.allclose(crop, picture.flip(2), atol=1e-3)
        assert is_mirrored or torch.allclose(crop, picture, atol=1e-3)
        mirrored += is_mirrored
    assert 0 < mirrored < 8


def test_pictures_and_captions_are_checked():
    with pytest.raises(ValueError, match="no pictures"):
        CaptionedPictures.collect([])
    with pytest.raises(ValueError, match=r"images must be \(N, S, S, 3\) uint8"):
        CaptionedPictures(np.zeros((1, 8, 9, 3), np.uint8), ("a",), (("a",),))
    images = np.zeros((1, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="1 pictures, 2 captions and 1 lists of phrases"):
        CaptionedPictures(images, ("a", "b"), (("a",),))
    with pytest.raises(ValueError, match="caption 'a' has no phrase"):
        CaptionedPictures(images, ("a",), ((),))
