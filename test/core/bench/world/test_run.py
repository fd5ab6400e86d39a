"""The measuring stages and the whole quick bench, on tiny synthetic worlds."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from random_student import save_random_student

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.json_dataclass import from_json
from clip2scene_core.bench.measure.failures import draw_failures
from clip2scene_core.bench.measure.open_vocabulary import answer_queries
from clip2scene_core.bench.measure.robustness import (
    MAX_SCENES,
    SomeKeyframes,
    score_corrupted,
)
from clip2scene_core.bench.measure.score import (
    score_rules,
    score_students,
    score_untrained,
)
from clip2scene_core.bench.results import SplitCounts
from clip2scene_core.bench.splits import Scenes, quick_world, write_split
from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.datasets import NuScenesDataset, SceneRecord
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.world.dataset.writer import WorldOptions, write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """Two scenes of two keyframes, with ground truth."""
    root = tmp_path_factory.mktemp("world") / "test"
    options = WorldOptions(
        num_scenes=2, seed=901, seconds=1.0, image_size=(56, 100), lidar_columns=180,
        is_every_frame=False, with_ground_truth=True,
    )  # fmt: skip
    write_world(root, options)
    return root


@pytest.fixture(scope="module")
def student(tmp_path_factory) -> Path:
    return save_random_student(tmp_path_factory.mktemp("student"), image_height=56)


@pytest.fixture(scope="module")
def counts(world, student) -> dict:
    """Of the same student twice."""
    return score_students([student, student], Scenes(world))


def test_a_split_is_written_once_and_measured(tmp_path):
    options = quick_world(WorldOptions(num_scenes=9, seed=903, is_every_frame=False))
    left_over = tmp_path / "test.unfinished" / "samples"
    left_over.mkdir(parents=True)
    scenes = []
    value = write_split(tmp_path / "test", options, lambda *done: scenes.append(done), workers=1)
    assert scenes == [(1, 2), (2, 2)]
    split = from_json(SplitCounts, value)
    assert split.name == "test"
    assert (split.num_scenes, split.num_keyframes) == (2, 2)
    assert max(split.scenes_per_class) == 2
    labels = NuScenesDataset(tmp_path / "test", with_labels=True)[0].keyframe.labels
    assert 0 < (labels != IGNORE_LABEL).sum() < sum(split.points_per_class)
    assert not left_over.exists()
    assert write_split(tmp_path / "test", options, lambda *done: scenes.append(done), 1) == value
    assert len(scenes) == 2


def test_students_are_counted_in_every_mode_and_scene(world, counts):
    assert set(counts) == {"camera", "lidar 0", "fused 0", "lidar 1", "fused 1"}
    assert counts["lidar 0"] == counts["lidar 1"]
    labels = [sample.keyframe.labels for sample in NuScenesDataset(world, with_labels=True)]
    num_labelled = sum((keyframe != IGNORE_LABEL).sum() for keyframe in labels)
    for part in counts.values():
        everything, seen = np.array(part["all"]), np.array(part["seen"])
        assert everything.shape == seen.shape == (2, 16, 17)
        assert everything.sum() == num_labelled
        assert (seen <= everything).all()
    assert np.array(counts["camera"]["all"])[..., 16].sum() > 0  # in no view


def test_perfect_pictures_beat_the_majority_by_far(world):
    counts = score_rules(Scenes(world), Scenes(world))
    seen = {name: np.array(part["seen"]).sum(axis=0) for name, part in counts.items()}
    accuracy = {name: part.trace() / part.sum() for name, part in seen.items()}
    assert accuracy["perfect 2D"] > 0.85
    assert accuracy["majority"] < 0.7
    assert (np.array(counts["majority"]["all"]).sum(axis=(0, 1)) > 0).sum() == 1


def test_untrained_networks_differ_by_seed(world, student):
    counts = score_untrained(student, {"lidar 0": 0, "lidar 1": 1}, Scenes(world))
    assert counts["lidar 0"] != counts["lidar 1"]


def test_queries_are_counted_and_drawn(world, student, counts, tmp_path):
    results = answer_queries([student], world, tmp_path)
    answered = results["counts"]
    for mode in ("camera", "lidar 0", "fused 0"):
        assert answered["trained prompts"][mode] == counts[mode]["all"]
    grouped = np.array(answered["trained prompts, grouped"]["lidar 0"])
    assert grouped.sum() == np.array(counts["lidar 0"]["all"]).sum()
    assert {"synonyms", "groups of prompts"} <= set(results["pictures"])
    for file in results["pictures"].values():
        assert Image.open(tmp_path / file).width > 700


def test_failures_are_drawn_worst_first(world, student, tmp_path):
    failures = draw_failures(student, world, tmp_path, num_classes=3)
    assert len(failures) == 3
    iou = [failure["iou"] for failure in failures]
    assert iou == sorted(iou)
    for failure in failures:
        assert Image.open(tmp_path / failure["file"]).height > 200


def test_corruptions_are_measured_on_one_keyframe_a_scene(world, student):
    dataset = NuScenesDataset(world, num_sweeps=3, with_labels=True)
    some = SomeKeyframes(dataset, None)
    assert len(some) == 2
    assert [some[k].token for k in range(2)] == [dataset[1].token, dataset[3].token]
    fewer = SomeKeyframes(dataset, Corruption("beam_loss", 5))
    assert 0 < len(fewer[0].keyframe.points) < len(some[0].keyframe.points)
    counts = score_corrupted(student, world, Corruption("camera_loss", 5))
    assert set(counts) == {"camera", "lidar 0", "fused 0"}


def test_at_most_some_scenes_are_corrupted(world):
    class ManyScenes(NuScenesDataset):
        scenes = tuple(SceneRecord(f"token-{k}", f"scene-{k}", 3) for k in range(45))

    some = SomeKeyframes(ManyScenes(world), None)
    assert [scene.token for scene in some.scenes[:3]] == ["token-0", "token-3", "token-6"]
    assert len(some) == 15 <= MAX_SCENES
