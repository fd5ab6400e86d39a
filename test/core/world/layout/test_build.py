"""What a seed builds."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.layout.build import PICTURE_STREAM, build_scene
from clip2scene_core.world.layout.weather import WEATHER_NAMES


def test_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = (build_scene(seed, 0, 2.0) for seed in (5, 5, 6))
    for a, b in zip(first.static, again.static, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.static.center.shape != other.static.center.shape or not np.allclose(
        first.static.center, other.static.center
    )


def test_picture_scenes_are_not_drive_scenes():
    driven, picture = build_scene(5, 0, 2.0), build_scene(5, 0, 2.0, PICTURE_STREAM)
    assert len(driven.objects) != len(picture.objects) or driven.ego_speed != picture.ego_speed


def test_every_kind_of_weather_occurs():
    weathers = {build_scene(0, index, 0.5).weather for index in range(len(WEATHER_NAMES))}
    assert weathers == set(WEATHER_NAMES)


def test_rare_things_stand_near_most_drives():
    label_map = nuscenes_label_map()
    rare = {"barrier", "bicycle", "bus", "construction vehicle", "motorcycle", "pedestrian",
            "traffic cone", "trailer"}  # fmt: skip
    seen = dict.fromkeys(rare, 0)
    num_scenes = 24
    for index in range(num_scenes):
        scene = build_scene(11, index, 4.0)
        near = {
            NUSCENES_CLASSES[label_map[thing.category]].name
            for thing in scene.objects
            if label_map[thing.category] != IGNORE_LABEL
            and -10 < thing.s < scene.length_m + 40 and abs(thing.d) < 20
        }  # fmt: skip
        for name in rare & near:
            seen[name] += 1
    assert min(seen.values()) >= 0.6 * num_scenes, seen
