"""Pictures with captions for training a small CLIP."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.captions.captions import SKY_LABEL, SYNONYMS, WORD_SYNONYMS
from clip2scene_core.world.captions.pictures import Picture, caption_pictures


@pytest.fixture(scope="module")
def pictures() -> list[Picture]:
    return list(caption_pictures(120, seed=1))


def test_pictures_have_the_asked_size_and_a_caption(pictures):
    assert len(pictures) == 120
    for picture in pictures:
        assert picture.image.shape == (96, 96, 3)
        assert picture.image.dtype == np.uint8
        assert picture.caption.text
        assert picture.shown


def test_same_seed_gives_the_same_pictures_and_another_seed_others(pictures):
    again = list(caption_pictures(3, seed=1))
    other = list(caption_pictures(3, seed=2))
    for first, second in zip(pictures, again, strict=False):
        np.testing.assert_array_equal(first.image, second.image)
        assert (first.caption, first.shown) == (second.caption, second.shown)
    assert [picture.caption for picture in other] != [picture.caption for picture in again]


def test_size_is_an_option():
    assert next(caption_pictures(1, seed=0, size=64)).image.shape == (64, 64, 3)


def test_any_number_of_processes_takes_the_same_pictures():
    alone = list(caption_pictures(22, seed=4, size=32))
    shared = list(caption_pictures(22, seed=4, size=32, workers=2))
    assert len(shared) == 22
    for first, second in zip(alone, shared, strict=True):
        np.testing.assert_array_equal(first.image, second.image)
        assert first.caption == second.caption


def test_views_show_more_classes_than_crops(pictures):
    views = list(caption_pictures(60, seed=1, view_share=1.0))
    num_shown = [np.mean([len(picture.shown) for picture in some]) for some in (pictures, views)]
    assert num_shown[1] > num_shown[0] + 0.8
    shares = [one.share for view in views for one in view.shown if one.label < 10]
    assert 0.015 <= min(shares) < 0.04  # smaller things are named than in crops


def test_other_places_show_kinds_that_a_street_hides():
    flat, varied = (
        list(caption_pictures(120, seed=1, size=64, varied_share=share)) for share in (0.0, 1.0)
    )
    assert all(picture.shown and picture.caption.text for picture in varied)
    kinds = [{one.word for picture in some for one in picture.shown} for some in (flat, varied)]
    rare = {"fence", "bench", "street lamp", "traffic light", "sign", "wall", "hedge"}
    assert len(kinds[1] & rare) > len(kinds[0] & rare)
    # A fence before a house is a fence and a house.
    twice = [p for p in varied if len({one.label for one in p.shown}) < len(p.shown)]
    assert twice
    for picture in twice:
        assert len({(one.label, one.word) for one in picture.shown}) == len(picture.shown)


def test_some_scenes_are_varied_and_the_others_stay_as_they_were():
    flat, mixed = (
        list(caption_pictures(80, seed=5, size=32, varied_share=share)) for share in (0.0, 0.5)
    )
    scenes = [slice(first, first + 20) for first in range(0, 80, 20)]
    same = [
        all(np.array_equal(a.image, b.image) for a, b in zip(flat[s], mixed[s], strict=True))
        for s in scenes
    ]
    assert 0 < sum(same) < len(scenes)


def test_pictures_differ_and_are_lit(pictures):
    means = np.array([picture.image.mean() for picture in pictures])
    assert means.std() > 10
    assert 40 < means.mean() < 200


def test_what_is_shown_is_distinct_and_fills_a_part_of_the_picture(pictures):
    for picture in pictures:
        labels = [one.label for one in picture.shown]
        assert len(set(labels)) == len(labels)
        assert set(labels) <= set(range(SKY_LABEL + 1))
        assert 0 < sum(one.share for one in picture.shown) <= 1


def test_most_captions_name_the_most_important_class_and_some_do_not(pictures):
    def names(picture: Picture) -> bool:
        word = picture.shown[0].word
        nouns = (*SYNONYMS[picture.shown[0].label], *WORD_SYNONYMS.get(word, ()))
        return any(noun in picture.caption.text for noun in nouns)

    assert 0.7 * len(pictures) < sum(map(names, pictures)) < len(pictures)


def test_every_class_is_pictured_about_as_often_as_any_other(pictures):
    shown_first = np.bincount([picture.shown[0].label for picture in pictures], minlength=17)
    assert np.count_nonzero(shown_first) >= 15
    assert shown_first.max() < 0.25 * len(pictures)


@pytest.mark.parametrize(("num_pictures", "size"), [(-1, 96), (1, 4)])
def test_impossible_requests_are_refused(num_pictures, size):
    with pytest.raises(ValueError, match="got num_pictures"):
        next(caption_pictures(num_pictures, seed=0, size=size))
