"""Coarse classes of nuScenes and of SemanticKITTI."""

import pytest

from clip2scene_core.bench.transfer.groups import (
    COARSE_PROMPTS,
    GROUPS,
    group_of_class,
    group_of_semantickitti,
)
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES


def test_every_class_has_a_group():
    names = [one.name for one in NUSCENES_CLASSES]
    table = group_of_class(names)
    group_of = {name: GROUPS[table[label]] for label, name in enumerate(names)}
    assert set(group_of.values()) == set(GROUPS)
    assert group_of["truck"] == "vehicle"
    assert group_of["pedestrian"] == "person or cycle"
    assert group_of["sidewalk"] == group_of["other flat"] == "flat"
    assert (table[len(names) :] == IGNORE_LABEL).all()


def test_an_unknown_class_is_named():
    with pytest.raises(ValueError, match="no classes of nuScenes: tram"):
        group_of_class(["car", "tram"])


def test_moving_and_standing_things_of_semantickitti_share_a_group():
    table = group_of_semantickitti()
    for raw, moving, group in ((10, 252, "vehicle"), (30, 254, "person or cycle")):
        assert GROUPS[table[raw]] == GROUPS[table[moving]] == group
    assert GROUPS[table[72]] == "terrain"
    assert table[0] == table[1] == IGNORE_LABEL


def test_every_group_has_prompts():
    assert len(COARSE_PROMPTS) == len(GROUPS)
    assert all(COARSE_PROMPTS)
