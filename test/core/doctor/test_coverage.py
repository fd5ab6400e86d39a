"""Advice on coverage appears only if the counts call for it."""

from dataclasses import replace

import numpy as np

from clip2scene_core.doctor.coverage import check_coverage
from clip2scene_core.doctor.finding import Level
from clip2scene_core.training.pretrain.label_counts import LabelCounts

ALL_SEEN = LabelCounts(
    num_keyframes=256,
    num_points=48000,
    num_seen=24000,
    num_labelled=36000,
    labels_of_text=np.array([30000, 6000]),
    keyframes_of_text=np.array([256, 200]),
    points_at=np.full((12, 4), 1000),
    labelled_at=np.full((12, 4), 750),
)


def without_labels(sectors=(), ranges=()) -> LabelCounts:
    labelled = ALL_SEEN.labelled_at.copy()
    labelled[list(sectors)] = 0
    labelled[:, list(ranges)] = 0
    return replace(ALL_SEEN, labelled_at=labelled)


def notes(counts: LabelCounts, num_keyframes: int = 300) -> dict[str, str]:
    found = check_coverage(counts, num_keyframes)
    return {one.subject: one.text for one in found if one.level is Level.NOTE}


def test_shares_are_said_and_nothing_else_if_all_is_well():
    found = check_coverage(ALL_SEEN, 300)
    assert [one.level for one in found] == [Level.OK, Level.OK]
    assert "300 keyframes" in found[0].text
    assert "50 % of the points are in view of a camera, 75 % have a label" in found[1].text


def test_few_keyframes_are_noted():
    assert set(notes(ALL_SEEN, 99)) == {"amount"}
    assert notes(ALL_SEEN, 100) == {}


def test_directions_without_labels_are_joined_and_named():
    (text,) = notes(without_labels(sectors=range(4, 8))).values()
    assert text.endswith("a label from 120 to 240 degrees (behind; 0 is x, 90 is y)")
    (text,) = notes(without_labels(sectors=[11, 0, 3])).values()
    assert "from 330 to 30 degrees (ahead" in text
    assert "from 90 to 120 degrees (left" in text
    few = ALL_SEEN.labelled_at.copy()
    few[5] = 9  # 0.9 % of its points
    assert "directions" in notes(replace(ALL_SEEN, labelled_at=few))
    few[5] = 11
    assert notes(replace(ALL_SEEN, labelled_at=few)) == {}


def test_distances_without_labels_are_named():
    (text,) = notes(without_labels(ranges=[3])).values()
    assert text.endswith("a label beyond 40 m")
    assert "from 10 to 20 m, beyond 40 m" in notes(without_labels(ranges=[1, 3]))["distances"]


def test_where_there_are_no_points_no_label_is_missed():
    there = ALL_SEEN.points_at.copy()
    there[3], there[:, 3] = 0, 0
    counts = replace(without_labels(sectors=[3], ranges=[3]), points_at=there)
    assert notes(counts) == {}


def test_without_any_label_no_direction_stands_out():
    assert notes(without_labels(sectors=range(12))) == {}
