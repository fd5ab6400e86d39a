import pytest
import torch

from clip2scene_core.prompts.prompt_set import Query, negatives_and_query
from clip2scene_core.prompts.vocabulary import make_vocabulary

EAST, NORTH, UP = torch.eye(3)


def test_the_query_stands_behind_its_rivals():
    vocabulary = make_vocabulary(["car", "road"], torch.stack([EAST, NORTH]))
    texts = negatives_and_query(vocabulary, Query("tram", UP))
    torch.testing.assert_close(texts, torch.stack([EAST, NORTH, UP]))


def test_a_prompt_that_is_the_query_is_no_rival():
    vocabulary = make_vocabulary(["car", "Tram"], torch.stack([EAST, NORTH]))
    texts = negatives_and_query(vocabulary, Query("tram", NORTH))
    torch.testing.assert_close(texts, torch.stack([EAST, NORTH]))


def test_a_full_vocabulary_can_be_queried():
    vocabulary = make_vocabulary([f"word {i}" for i in range(254)], torch.rand(254, 3))
    assert negatives_and_query(vocabulary, Query("tram", UP)).shape == (255, 3)


def test_a_query_has_one_embedding():
    with pytest.raises(ValueError, match=r"must be \(D,\), got \(1, 3\)"):
        Query("tram", UP[None])
