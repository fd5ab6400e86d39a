"""Texts to token numbers."""

from __future__ import annotations

import pytest

from clip2scene_core.teacher.openclip import open_clip
from clip2scene_core.teacher.prompting.prompts import tokenize
from clip2scene_core.teacher.prompting.tokenizer import (
    BytePairTokenizer,
    CompactBytePairTokenizer,
    PromptError,
)

CAPTIONS = ("a minivan next to a bus", "a motorcyclist", "a semi-trailer, and a car")


@pytest.fixture(scope="module")
def compact() -> CompactBytePairTokenizer:
    return CompactBytePairTokenizer.of_captions(CAPTIONS, ["origami of a {}."], 16)


def test_compact_tokens_are_clip_s_byte_pairs_renumbered(compact):
    text = "a minivan next to a motorcyclist"
    in_clip = BytePairTokenizer(16).encode(text)
    assert (in_clip[0], in_clip[-1]) == (49406, 49407)
    assert [compact.pieces[token - 1] for token in compact.encode(text)[1:-1]] == in_clip[1:-1]
    assert len(in_clip) == 10  # start, mini-van, motor-cyclist, end


def test_tokens_are_padding_then_pieces_then_start_then_end(compact):
    # a mini van next to bus motor cyclist semi trailer and car, origami of
    assert len(compact.pieces) == 14
    assert compact.size == 17
    assert (compact.start_token, compact.end_token) == (15, 16)
    assert tokenize(compact, ["bus", "a bus"]).tolist() == [
        [*compact.encode("bus"), 0],
        compact.encode("a bus"),
    ]
    assert compact.encode("bus")[::2] == [15, 16]


def test_an_unseen_word_of_seen_pieces_is_read(compact):
    assert compact.words == (
        "a", "and", "bus", "car", "minivan", "motorcyclist", "next", "semi", "to", "trailer",
    )  # fmt: skip
    for word in ("minibus", "motorcar"):
        assert word not in compact.words
        compact.check_prompt(word)
        assert len(compact.encode(word)) == 4


@pytest.mark.parametrize(
    ("prompt", "word"), [("red bus", "red"), ("trailers", "trailers"), ("a giraffe", "giraffe")]
)
def test_a_word_with_an_unseen_piece_is_refused(compact, prompt, word):
    with pytest.raises(PromptError, match=f"never saw the word '{word}'"):
        compact.check_prompt(prompt)


def test_a_piece_that_only_templates_hold_has_a_token_but_no_prompt_may_use_it(compact):
    assert len(compact.encode("origami")) == 3
    with pytest.raises(PromptError, match="never saw the word 'origami'"):
        compact.check_prompt("origami")


def test_refusals_name_close_words_and_where_to_find_all(compact):
    with pytest.raises(PromptError) as refusal:
        compact.check_prompt("trailor")
    assert "closest known words: trailer;" in str(refusal.value)
    assert "'clip2scene words' lists all 10 that it knows" in str(refusal.value)
    with pytest.raises(PromptError, match="no known word is close"):
        compact.check_prompt("zyzzyva")


def test_all_byte_pairs_are_open_clip_s():
    texts = ["a photo of a traffic cone.", "Straßenbahn", "a very_odd  text!"]
    ours = tokenize(BytePairTokenizer(77), texts)
    theirs = open_clip.tokenize(texts)
    assert (ours == theirs[:, : ours.shape[1]]).all()
    assert theirs[:, ours.shape[1] :].eq(0).all()
