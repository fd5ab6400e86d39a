"""MaskCLIP's prompt denoising, on pictures that are written down place by place."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from random_student import save_random_student

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.projection import PixelPointPairs
from clip2scene_core.inference.camera_segmenter import CameraSegmenter, PairedEmbeddings
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.labels import IGNORE_LABEL

TEXTS = torch.eye(3)  # car, bus, road
OWN_LABELS = torch.arange(3)


def make_segmenter(prompt_denoising: float) -> CameraSegmenter:
    """The logit scale is one: embeddings that are logarithms of probabilities come out as these."""
    clip = SimpleNamespace(model=SimpleNamespace(logit_scale=torch.tensor(0.0)))
    return CameraSegmenter(SimpleNamespace(clip=clip), prompt_denoising=prompt_denoising)


def paired(*pictures: list[list[float]]) -> PairedEmbeddings:
    """Pictures place by place; the first place of each shows the point of the same number."""
    places = tuple(torch.tensor(picture).log() for picture in pictures)
    index = np.arange(len(pictures))
    pairs = PixelPointPairs(
        0 * index,
        index,
        index,
        np.zeros((len(index), 2), np.float32),
        np.ones(len(index), np.float32),
    )
    return PairedEmbeddings(pairs, torch.stack([picture[0] for picture in places]), places)


def test_a_label_that_no_place_of_the_picture_is_sure_of_goes_to_the_others():
    # The point may be a car or a bus; somewhere else the picture is sure of a car and of road.
    picture = [[0.4, 0.5, 0.1], [0.9, 0.05, 0.05], [0.1, 0.1, 0.8]]
    kept, _ = make_segmenter(0.0).compare(paired(picture), 1, TEXTS, OWN_LABELS)
    torch.testing.assert_close(kept, torch.tensor([[0.4, 0.5, 0.1]]))
    denoised, in_view = make_segmenter(0.7).compare(paired(picture), 1, TEXTS, OWN_LABELS)
    torch.testing.assert_close(denoised, torch.tensor([[0.8, 0.0, 0.2]]))
    assert in_view.tolist() == [True]


def test_every_picture_is_denoised_by_itself():
    sure, unsure = [[0.2, 0.7, 0.1]], [[0.4, 0.5, 0.1], [0.8, 0.1, 0.1]]
    denoised, _ = make_segmenter(0.6).compare(paired(sure, unsure), 2, TEXTS, OWN_LABELS)
    torch.testing.assert_close(denoised, torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]))


def test_a_picture_that_is_sure_of_nothing_keeps_every_label():
    picture = [[0.4, 0.5, 0.1]]
    denoised, _ = make_segmenter(0.6).compare(paired(picture), 1, TEXTS, OWN_LABELS)
    torch.testing.assert_close(denoised, torch.tensor([[0.4, 0.5, 0.1]]))


def test_the_texts_of_a_label_are_in_the_picture_together():
    """Two words of the same thing share its probability; neither reaches the threshold alone."""
    picture = [[0.4, 0.5, 0.1]]
    one_vehicle = torch.tensor([0, 0, 1])
    denoised, _ = make_segmenter(0.6).compare(paired(picture), 1, TEXTS, one_vehicle)
    torch.testing.assert_close(denoised, torch.tensor([[4 / 9, 5 / 9, 0.0]]))


def test_texts_without_labels_are_compared_as_they_are():
    picture = [[0.4, 0.5, 0.1], [0.9, 0.05, 0.05]]
    whole, _ = make_segmenter(0.7).compare(paired(picture), 1, TEXTS)
    torch.testing.assert_close(whole, torch.tensor([[0.4, 0.5, 0.1]]))


@pytest.mark.parametrize("mode", ["camera", "fused"])
def test_the_engine_denoises_what_the_real_clip_sees(tiny_nuscenes, tmp_path, mode):
    sample = NuScenesDataset(tiny_nuscenes)[0]
    weights = save_random_student(tmp_path)

    def label(prompt_denoising):
        options = OnlineOptions(mode=mode, camera_weight=1.0, prompt_denoising=prompt_denoising)
        segmenter = load_online_segmenter(weights, options=options)
        return segmenter.segment(sample.keyframe, sample.cameras)

    whole, denoised = label(0.0), label(0.35)
    assert (whole.scores != denoised.scores).any()
    np.testing.assert_array_equal(whole.labels == IGNORE_LABEL, denoised.labels == IGNORE_LABEL)
    # Labels are taken away, so those that stay can only gain.
    same = whole.labels == denoised.labels
    assert (denoised.scores[same] >= whole.scores[same] - 1e-6).all()


def test_denoising_is_a_share():
    with pytest.raises(ValueError, match=r"prompt_denoising must be in \[0, 1\], got 50"):
        OnlineOptions(prompt_denoising=50)
