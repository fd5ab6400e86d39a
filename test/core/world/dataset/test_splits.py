"""The benchmark's splits share nothing, and each holds every class."""

from __future__ import annotations

import dataclasses
import itertools
import json

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.labels import NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.dataset.splits import SPLITS, Split, benchmark_options
from clip2scene_core.world.dataset.writer import write_world
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.sensors.lidar import measure_revolution
from clip2scene_core.world.sensors.sensor_rig import KEYFRAME_HZ, RIG_LIDAR

RARE = ("barrier", "bicycle", "bus", "construction vehicle", "motorcycle", "pedestrian",
        "traffic cone", "trailer", "truck", "other flat")  # fmt: skip


def test_seeds_are_disjoint():
    seeds = [split.seed for split in SPLITS]
    assert len(set(seeds)) == len(seeds) == 3
    assert [split.name for split in SPLITS] == ["train", "val", "test"]


def test_splits_share_no_token_and_no_scene_name(tmp_path):
    tokens = {}
    for split in SPLITS:
        options = dataclasses.replace(
            benchmark_options(split), num_scenes=1, seconds=0.5, image_size=(28, 50),
            lidar_columns=60,
        )  # fmt: skip
        world = write_world(tmp_path / split.name, options)
        tokens[split.name] = {
            record[key]
            for table in ("scene", "sample", "sample_data", "instance", "sample_annotation", "log")
            for record in json.loads((world.out / world.version / f"{table}.json").read_text())
            for key in ("token", "name")
            if key in record
        }
        assert len(tokens[split.name]) > 10
    for first, second in itertools.combinations(tokens.values(), 2):
        assert not first & second


def classes_in_keyframes(split: Split, scene_index: int) -> set[str]:
    """Names of the classes that a scene's keyframes hold at least one LiDAR point of.

    The revolutions are those of the benchmark but for the noise, which decides on single points.
    """
    options, label_map = benchmark_options(split), nuscenes_label_map()
    scene = build_scene(split.seed, scene_index, options.seconds)
    rng = np.random.default_rng(scene_index)
    seen: set[str] = set()
    for k in range(int(options.seconds * KEYFRAME_HZ)):
        seconds = k / KEYFRAME_HZ
        T_scene_lidar = ego_pose(scene, seconds) @ RIG_LIDAR.T_ego_sensor
        primitives = scene.with_static(scene.moving_at(seconds))
        revolution = measure_revolution(
            primitives, scene.plan, T_scene_lidar, options.lidar_columns, rng
        )
        labels = label_map[revolution.categories]
        seen |= {NUSCENES_CLASSES[i].name for i in np.unique(labels[labels < 16])}
    return seen


@pytest.mark.parametrize("split", SPLITS[1:], ids=["val", "test"])
def test_every_rare_class_is_in_fifteen_scenes_of_what_is_measured_on(split):
    # 30 scenes of either split are enough to count to 15: more would only add to the counts.
    scenes = [classes_in_keyframes(split, index) for index in range(30)]
    counts = {name: sum(name in scene for scene in scenes) for name in RARE}
    assert min(counts.values()) >= 15, counts
