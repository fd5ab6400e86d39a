import hashlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from separable_clouds import make_config
from street_sweep import spin

from clip2scene_core.config.finetune import LabelsConfig
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.datasets import NuScenesDataset, Sample
from clip2scene_core.training.finetune.data import (
    LabelledKeyframes,
    choose_keyframes,
    clip2scene_keyframe,
    collate_labelled,
    hash_tokens,
    slidr_scene,
    write_tokens,
)

SCENES = ["a", "a", "b", "c", "c", "c", "d", "e", "e"]


def test_scenes_are_counted_from_the_nth():
    assert slidr_scene(SCENES, 1) == list(range(9))
    assert slidr_scene(SCENES, 2) == [2, 6]  # b and d
    assert slidr_scene(SCENES, 3) == [3, 4, 5]  # c
    assert slidr_scene(SCENES, 5) == [7, 8]  # e
    assert slidr_scene(SCENES, 6) == []


def test_keyframes_are_counted_from_the_first():
    assert clip2scene_keyframe(9, 1) == list(range(9))
    assert clip2scene_keyframe(9, 4) == [0, 4, 8]
    assert clip2scene_keyframe(9, 100) == [0]


def test_one_percent_of_nuscenes_has_the_published_size():
    # 700 scenes with 28,130 keyframes: 130 of 41 and 570 of 40 have that sum.
    scenes = [str(scene) for scene in range(700) for _ in range(41 if scene < 130 else 40)]
    assert len(scenes) == 28130
    chosen = choose_keyframes(LabelsConfig(1, "slidr_scene"), scenes)
    assert sorted({int(scenes[index]) for index in chosen}) == [99, 199, 299, 399, 499, 599, 699]
    chosen = choose_keyframes(LabelsConfig(1, "clip2scene_keyframe"), scenes)
    assert len(chosen) == 282
    assert len({scenes[index] for index in chosen}) == 282


def test_a_share_is_every_nth():
    keyframes = [str(number // 10) for number in range(1000)]
    for percent, count in ((1, 10), (5, 50), (10, 100), (25, 250), (100, 1000)):
        for sampler in ("slidr_scene", "clip2scene_keyframe"):
            assert len(choose_keyframes(LabelsConfig(percent, sampler), keyframes)) == count
    for percent in (0, -1, 3, 101):
        with pytest.raises(ConfigError, match=f"must divide 100.*got {percent}"):
            LabelsConfig(percent)
    with pytest.raises(ConfigError, match="slidr_scene, clip2scene_keyframe, got 'random'"):
        LabelsConfig(1, "random")


def test_a_share_without_a_keyframe_is_refused():
    with pytest.raises(ValueError, match="1 of 100, and there are 5 scenes with 9 keyframes"):
        choose_keyframes(LabelsConfig(1, "slidr_scene"), SCENES)
    with pytest.raises(ValueError, match="larger percent"):
        choose_keyframes(LabelsConfig(100, "clip2scene_keyframe"), [])


def test_the_token_list_is_written_and_hashed(tmp_path):
    path = tmp_path / "new" / "tokens.txt"
    write_tokens(path, ["t1", "t2"])
    assert path.read_bytes() == b"t1\nt2\n"
    assert hash_tokens(["t1", "t2"]) == hashlib.sha256(b"t1\nt2\n").hexdigest()


def test_clouds_keep_their_range_and_chance_is_the_keys_own(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    whole = dataset[1].keyframe
    range_m = np.linalg.norm(whole.points[:, :3], axis=1)
    limits = ("clouds.min_range_m=8", "clouds.max_range_m=20", "clouds.augment=false")
    used = (range_m >= 8) & (range_m <= 20)
    assert 0 < used.sum() < 48
    cloud = LabelledKeyframes(dataset, [1], make_config(*limits))[0, 0]
    np.testing.assert_array_equal(cloud.points, whole.points[used])
    np.testing.assert_array_equal(cloud.labels, whole.labels[used])
    clouds = LabelledKeyframes(dataset, [1], make_config())
    np.testing.assert_array_equal(clouds[3, 0].points, clouds[3, 0].points)
    assert not np.array_equal(clouds[3, 0].points, clouds[4, 0].points)
    batch = collate_labelled([clouds[0, 0], cloud])
    assert torch.bincount(batch.batch_index).tolist() == [len(clouds[0, 0].points), used.sum()]
    assert batch.labels[-int(used.sum()) :].tolist() == cloud.labels.tolist()


def test_labels_follow_the_points_that_another_sensor_keeps(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    near = ("clouds.min_range_m=0", "clouds.augment=false")
    whole = LabelledKeyframes(dataset, [1], make_config(*near))[0, 0]
    assert len(set(whole.labels.tolist())) > 1
    config = make_config(*near, "augmentation={point_dropout: 0.8, height_m: 0.5}")
    clouds, sizes = LabelledKeyframes(dataset, [1], config), set()
    for epoch in range(10):
        cloud = clouds[epoch, 0]
        # x and y stay, so they tell which point it is.
        rows = [
            int(np.flatnonzero((whole.points[:, :2] == point[:2]).all(axis=1))[0])
            for point in cloud.points
        ]
        np.testing.assert_array_equal(cloud.labels, whole.labels[rows])
        sizes.add(len(rows))
    assert min(sizes) < len(whole.points)
    np.testing.assert_array_equal(clouds[3, 0].points, clouds[3, 0].points)


def test_clouds_are_told_as_the_input_says(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    plain = LabelledKeyframes(dataset, [1], make_config("clouds.augment=false"))[0, 0]
    told = LabelledKeyframes(dataset, [1], make_config("input.intensity=none"))[0, 0]
    assert (told.points[:, 3] == 0.5).all()
    np.testing.assert_array_equal(told.labels, plain.labels)
    street = spin(0.9)
    keyframe = replace(dataset[1].keyframe, points=street, labels=np.zeros(len(street), np.uint8))
    dataset.load = lambda index, previous: Sample("a", "b", (keyframe,), ())
    config = make_config("input.level=true", "clouds.augment=false")
    levelled = LabelledKeyframes(dataset, [1], config)[0, 0].points
    assert np.median(levelled[levelled[:, 2] < -1, 2]) == pytest.approx(-1.84, abs=0.02)
