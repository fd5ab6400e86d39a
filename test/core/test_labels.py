from __future__ import annotations

import json

import numpy as np
import pytest
from checkout import SHARED_DATA

from clip2scene_core.labels import (
    IGNORE_COLOR,
    IGNORE_LABEL,
    NUSCENES_CLASSES,
    NUSCENES_RAW_CATEGORIES,
    SEMANTIC_KITTI_CLASSES,
    nuscenes_label_map,
    semantic_kitti_label_map,
)

PUBLISHED_MAP = SHARED_DATA / "nuscenes_statistics/lidarseg_class_map.json"


@pytest.mark.parametrize(
    ("classes", "count"), [(NUSCENES_CLASSES, 16), (SEMANTIC_KITTI_CLASSES, 19)]
)
def test_classes_differ_in_name_prompt_and_color(classes, count):
    assert len(classes) == count
    assert len({scene_class.name for scene_class in classes}) == count
    assert len({scene_class.prompt for scene_class in classes}) == count
    colors = {scene_class.color for scene_class in classes}
    assert len(colors | {IGNORE_COLOR}) == count + 1
    assert all(0 <= part <= 255 for color in colors for part in color)


@pytest.mark.parametrize(
    ("raw_name", "name"),
    [
        ("movable_object.barrier", "barrier"),
        ("vehicle.bus.bendy", "bus"),
        ("vehicle.bus.rigid", "bus"),
        ("human.pedestrian.police_officer", "pedestrian"),
        ("vehicle.trailer", "trailer"),
        ("flat.other", "other flat"),
        ("static.vegetation", "vegetation"),
    ],
)
def test_a_raw_category_becomes_its_class(raw_name, name):
    label = nuscenes_label_map()[NUSCENES_RAW_CATEGORIES.index(raw_name)]
    assert NUSCENES_CLASSES[label].name == name


def test_every_class_has_a_raw_category_and_the_rest_is_ignored():
    label_map = nuscenes_label_map()
    assert label_map.shape == (256,)
    assert label_map.dtype == np.uint8
    assert set(label_map.tolist()) == {*range(16), IGNORE_LABEL}
    ignored = np.flatnonzero(label_map[: len(NUSCENES_RAW_CATEGORIES)] == IGNORE_LABEL)
    assert ignored.tolist() == [0, 1, 5, 7, 8, 10, 11, 13, 19, 20, 29, 31]
    assert (label_map[len(NUSCENES_RAW_CATEGORIES) :] == IGNORE_LABEL).all()


def test_the_map_is_the_published_one():
    if not PUBLISHED_MAP.is_file():
        pytest.skip("the published class map is not beside this repository")
    published = json.loads(PUBLISHED_MAP.read_text())["fine_to_coarse"]
    label_map = nuscenes_label_map()
    ours = {
        raw_name: NUSCENES_CLASSES[label_map[raw]].name.replace(" ", "_")
        for raw, raw_name in enumerate(NUSCENES_RAW_CATEGORIES)
        if label_map[raw] != IGNORE_LABEL
    }
    assert ours == published


def test_the_map_of_semantic_kitti_folds_moving_objects():
    label_map = semantic_kitti_label_map()
    assert len(label_map) == 34
    assert set(label_map.values()) == {*range(19), IGNORE_LABEL}
    names = {raw: SEMANTIC_KITTI_CLASSES[label].name for raw, label in label_map.items()
             if label != IGNORE_LABEL}  # fmt: skip
    for moving, standing in ((252, 10), (253, 31), (254, 30), (255, 32), (258, 18), (259, 20)):
        assert names[moving] == names[standing]
    assert names[60] == "road"  # lane markings
