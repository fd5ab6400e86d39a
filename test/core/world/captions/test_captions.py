"""What is written under a picture."""

from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer, split_words
from clip2scene_core.world.captions.captions import (
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_SYNONYMS,
    MOST_PHRASES,
    SKY_LABEL,
    SYNONYMS,
    WEATHER,
    WORD_SYNONYMS,
    Caption,
    Shown,
    caption_of,
    colored,
    web_caption,
)
from clip2scene_core.world.layout.weather import WEATHER_NAMES
from clip2scene_core.world.objects.palette import COLORS

_KINDS = {
    0: ("barrier",), 1: ("bicycle", "cyclist"), 2: ("bus",), 3: ("sedan", "suv", "van"),
    4: ("excavator", "loader", "road roller"), 5: ("motorcycle", "motorcyclist"), 6: ("person",),
    7: ("traffic cone",), 8: ("trailer",), 9: ("truck",),
    14: ("building", "wall", "fence", "street lamp", "traffic light", "sign", "planter"),
    15: ("tree", "bush", "hedge"),
}  # fmt: skip


def random_shown(rng: np.random.Generator) -> list[Shown]:
    shown = []
    for label in rng.permutation(SKY_LABEL + 1)[: rng.integers(1, 7)].tolist():
        word = str(rng.choice(_KINDS.get(label, ("",))))
        color = str(rng.choice(list(COLORS))) if label < 10 else ""
        shown.append(Shown(label, word, color, 0.3))
    return shown


@pytest.fixture(scope="module")
def written() -> list[tuple[list[Shown], Caption]]:
    rng = np.random.default_rng(0)
    every = [random_shown(rng) for _ in range(6000)]
    return [(shown, web_caption(shown, str(rng.choice(list(WEATHER))), rng)) for shown in every]


def names_class(phrase: str, label: int) -> bool:
    nouns = [*SYNONYMS[label]]
    for word in _KINDS.get(label, ()):
        nouns += WORD_SYNONYMS.get(word, ())
    return any(noun in phrase for noun in nouns)


def test_phrases_are_parts_of_the_text_in_its_order(written):
    for _, caption in written:
        assert caption.text == caption.text.lower()
        assert 1 <= len(caption.phrases) <= MOST_PHRASES
        start = 0
        for phrase in caption.phrases:
            start = caption.text.index(phrase, start) + len(phrase)


def test_some_captions_name_everything_and_some_leave_things_out(written):
    num_named = [
        (len(shown), len(caption.phrases)) for shown, caption in written if 1 < len(shown) < 6
    ]
    complete = np.mean([named == shown for shown, named in num_named])
    alone = np.mean([named == 1 for _, named in num_named])
    assert 0.3 < complete < 0.6
    assert 0.2 < alone < 0.45


def test_a_few_percent_of_the_captions_name_what_is_not_shown(written):
    def is_wrong(shown: list[Shown], caption: Caption) -> bool:
        return any(
            not any(names_class(phrase, one.label) for one in shown) for phrase in caption.phrases
        )

    assert 0.01 < np.mean([is_wrong(*one) for one in written]) < 0.05


def test_without_carelessness_the_most_important_class_is_named():
    rng = np.random.default_rng(0)
    for label in range(SKY_LABEL + 1):
        for _ in range(20):
            shown = [Shown(label, "", "", 0.5), Shown((label + 1) % 16, "", "", 0.2)]
            caption = caption_of(shown, "sunny", rng)
            assert any(word in caption.phrases[0] for word in SYNONYMS[label])


def test_every_class_word_occurs_in_captions():
    rng = np.random.default_rng(0)
    for label, one in enumerate(NUSCENES_CLASSES):
        word = "excavator" if one.prompt == "excavator" else ""
        said = " ; ".join(
            caption_of([Shown(label, word, "", 1.0)], "sunny", rng).text for _ in range(200)
        )
        assert one.name in said
        assert one.prompt in said


def test_people_are_described_by_clothes_and_riders_by_no_colour(written):
    rng = np.random.default_rng(0)
    person, rider = Shown(6, "person", "red", 0.9), Shown(1, "cyclist", "red", 0.9)
    people = [caption_of([person], "sunny", rng).text for _ in range(40)]
    assert any("in red clothes" in caption for caption in people)
    assert not any("red man" in caption or "red woman" in caption for caption in people)
    riders = [caption_of([rider], "sunny", rng).text for _ in range(200)]
    assert any("red bicycle" in caption for caption in riders)
    assert not any("red cyclist" in caption or "red person" in caption for caption in riders)


def test_held_out_names_never_occur_but_their_byte_pairs_do(written):
    texts = [f" {' '.join(split_words(caption.text))} " for _, caption in written]
    tokenizer = CompactBytePairTokenizer.of_captions(texts, (), context_length=77)
    held_out = [word for _, _, *words in HELD_OUT_SYNONYMS for word in words]
    held_out += [colored(noun, color) for color, noun in HELD_OUT_COMPOSITIONS]
    for name in held_out:
        assert not any(f" {name} " in text for text in texts), name
        tokenizer.check_prompt(name)
    assert {name for name, *_ in HELD_OUT_SYNONYMS} <= {name for name, *_ in SYNONYMS}


def test_a_thing_of_a_held_out_composition_is_named_without_its_colour():
    rng = np.random.default_rng(0)
    van = Shown(3, "van", "white", 0.9)
    rider = Shown(5, "motorcyclist", "black", 0.9)
    for shown, color in ((van, "white"), (rider, "black")):
        said = [caption_of([shown], "sunny", rng).phrases[0] for _ in range(300)]
        assert not any(color in phrase for phrase in said)


def test_every_weather_can_be_mentioned(written):
    assert set(WEATHER_NAMES) <= set(WEATHER)
    for ending in WEATHER.values():
        assert any(caption.text.endswith(ending) for _, caption in written)
