import numpy as np
import pytest

from clip2scene_core.bench.measure.queries import (
    GROUPS,
    HELD_OUT,
    PARTS,
    SYNONYMS,
    make_queries,
)
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.prompting.prompts import embed_prompts
from clip2scene_core.world.captions.captions import HELD_OUT_SYNONYMS
from clip2scene_core.world.dataset.ground_truth import SceneObjects

NAMES = [c.name for c in NUSCENES_CLASSES]
PROMPTS = [c.prompt for c in NUSCENES_CLASSES]
QUERIES = {query.name: query for query in make_queries(PROMPTS)}
CAR, MACHINE, MANMADE, ROAD = (
    NAMES.index(name) for name in ("car", "construction vehicle", "manmade", "driveable surface")
)
OBJECTS = SceneObjects(
    index=np.array([0, 1, 2, 3, 4, 5, -1], dtype=np.int32),
    words=("van", "sedan", "sedan", "loader", "fence", "building"),
    colors=("red", "white", "blue", "red", "", ""),
)
LABELS = np.array([CAR, CAR, CAR, MACHINE, MANMADE, MANMADE, ROAD], dtype=np.uint8)
NONE = IGNORE_LABEL


def ground_truth(name: str) -> list[int]:
    return QUERIES[name].ground_truth(LABELS, OBJECTS).tolist()


def test_every_query_fits_itself():
    for query in QUERIES.values():
        assert len(query.answer_of_prompt) == len(query.prompts)
        assert set(query.answer_of_prompt.tolist()) == set(range(len(query.answers)))
        assert query.against is None or QUERIES[query.against].answers == query.answers
        counts = np.zeros((2, len(query.answers), len(query.answers) + 1), dtype=np.int64)
        for metric in query.metrics:
            assert metric.statistic(counts).shape == (2,)
            assert metric.chance is None or metric.chance(counts).shape == (2,)


def test_synonyms_are_new_words_for_the_same_classes():
    assert list(SYNONYMS) == NAMES
    for name, prompt in zip(NAMES, PROMPTS, strict=True):
        assert SYNONYMS[name] not in (name, prompt)
    assert ground_truth("synonyms") == LABELS.tolist()


def test_held_out_synonyms_are_those_of_the_captions():
    held_out = {(name, text) for name, _, *texts in HELD_OUT_SYNONYMS for text in texts}
    assert set(HELD_OUT.items()) <= held_out
    prompts = QUERIES["synonyms that no caption used"].prompts
    kept = {name for name, prompt in zip(NAMES, prompts, strict=True) if prompt in PROMPTS}
    assert kept == set(NAMES) - {name for name, _ in held_out} == {"car", "pedestrian"}


def test_groups_gather_classes():
    vehicle, flat, manmade = (list(GROUPS).index(g) for g in ("vehicle", "flat", "manmade"))
    assert ground_truth("groups of prompts") == [vehicle] * 4 + [manmade] * 2 + [flat]
    assert ground_truth("trained prompts, grouped") == ground_truth("groups of prompts")
    query = QUERIES["groups of prompts"]
    assert query.answer_of_prompt[query.prompts.index("van")] == vehicle
    assert query.answer_of_prompt[query.prompts.index("fence")] == manmade


def test_red_and_white_are_asked_of_red_and_white_cars_only():
    assert QUERIES["car split by colour"].prompts == ("red car", "white car")
    assert ground_truth("car split by colour") == [0, 1, NONE, NONE, NONE, NONE, NONE]


def test_kinds_of_machines_are_asked_of_machines_only():
    assert ground_truth("construction vehicle split by kind") == [
        NONE,
        NONE,
        NONE,
        1,
        NONE,
        NONE,
        NONE,
    ]


def test_parts_are_split_out_of_their_class():
    fence = 16 + list(PARTS).index("fence")
    name = "parts of classes"
    assert ground_truth(name) == [CAR, CAR, CAR, MACHINE, fence, MANMADE, ROAD]


def test_a_word_that_training_gave_to_a_class_is_asked_for_its_own_thing():
    prompts = [*PROMPTS[:MANMADE], "building | fence | house", *PROMPTS[MANMADE + 1 :]]
    queries = {query.name: query for query in make_queries(prompts)}
    asked = queries["parts of classes"].prompts
    assert asked[MANMADE] == "building | house"
    assert asked[16:] == tuple(PARTS)
    assert queries["trained prompts"].prompts == tuple(prompts)


def test_chance_is_calling_all_of_manmade_so():
    query = QUERIES["parts of classes"]
    answers = len(query.answers)
    counts = np.zeros((answers, answers + 1), dtype=np.int64)
    fence = 16
    counts[fence, fence] = 10
    counts[fence, MANMADE] = 10
    counts[MANMADE, MANMADE] = 60
    metric = query.metrics[0]
    assert metric.name == 'IoU of "fence", no word of training'
    assert metric.statistic(counts) == pytest.approx(10 / 20)
    assert metric.chance(counts) == pytest.approx(20 / 80)


def test_choosing_blindly_scores_chance():
    metric = QUERIES["construction vehicle split by kind"].metrics[0]
    counts = np.zeros((3, 4), dtype=np.int64)
    counts[:, 0] = [80, 15, 5]  # all called an excavator
    assert metric.statistic(counts) == pytest.approx(metric.chance(counts))


def test_the_shipped_clip_knows_the_words_of_all_queries():
    clip = load_clip("small")
    for query in QUERIES.values():
        assert len(embed_prompts(clip, query.prompts)) == len(query.prompts)


def test_other_vocabularies_are_refused():
    with pytest.raises(ValueError, match="16 nuScenes classes, got 2"):
        make_queries(["car", "road"])
