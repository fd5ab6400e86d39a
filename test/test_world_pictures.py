"""Pictures with captions for training a small CLIP."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.world.captions import SKY_LABEL, SYNONYMS, Shown, caption_of
from clip2scene_core.world.pictures import caption_pictures


@pytest.fixture(scope="module")
def pairs() -> list[tuple[np.ndarray, str]]:
    return list(caption_pictures(120, seed=1))


def test_pictures_have_the_asked_size_and_a_caption(pairs):
    assert len(pairs) == 120
    for picture, caption in pairs:
        assert picture.shape == (96, 96, 3)
        assert picture.dtype == np.uint8
        assert caption == caption.lower()
        assert caption


def test_same_seed_gives_the_same_pictures_and_another_seed_others(pairs):
    again = list(caption_pictures(3, seed=1))
    other = list(caption_pictures(3, seed=2))
    for (first, words), (second, words_again) in zip(pairs, again, strict=False):
        np.testing.assert_array_equal(first, second)
        assert words == words_again
    assert [words for _, words in other] != [words for _, words in again]


def test_size_is_an_option():
    picture, _ = next(caption_pictures(1, seed=0, size=64))
    assert picture.shape == (64, 64, 3)


def test_pictures_differ_and_are_lit(pairs):
    means = np.array([picture.mean() for picture, _ in pairs])
    assert means.std() > 10
    assert 40 < means.mean() < 200


def test_every_class_word_occurs_in_captions():
    rng = np.random.default_rng(0)
    for label, one in enumerate(NUSCENES_CLASSES):
        word = "excavator" if one.prompt == "excavator" else ""
        said = " ; ".join(
            caption_of([Shown(label, word, "", 1.0)], "sunny", rng) for _ in range(200)
        )
        assert one.name in said
        assert one.prompt in said


def test_caption_names_the_most_important_class():
    rng = np.random.default_rng(0)
    for label in range(SKY_LABEL + 1):
        for _ in range(20):
            shown = [Shown(label, "", "", 0.5), Shown((label + 1) % 16, "", "", 0.2)]
            caption = caption_of(shown, "sunny", rng)
            assert any(word in caption for word in SYNONYMS[label])


def test_person_is_described_by_clothes():
    rng = np.random.default_rng(0)
    said = [caption_of([Shown(6, "person", "red", 0.9)], "sunny", rng) for _ in range(40)]
    assert any("in red clothes" in caption for caption in said)
    assert not any("red man" in caption or "red woman" in caption for caption in said)


def test_rare_classes_are_pictured_about_as_often_as_common_ones(pairs):
    def count(*words: str) -> int:
        return sum(any(word in caption for word in words) for _, caption in pairs)

    assert count("cone") >= 3
    assert count("bicycle", "bike", "cyclist") >= 3
    assert count("motor", "scooter") >= 3
    assert count("grass", "terrain", "lawn", "meadow") >= 3


@pytest.mark.parametrize(("num_pictures", "size"), [(-1, 96), (1, 4)])
def test_impossible_requests_are_refused(num_pictures, size):
    with pytest.raises(ValueError, match="got num_pictures"):
        next(caption_pictures(num_pictures, seed=0, size=size))
