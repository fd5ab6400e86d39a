"""What a CLIP is asked about pictures."""

from __future__ import annotations

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.captions.captions import (
    HELD_OUT_COMPOSITIONS,
    HELD_OUT_SYNONYMS,
    SKY_LABEL,
    Shown,
    colored,
)
from clip2scene_core.world.captions.questions import (
    CLASS_NAMES,
    CLASS_PROMPTS,
    COLORED_KINDS,
    questions_about,
)
from clip2scene_core.world.objects.palette import COLORS


def picture(label: int, word: str = "", color: str = "") -> list[Shown]:
    return [Shown(label, word, color, 0.4), Shown((label + 1) % 17, "bus", "red", 0.3)]


TRUTH = [
    picture(2, "bus", "red"),
    picture(2, "bus", "green"),
    picture(9, "truck", "red"),
    picture(14, "sign"),
    picture(SKY_LABEL),
]


@pytest.fixture(scope="module")
def asked() -> dict[str, list]:
    groups: dict[str, list] = {}
    for question in questions_about(TRUTH):
        groups.setdefault(question.group, []).append(question)
    return groups


def test_a_synonym_is_asked_where_its_class_dominates_among_the_other_classes(asked):
    pictures = {question.texts[0]: question.pictures for question in asked["synonyms"]}
    assert pictures == {
        "city bus": (0, 1), "coach": (0, 1), "lorry": (2,), "cloudy sky": (4,), "manmade": (3,),
        "house": (3,), "structure": (3,), "traffic sign": (3,), "billboard": (3,),
        "signboard": (3,), "sign": (3,),
    }  # fmt: skip
    (lorry,) = (question for question in asked["synonyms"] if question.texts[0] == "lorry")
    assert set(lorry.texts[1:]) == set(CLASS_PROMPTS) - {"truck"}


def test_a_held_out_synonym_is_asked_where_its_kind_dominates(asked):
    pictures = {question.texts[0]: question.pictures for question in asked["held-out synonyms"]}
    assert pictures == {
        "minibus": (0, 1), "motorcoach": (0, 1), "motortruck": (2,), "signpost": (3,),
    }  # fmt: skip


def test_a_composition_is_asked_among_other_colours_and_other_classes(asked):
    (held_out,) = asked["held-out compositions"]
    assert held_out.texts[0] == "red bus"
    assert held_out.pictures == (0,)
    same_kind = [text for text in held_out.texts[1:] if text.endswith(" bus")]
    assert len(same_kind) == len(COLORS) - 1
    assert {"red truck", "red sedan", "person in red clothes"} < set(held_out.texts)
    assert len(set(held_out.texts)) == len(held_out.texts)
    assert {question.texts[0] for question in asked["compositions"]} == {"green bus", "red truck"}


def test_things_of_the_same_class_are_no_wrong_answers():
    (white_van,) = (
        question
        for question in questions_about([picture(3, "van", "white")])
        if question.group == "held-out compositions"
    )
    assert "white sedan" not in white_van.texts
    assert "white truck" in white_van.texts


def test_every_held_out_name_has_a_question():
    synonyms = [picture(CLASS_NAMES.index(name), kind) for name, kind, *_ in HELD_OUT_SYNONYMS]
    compositions = [
        picture(COLORED_KINDS[kind], kind, color) for color, kind in HELD_OUT_COMPOSITIONS
    ]
    questions = questions_about([*synonyms, *compositions])
    asked = {question.texts[0] for question in questions if question.group.startswith("held-out")}
    expected = {text for _, _, *texts in HELD_OUT_SYNONYMS for text in texts}
    expected |= {colored(kind, color) for color, kind in HELD_OUT_COMPOSITIONS}
    assert asked == expected
