"""Texts that a CLIP reads, and texts that it read before, in its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from checkout import CONFIGS

from clip2scene_core.checkpoint import SMALL_STUDENT, load_checkpoint
from clip2scene_core.config.pretrain import load_config
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.prompts.prompt_set import PromptSet
from clip2scene_core.prompts.text_encoder import (
    KnownPrompts,
    TextEncoder,
    TextTable,
    fill_text_table,
    load_text_table,
    save_text_table,
)
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES, embed_prompts

NEW = ("red car", "person")


@pytest.fixture(scope="module")
def encoder():
    return TextEncoder("small")


@pytest.fixture(scope="module")
def own():
    return load_checkpoint(SMALL_STUDENT).vocabulary


@pytest.fixture(scope="module")
def taught(own):
    return TextEncoder("small", taught_with=own)


@pytest.fixture(scope="module")
def path(taught, own, tmp_path_factory):
    path = tmp_path_factory.mktemp("table") / "words.npz"
    save_text_table(fill_text_table(taught, own, NEW), path)
    return path


@pytest.fixture
def no_clip(monkeypatch):
    def refuse(*_):
        raise AssertionError("the CLIP was loaded")

    monkeypatch.setattr("clip2scene_core.teacher.clip.load_clip", refuse)


def test_the_shipped_clip_knows_every_text_of_the_later_runs(encoder):
    texts = load_config(CONFIGS / "pretrain_synthetic_second.yaml").texts
    assert len(encoder(texts)) == len(texts)


def test_a_student_of_many_texts_knows_its_teacher_and_its_texts(encoder, no_clip):
    texts = ("red car", "car", "road")
    own = make_vocabulary(
        ("red car | car", "road"), torch.eye(3), texts_of_label=(texts[:2], texts[2:])
    )
    known = KnownPrompts(own, encoder)
    assert known(["car", "road"]).equal(own.embeddings[1:])


def test_a_clip_reads_the_new_texts_alone():
    asked = []

    def read(texts, template="ensemble"):
        asked.append((tuple(texts), template))
        return torch.full((len(texts), 2), 9.0)

    known = KnownPrompts(make_vocabulary(("car", "road"), torch.eye(2)), read)
    expected = torch.tensor([[9.0, 9.0], [0.0, 1.0], [9.0, 9.0], [1.0, 0.0], [9.0, 9.0]])
    assert known(["tree", "road", "wall", "car", "tree"]).equal(expected)
    assert known(["car"], "a {}.").equal(torch.tensor([[9.0, 9.0]]))
    assert asked == [(("tree", "wall"), "ensemble"), (("car",), "a {}.")]


def test_an_engine_knows_the_words_of_its_training_without_a_clip(own, no_clip):
    first, second, third = own.texts[:3]
    segmenter = load_online_segmenter(prompts=[second, first])
    assert segmenter.vocabulary.embeddings.equal(own.embeddings[[1, 0]])
    encoded = segmenter.encode(PromptSet((third,), groups=(f"thing: {first} | {second}",)))
    assert encoded.vocabulary.embeddings.equal(own.embeddings[[2, 0, 1]])


def test_an_engine_forgets_the_template_that_it_began_with(own):
    begun = load_online_segmenter(prompts=PromptSet(own.texts[:2], template="a photo of a {}."))
    encoded = begun.encode(PromptSet(own.texts[:2]))
    assert encoded.vocabulary.embeddings.equal(own.embeddings[:2])
    assert not torch.allclose(begun.vocabulary.embeddings, own.embeddings[:2], atol=1e-3)


def test_a_clip_is_recognized_by_the_first_text_of_a_group(encoder):
    texts = ("red car", "car", "road")
    own = make_vocabulary(
        ("red car | car", "road"), encoder(texts), texts_of_label=(texts[:2], texts[2:])
    )
    assert len(TextEncoder("small", taught_with=own)(["tree"])) == 1
    turned = make_vocabulary(own.prompts, -own.embeddings, texts_of_label=own.texts_of_label)
    with pytest.raises(ValueError, match="place the prompt 'red car' differently"):
        TextEncoder("small", taught_with=turned)(["tree"])


def test_the_ensemble_is_the_mean_over_all_templates(encoder):
    texts = embed_prompts(encoder.clip, ["car", "tree"], PROMPT_TEMPLATES)
    torch.testing.assert_close(encoder(["car", "tree"]), texts)


def test_one_template_is_read_alone(encoder):
    one = encoder(["car"], "a photo of a {}.")
    torch.testing.assert_close(one, embed_prompts(encoder.clip, ["car"], ["a photo of a {}."]))
    assert not torch.allclose(one, encoder(["car"]))


def test_a_template_with_a_word_that_the_clip_never_saw_is_refused(encoder):
    with pytest.raises(ValueError, match=r"a xylophone of \{\}. holds a word"):
        encoder(["car"], "a xylophone of {}")


def test_an_engine_with_a_table_knows_its_texts_without_a_clip(path, taught, no_clip):
    segmenter = load_online_segmenter(texts=path)
    encoded = segmenter.encode(PromptSet(NEW, query="person"))
    expected = taught(NEW)
    torch.testing.assert_close(encoded.vocabulary.embeddings, expected)
    torch.testing.assert_close(encoded.query.embedding, expected[1])


def test_a_text_that_is_not_in_it_is_refused_by_name(path, no_clip):
    segmenter = load_online_segmenter(texts=path)
    with pytest.raises(ValueError, match=r"words.npz does not hold 'tram', 'kerb'; add it with"):
        segmenter.encode(PromptSet(("person", "tram", "kerb")))


def test_another_template_is_refused(path, no_clip):
    segmenter = load_online_segmenter(texts=path)
    with pytest.raises(ValueError, match=r"holds texts for the template 'ensemble', not 'a \{\}'"):
        segmenter.encode(PromptSet(NEW, template="a {}"))


@pytest.mark.parametrize("mode", ["camera", "fused"])
def test_modes_that_see_images_need_the_clip(path, mode):
    with pytest.raises(ValueError, match="a table of texts is for mode 'lidar'"):
        load_online_segmenter(texts=path, options=OnlineOptions(mode=mode))


def test_a_table_of_another_clip_is_refused(own, tmp_path):
    path = tmp_path / "words.npz"
    save_text_table(TextTable(own.texts, own.embeddings.flip(1)), path)
    with pytest.raises(ValueError, match="was read by another CLIP"):
        load_text_table(path, own)


def test_a_table_of_another_student_is_refused(path):
    other = make_vocabulary(("sky",), torch.eye(16)[:1])
    with pytest.raises(ValueError, match="was made for another student"):
        load_text_table(path, other)


def test_what_is_no_table_is_refused(own, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such table of texts"):
        load_text_table(tmp_path / "absent.npz", own)
    (tmp_path / "text.npz").write_text("car")
    np.savez(tmp_path / "other.npz", points=np.zeros(3))
    for name in ("text.npz", "other.npz"):
        with pytest.raises(ValueError, match=r"table of texts .*write one with"):
            load_text_table(tmp_path / name, own)
    with pytest.raises(ValueError, match="a table of texts ends in"):
        save_text_table(TextTable(own.texts, own.embeddings), tmp_path / "words.txt")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 30.0])
def test_a_table_with_an_embedding_of_no_unit_length_is_refused(path, own, tmp_path, number):
    with np.load(path) as file:
        content = dict(file)
    content["embeddings"] = content["embeddings"].copy()
    content["embeddings"][-1, 0] = number
    np.savez(tmp_path / "spoiled.npz", **content)
    with pytest.raises(ValueError, match=r"spoiled.npz: .*(of unit length|not finite)"):
        load_text_table(tmp_path / "spoiled.npz", own)
