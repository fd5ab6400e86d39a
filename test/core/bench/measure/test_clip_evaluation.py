"""Scores of a CLIP on pictures with known ground truth."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.measure.clip_evaluation import evaluate_pictures, evaluate_pixels
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.sample import DatasetError
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES, embed_prompts
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer
from clip2scene_core.teacher.score import embed_pictures, label_pixels, nearest_prompt
from clip2scene_core.teacher.small_clip import SmallClipShape, build_small_clip
from clip2scene_core.world.captions.captions import Caption, Shown
from clip2scene_core.world.captions.pictures import Picture
from clip2scene_core.world.captions.questions import CLASS_PROMPTS
from clip2scene_core.world.dataset.ground_truth import write_class_image

CAPTIONS = (*CLASS_PROMPTS, "bike", "minivan", "a motorcar and a coach", "lorry")


@pytest.fixture(scope="module")
def clip() -> Clip:
    shape = SmallClipShape(width=4, embedding_size=16, text_width=16, text_heads=2)
    tokenizer = CompactBytePairTokenizer.of_captions(CAPTIONS, PROMPT_TEMPLATES, 56)
    torch.manual_seed(0)
    model = build_small_clip(shape, tokenizer.size)
    for _ in range(40):  # normalized features, so that random weights tell pictures apart
        model.visual(torch.randn(16, 3, 32, 32))
    return Clip("small", model, tokenizer, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 32)


@pytest.fixture(scope="module")
def pictures(clip) -> list[Picture]:
    """Twelve pictures of random pixels: eight show what the CLIP takes them for, four do not."""
    images = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8)
    images //= np.arange(1, 13, dtype=np.uint8)[:, None, None, None]
    named = nearest_prompt(clip, embed_pictures(clip, images), CLASS_PROMPTS)
    labels = [int(label) if row < 8 else (int(label) + 1) % 17 for row, label in enumerate(named)]
    return [
        Picture(image, Caption("a lie", ("a lie",)), (Shown(label, "", "", 0.5),))
        for image, label in zip(images, labels, strict=True)
    ]


def test_zero_shot_counts_what_is_really_shown(clip, pictures):
    scores = evaluate_pictures(clip, pictures)
    assert scores.accuracy == pytest.approx(8 / 12)
    labels = np.array([picture.shown[0].label for picture in pictures])
    recall = [(labels[:8] == c).sum() / max(1, (labels == c).sum()) for c in range(17)]
    present = np.bincount(labels, minlength=17) > 0
    np.testing.assert_allclose(scores.class_recall[present], np.array(recall)[present])
    assert np.isnan(scores.class_recall[~present]).all()


def test_answers_are_the_share_of_pictures_nearest_to_the_right_text(clip, pictures):
    label = CLASS_PROMPTS.index("truck")
    trucks = [Picture(p.image, p.caption, (Shown(label, "", "", 1.0),)) for p in pictures]
    scores = evaluate_pictures(clip, trucks)
    answers = {answer.question.texts[0]: answer for answer in scores.answers}
    assert set(answers) == {"lorry", "motortruck"}
    others = [prompt for prompt in CLASS_PROMPTS if prompt != "truck"]
    embeddings = embed_pictures(clip, np.stack([picture.image for picture in trucks]))
    nearest = nearest_prompt(clip, embeddings, ["motortruck", *others])
    assert answers["motortruck"].recall == np.mean(nearest == 0)
    assert answers["motortruck"].chance == 1 / 17
    expected = pytest.approx((np.mean(nearest == 0), 1 / 17, 1))
    assert scores.group_recall()["held-out synonyms"] == expected


def test_every_picture_counts_once_for_each_text(clip, pictures):
    # Bicycles of which three are ridden: "bike" is asked about all, the rest about these three.
    label = CLASS_PROMPTS.index("bicycle")
    shown = [Shown(label, "cyclist" if row < 3 else "bicycle", "", 1.0) for row in range(12)]
    bicycles = [Picture(p.image, p.caption, (one,)) for p, one in zip(pictures, shown, strict=True)]
    scores = evaluate_pictures(clip, bicycles)
    asked = [answer for answer in scores.answers if answer.question.group == "synonyms"]
    assert {len(answer.question.pictures) for answer in asked} == {3, 12}
    hits = sum(answer.recall * len(answer.question.pictures) for answer in asked)
    total = sum(len(answer.question.pictures) for answer in asked)
    assert scores.group_recall()["synonyms"][0] == pytest.approx(hits / total)


def test_a_text_that_cannot_be_read_is_never_found_and_said(clip, pictures):
    label = CLASS_PROMPTS.index("sidewalk")
    walks = [Picture(p.image, p.caption, (Shown(label, "", "", 1.0),)) for p in pictures]
    scores = evaluate_pictures(clip, walks)
    assert {"pavement", "footpath", "paved footpath"} == set(scores.unread)
    assert [a.recall for a in scores.answers if a.question.texts[0] == "pavement"] == [0]
    assert "cannot read them: pavement" in scores.format_report()


def test_scores_are_written_as_a_table_and_as_json(clip, pictures):
    scores = evaluate_pictures(clip, pictures)
    record = json.loads(json.dumps(scores.as_dict(), allow_nan=False))
    assert record["num_pictures"] == 12
    assert record["zero_shot"]["accuracy"] == pytest.approx(8 / 12)
    assert sum(c["num_pictures"] for c in record["zero_shot"]["classes"].values()) == 12
    report = scores.format_report()
    (accuracy,) = (line for line in report.splitlines() if line.startswith("accuracy"))
    assert accuracy.split() == ["accuracy", "66.7", "5.9", "12"]


def test_no_picture_is_refused(clip):
    with pytest.raises(ValueError, match="no picture to score on"):
        evaluate_pictures(clip, [])


@pytest.fixture
def with_ground_truth(tiny_nuscenes, clip):
    """The tiny data set with class images: what the CLIP says, but for one column of sky."""
    for path in sorted(tiny_nuscenes.glob("samples/CAM_*/*.jpg")):
        noise = np.random.default_rng(0).integers(0, 256, (32, 56, 3), dtype=np.uint8)
        Image.fromarray(noise).save(path)
    texts = embed_prompts(clip, [c.prompt for c in NUSCENES_CLASSES])
    dense_clip = DenseClip(clip)
    for sample in NuScenesDataset(tiny_nuscenes):
        for view in sample.cameras:
            labels = label_pixels(dense_clip, view.image, texts)
            labels[:, 0] = IGNORE_LABEL
            write_class_image(tiny_nuscenes, sample.token, view.name.upper(), labels)
    return tiny_nuscenes


def test_pixels_are_compared_with_class_images(clip, with_ground_truth):
    done = []
    progress = lambda *counts: done.append(counts)  # noqa: E731
    confusion = evaluate_pixels(DenseClip(clip), with_ground_truth, progress)
    assert done == [(1, 2), (2, 2)]
    assert confusion.counts.sum() == 4 * 32 * 55
    assert confusion.mean_iou() == 1.0
    upside_down = DenseClip(clip)
    embed = upside_down.embed_pixels
    upside_down.embed_pixels = lambda images: embed(images).flip(2, 3)
    assert evaluate_pixels(upside_down, with_ground_truth).mean_iou() < 0.9


def test_a_data_set_without_class_images_is_refused(clip, tiny_nuscenes):
    with pytest.raises(DatasetError, match="truth"):
        evaluate_pixels(DenseClip(clip), tiny_nuscenes)
