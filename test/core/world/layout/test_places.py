"""Places and footing: everything stands on the ground, and the ego vehicle follows it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.footing import LEANING_CATEGORIES, rotation_on_slope
from clip2scene_core.world.layout.places import PARK, SHARES, STREET, STYLES, draw_place
from clip2scene_core.world.layout.relief import height_at
from clip2scene_core.world.layout.road import PAVING, road_pose, surface_at
from clip2scene_core.world.layout.scene import Scene, ego_pose
from clip2scene_core.world.layout.street import RAW

PEOPLE = (RAW["adult"], RAW["child"], RAW["worker"])


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    return [build_scene(7, index, 2.0, terrain="varied", places="mixed") for index in range(8)]


def test_a_scene_is_reproducible(scenes):
    again = build_scene(7, 0, 2.0, terrain="varied", places="mixed")
    np.testing.assert_array_equal(again.plan, scenes[0].plan)
    np.testing.assert_array_equal(again.static.center, scenes[0].static.center)
    np.testing.assert_array_equal(ego_pose(again, 1.2), ego_pose(scenes[0], 1.2))


def test_terrain_leaves_the_objects_of_a_street_where_they_were():
    flat, hilly = build_scene(5, 0, 2.0), build_scene(5, 0, 2.0, terrain="varied")
    there = {(one.word, one.s, one.d) for one in hilly.objects}
    assert {(one.word, one.s, one.d) for one in flat.objects if one.word != "hill"} == there
    assert flat.weather == hilly.weather
    assert flat.ego_d == hilly.ego_d


def test_every_place_and_platform_is_drawn():
    rng = np.random.default_rng(0)
    drawn = [draw_place(rng) for _ in range(600)]
    kinds, platforms = Counter(p.kind for p in drawn), Counter(p.platform for p in drawn)
    assert set(SHARES) == set(STYLES) == set(kinds)
    assert min(kinds.values()) > 30
    assert 0.25 < platforms["robot"] / 600 < 0.42
    assert 0.05 < platforms["truck"] / 600 < 0.16
    assert all(0.7 <= p.speed <= 2.5 for p in drawn if p.platform == "robot")


def test_a_robot_is_on_a_footpath_or_sidewalk():
    count = 0
    for index in range(24):
        scene = build_scene(2, index, 1.0, places="mixed")
        if scene.platform == "robot" and scene.place in (STREET, PARK):
            x, y, _ = road_pose(scene.road.curvature, 0.5, scene.ego_d)
            assert surface_at(scene.plan, x, y)[0] == PAVING
            count += 1
    assert count > 2


def test_vehicles_and_people_stand_on_the_ground(scenes):
    """No lowest point is more than 15 cm above the ground below it, or as far below it."""
    for scene in scenes:
        for index, one in enumerate(scene.objects):
            is_vehicle = one.category in LEANING_CATEGORIES and 15 < one.category < 24
            if not is_vehicle and one.category not in PEOPLE:
                continue
            pose = scene.T_scene_object(index, 0.0)
            length, width = (0.62 * one.size[0], 0.85 * one.size[1]) if is_vehicle else (0, 0)
            gaps = []
            for a, b in ((-1, -1), (-1, 1), (1, -1), (1, 1)):
                wheel = pose @ np.array([a * length / 2, b * width / 2, 0.0, 1.0])
                gaps.append(wheel[2] - height_at(scene.plan, wheel[0], wheel[1]))
            assert -0.35 < min(gaps) < 0.15, one.word
            assert abs(np.mean(gaps)) < 0.15, one.word


def test_buildings_and_walls_reach_below_the_ground(scenes):
    for scene in scenes:
        for index, one in enumerate(scene.objects):
            if one.word not in ("building", "wall", "hedge"):
                continue
            low = min(part.center[2] - part.half[2] for part in one.parts)
            pose = scene.T_scene_object(index, 0.0)
            for share in (-0.5, 0.0, 0.5):
                foot = pose @ np.array([share * one.size[0], 0.0, low, 1.0])
                ground = height_at(scene.plan, foot[0], foot[1])
                x, y = foot[:2]
                reach = np.hypot(x - scene.length_m / 2, y)
                if reach < 45:
                    assert foot[2] < ground + 0.05, (one.word, foot[2] - ground)


def test_a_body_on_a_slope_is_turned_without_distortion():
    rotation = rotation_on_slope(0.7, 0.1, -0.05)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    assert rotation[2, 0] == pytest.approx(0.1 / np.sqrt(1.01))
    np.testing.assert_allclose(rotation_on_slope(0.0, 0.0, 0.0), np.eye(3), atol=1e-12)


def test_the_ego_vehicle_follows_the_ground_and_sways(scenes):
    for scene in scenes:
        poses = [ego_pose(scene, seconds) for seconds in np.linspace(0, 2, 21).tolist()]
        for pose in poses:
            np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-9)
            ground = height_at(scene.plan, pose[0, 3], pose[1, 3])
            assert abs(pose[2, 3] - ground) < 0.25
        tilts = np.degrees([np.arccos(min(pose[2, 2], 1.0)) for pose in poses])
        assert 0.05 < tilts.max() < 14
        steps = np.abs(np.diff([pose[2, 3] for pose in poses]))
        assert steps.max() < 0.3
