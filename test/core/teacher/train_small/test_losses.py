"""The losses of the small CLIP, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from clip2scene_core.teacher.train_small.losses import (
    are_equal,
    are_named,
    contrastive_loss,
    picture_similarity,
    place_choice_loss,
    place_similarity,
)


def test_contrastive_loss_by_hand():
    # Cosines are the identity; scale 2: each row is cross-entropy of (2, 0) against class 0.
    embeddings = torch.eye(2)
    scale = torch.tensor(math.log(2.0))
    loss = contrastive_loss(
        picture_similarity(3 * embeddings, embeddings), scale, torch.eye(2, dtype=torch.bool)
    )
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-2)))


def test_equal_captions_are_positives_of_each_other():
    is_positive = are_equal(["a car", "a tree", "a car"])
    expected = [[True, False, True], [False, True, False], [True, False, True]]
    assert is_positive.tolist() == expected
    images = torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    scale = torch.tensor(math.log(10.0))
    several = contrastive_loss(picture_similarity(images, images), scale, is_positive)
    single = contrastive_loss(
        picture_similarity(images, images), scale, torch.eye(3, dtype=torch.bool)
    )
    # Targets (1/2, 0, 1/2) on logits (10, 0, 10): ln 2 for two of three rows; ln 1 for the other.
    assert float(several) == pytest.approx(2 / 3 * math.log(2), abs=1e-3)
    assert float(several) == pytest.approx(float(single), abs=1e-3)


def test_losses_have_correct_gradients():
    generator = torch.Generator().manual_seed(0)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)

    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    is_positive = are_equal(["a", "b", "a", "c"])
    for similarity, pictures in (
        (picture_similarity, draw(4, 3)),
        (place_similarity, draw(4, 3, 2, 2)),
    ):
        assert torch.autograd.gradcheck(
            lambda pictures, texts, scale, similarity=similarity: contrastive_loss(
                similarity(pictures, texts), scale, is_positive
            ),
            (pictures, draw(4, 3), scale),
        )


def test_place_similarity_by_hand():
    # Two places: cosines with the text (1, 0) are 1 and 0, with (0, 1) they are 0 and 1.
    places = torch.tensor([[5.0, 0.0], [0.0, 2.0]]).reshape(1, 2, 1, 2)
    similarity = place_similarity(places, torch.eye(2))
    expected = math.log((math.exp(10) + 1) / 2) / 10
    torch.testing.assert_close(similarity, torch.full((1, 2), expected))


def test_equal_places_are_as_similar_as_the_picture():
    embedding, texts = torch.randn(3, 4), torch.randn(5, 4)
    places = embedding[:, :, None, None].expand(3, 4, 2, 6)
    torch.testing.assert_close(
        place_similarity(places, texts), picture_similarity(embedding, texts)
    )


def test_phrases_are_named_by_the_captions_that_hold_them():
    captions = [("a car", "the road"), ("a tree",), ("the road",)]
    expected = [[True, True, False], [False, False, True], [False, True, False]]
    assert are_named(captions, ["a car", "the road", "a tree"]).tolist() == expected


def test_contrastive_loss_of_more_texts_than_pictures_by_hand():
    # Both cosines of the one picture are positives: ln 2 along the row, 0 down each column.
    is_positive = torch.ones(1, 2, dtype=torch.bool)
    loss = contrastive_loss(torch.ones(1, 2), torch.tensor(0.0), is_positive)
    assert float(loss) == pytest.approx(math.log(2) / 2)


def test_place_choice_by_hand():
    # Four places of one picture with cosines (1, 0, 0), (0, 1, 0), (0, 0, 1) and (1, 0, 0) to
    # three texts, of which the caption names the first two.
    places = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [1, 0, 0]]).T.reshape(1, 3, 2, 2)
    is_named = torch.tensor([[True, True, False]])
    scale = torch.tensor(math.log(2.0))
    named, other = math.exp(2), 1.0
    fits = -math.log((named + other) / (named + 2 * other))
    fits_not = -math.log(2 * other / (named + 2 * other))
    for share, expected in ((1.0, (3 * fits + fits_not) / 4), (0.75, fits), (0.01, fits)):
        loss = place_choice_loss(places, torch.eye(3), scale, is_named, (share,))
        assert float(loss) == pytest.approx(expected)


def test_the_fewer_things_a_caption_names_the_fewer_places_choose():
    # Two places of each picture fit a named text, two none. The first caption names one text and
    # must keep half of its places, the second two or more and must keep all.
    places = torch.tensor([[1.0, 0, 0], [1, 0, 0], [0, 0, 1], [0, 0, 1]]).T.reshape(1, 3, 2, 2)
    one, two = torch.tensor([[True, False, False]]), torch.tensor([[True, True, False]])
    scale, shares = torch.tensor(0.0), (0.5, 1.0)
    of_one = place_choice_loss(places, torch.eye(3), scale, one, shares)
    assert float(of_one) == pytest.approx(math.log((math.e + 2) / math.e))
    of_two = place_choice_loss(places, torch.eye(3), scale, two, shares)
    fits, fits_not = math.log((math.e + 2) / (math.e + 1)), math.log((math.e + 2) / 2)
    assert float(of_two) == pytest.approx((fits + fits_not) / 2)
    together = place_choice_loss(
        places.repeat(2, 1, 1, 1), torch.eye(3), scale, torch.cat([one, two]), shares
    )
    assert float(together) == pytest.approx((2 * float(of_one) + 4 * float(of_two)) / 6)


def test_a_caption_that_names_every_text_leaves_nothing_to_choose():
    loss = place_choice_loss(
        torch.randn(2, 4, 3, 3), torch.randn(5, 4), torch.tensor(2.0), torch.ones(2, 5).bool()
    )
    assert float(loss) == pytest.approx(0, abs=1e-6)


def test_place_choice_has_correct_gradients():
    generator = torch.Generator().manual_seed(1)
    places, texts = (
        torch.randn(*shape, generator=generator, dtype=torch.float64, requires_grad=True)
        for shape in ((2, 3, 2, 2), (4, 3))
    )
    is_named = torch.tensor([[True, False, True, False], [False, True, False, False]])
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda places, texts, scale: place_choice_loss(
            places, texts, scale, is_named, (0.25, 0.75)
        ),
        (places, texts, scale),
    )
