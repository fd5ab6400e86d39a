import pytest
import torch

from clip2scene_core.prompts.prompt_set import (
    PromptSet,
    Query,
    encode_prompt_set,
    load_prompt_set,
    negatives_and_query,
)
from clip2scene_core.prompts.vocabulary import make_vocabulary

PROMPTS = ("road", "car", "tree", "bus")
EAST, NORTH, UP = torch.eye(3)


def embed(prompts, template="ensemble"):
    """One direction for each first letter; a template points the other way."""
    sign = 1.0 if template == "ensemble" else -1.0
    return sign * torch.eye(26)[[ord(prompt[0]) - ord("a") for prompt in prompts]]


def test_a_group_takes_the_place_of_its_first_prompt_and_the_others_vanish():
    prompt_set = PromptSet(PROMPTS, groups=("vehicle: car | bus | lorry",))
    assert prompt_set.labels() == [
        ("road", ("road",)),
        ("vehicle", ("car", "bus", "lorry")),
        ("tree", ("tree",)),
    ]


def test_a_group_of_new_texts_comes_behind_the_prompts():
    labels = PromptSet(("road",), groups=("two-wheeler: bicycle | scooter",)).labels()
    assert labels == [("road", ("road",)), ("two-wheeler", ("bicycle", "scooter"))]


def test_names_belong_to_prompts_and_groups_bring_their_own():
    labels = PromptSet(("road", "car"), ("street", "auto"), ("vehicle: car | bus",)).labels()
    assert [name for name, _ in labels] == ["street", "vehicle"]


def test_the_probabilities_of_a_groups_texts_add_up():
    prompt_set = PromptSet(("road", "car"), groups=("vehicle: car | bus",))
    vocabulary = encode_prompt_set(prompt_set, embed).vocabulary
    assert vocabulary.texts == ("road", "car", "bus")
    assert vocabulary.prompts == ("road", "car | bus")
    merged = vocabulary.merge(torch.tensor([[0.5, 0.3, 0.2], [0.4, 0.35, 0.25]]))
    torch.testing.assert_close(merged, torch.tensor([[0.5, 0.5], [0.4, 0.6]]))


def test_the_best_text_of_a_group_may_count_alone():
    prompt_set = PromptSet(("road", "car"), groups=("vehicle: car | bus",), grouping="max")
    vocabulary = encode_prompt_set(prompt_set, embed).vocabulary
    merged = vocabulary.merge(torch.tensor([[0.4, 0.3, 0.3], [0.25, 0.05, 0.7], [0.0, 0.0, 0.0]]))
    # What is left of the first point, 0.4 and 0.3, is scaled to one: the road wins, which would
    # lose against the sum. A point that nothing saw stays without any.
    expected = torch.tensor([[0.4 / 0.7, 0.3 / 0.7], [0.25 / 0.95, 0.7 / 0.95], [0.0, 0.0]])
    torch.testing.assert_close(merged, expected)


def test_another_grouping_is_refused():
    with pytest.raises(ValueError, match="one of logsumexp, max, got 'mean'"):
        encode_prompt_set(PromptSet(("road",), grouping="mean"), embed)


def test_without_groups_nothing_is_merged():
    vocabulary = encode_prompt_set(PromptSet(("road", "car")), embed).vocabulary
    probabilities = torch.tensor([[0.5, 0.5]])
    assert vocabulary.merge(probabilities) is probabilities


def test_the_template_reaches_the_encoder_for_prompts_and_query():
    encoded = encode_prompt_set(
        PromptSet(("road",), template="a photo of a {}.", query="tram"), embed
    )
    assert encoded.vocabulary.embeddings[0, ord("r") - ord("a")] == -1
    assert encoded.query.text == "tram"
    assert encoded.query.embedding[ord("t") - ord("a")] == -1


def test_a_palette_colours_the_labels():
    prompt_set = PromptSet(("road", "car"), palette=(1, 2, 3, 250, 251, 252))
    colors = encode_prompt_set(prompt_set, embed).vocabulary.colors
    assert colors.tolist() == [[1, 2, 3], [250, 251, 252]]


@pytest.mark.parametrize(
    ("prompt_set", "complaint"),
    [
        ({"names": ("one",)}, "1 names but 4 prompts"),
        ({"groups": ("vehicle",)}, "group 'vehicle' must be a name, a colon"),
        ({"groups": (": car | bus",)}, "must be a name, a colon"),
        ({"groups": ("vehicle: car | | bus",)}, "must be a name, a colon"),
        ({"groups": ("vehicle: car | car",)}, "group 'vehicle' names a text twice"),
        ({"groups": ("a: car | bus", "b: van | car")}, "'car' is in the groups 'a' and 'b'"),
        ({"template": "a photo"}, "template 'a photo' must hold one {}"),
        ({"template": "a {} {}"}, "must hold one {}"),
        ({"template": "a {} in {place}"}, "must hold one {}"),
        ({"palette": (1, 2, 3)}, "a palette of 4 labels has 12 values, .* got 3"),
        ({"palette": (256,) * 12}, r"must be in \[0, 255\], got 256"),
    ],
)
def test_what_makes_no_sense_is_said(prompt_set, complaint):
    with pytest.raises(ValueError, match=complaint):
        PromptSet(PROMPTS, **prompt_set)


def test_two_labels_of_one_name_are_refused():
    with pytest.raises(ValueError, match="names must differ, got road more than once"):
        encode_prompt_set(PromptSet(("road", "car"), groups=("road: car | bus",)), embed)


def test_a_text_file_has_a_prompt_a_line(tmp_path):
    file = tmp_path / "words.txt"
    file.write_text("road\n\n  traffic cone  # orange\n# nothing\n")
    assert load_prompt_set(file) == PromptSet(("road", "traffic cone"))


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("[road, car]", [("road", ("road",)), ("car", ("car",))]),
        (
            "street: road\nvehicle: [car, bus]\n",
            [("street", ("road",)), ("vehicle", ("car", "bus"))],
        ),
    ],
)
def test_a_yaml_file_has_prompts_or_names_with_prompts(tmp_path, text, labels):
    file = tmp_path / "words.yaml"
    file.write_text(text)
    assert load_prompt_set(file).labels() == labels


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("just words", "must be a list of prompts, or names"),
        ("[]", "must be a list of prompts, or names"),
        ("vehicle: [car, 3]", "'vehicle' must be a name with a prompt or a list"),
        ("a: [b", "this is no YAML"),
    ],
)
def test_a_file_without_words_is_refused(tmp_path, text, complaint):
    file = tmp_path / "words.yaml"
    file.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        load_prompt_set(file)


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


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"prompts": tuple(f"thing {i}" for i in range(10_000))}, "10000 texts are too many"),
        ({"prompts": ("car",), "groups": ("all: " + "a|" * 10_000,)}, "10002 texts are too many"),
        ({"prompts": tuple(f"thing {i}" for i in range(255))}, "1 to 254 prompts, got 255"),
        ({"prompts": ("x" * 10_000_000,)}, "a text of 10000000 characters is too long"),
        ({"prompts": ("car",), "query": "x" * 1001}, "a text of 1001 characters is too long"),
        ({"prompts": ("car",), "groups": ("a: " + "x" * 2000,)}, "2003 characters is too long"),
    ],
)
def test_endless_prompts_are_refused_before_anything_reads_them(arguments, complaint):
    with pytest.raises(ValueError, match=complaint):
        PromptSet(**arguments)
