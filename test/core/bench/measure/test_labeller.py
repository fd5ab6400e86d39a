import numpy as np
import pytest
import torch
from random_student import random_student, save_random_student

from clip2scene_core.bench.measure.labeller import Labeller, mode_of
from clip2scene_core.bench.measure.score import score_networks
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.checkpoint import save_checkpoint
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets import NuScenesDataset, Sample, Sweep
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import MODES, OnlineOptions
from clip2scene_core.inference.segmenter import load_segmenter
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.prompts.prompt_set import PromptSet

NAMES = tuple(c.name for c in NUSCENES_CLASSES)


@pytest.fixture(scope="module")
def labeller() -> Labeller:
    return Labeller([random_student(0), random_student(1)])


@pytest.mark.parametrize("mode", MODES)
def test_the_bench_labels_as_the_engine_does(tiny_nuscenes, tmp_path, labeller, mode):
    sample = NuScenesDataset(tiny_nuscenes)[0]
    options = OnlineOptions(mode=mode, min_range_m=0, ego_radius_m=0, max_range_m=1e4)
    segmenter = load_online_segmenter(save_random_student(tmp_path), options=options)
    cloud = segmenter.segment(sample.keyframe, sample.cameras)
    look = labeller.look(sample)
    labels = labeller.label(look, labeller.vocabulary)
    np.testing.assert_array_equal(labels[mode_of(mode, 0)], cloud.labels)
    assert set(labels) == {"camera", "lidar 0", "fused 0", "lidar 1", "fused 1"}
    assert not torch.equal(*look.embeddings)


@pytest.mark.parametrize("mode", MODES)
def test_a_student_of_many_texts_is_labelled_alike_by_bench_node_and_library(
    tiny_nuscenes, tmp_path, mode
):
    prompts = list(PretrainConfig().prompts)
    prompts[3], prompts[14] = "car | van | suv", "building | wall | fence"
    student = random_student(0, prompts=tuple(prompts))
    save_checkpoint(tmp_path / "s.safetensors", student)
    sample = NuScenesDataset(tiny_nuscenes)[0]
    options = OnlineOptions(mode=mode, min_range_m=0, ego_radius_m=0, max_range_m=1e4)
    online = load_online_segmenter(tmp_path / "s.safetensors", options=options)
    if mode == "camera":  # without a student it knows no prompts of a training
        own = PromptSet((), groups=tuple(map(": ".join, zip(NAMES, prompts, strict=True))))
        online.apply(online.encode(own))
    labeller = Labeller([student])
    assert labeller.embed(student.vocabulary.prompts).texts == student.vocabulary.texts
    labels = labeller.label(labeller.look(sample), labeller.vocabulary)[mode_of(mode, 0)]
    np.testing.assert_array_equal(labels, online.segment(sample.keyframe, sample.cameras).labels)
    assert online.class_names == NAMES
    if mode == "lidar":
        counts = score_networks([tmp_path / "s.safetensors"], Scenes(tiny_nuscenes))
        network = load_segmenter(tmp_path / "s.safetensors")
        np.testing.assert_array_equal(labels, network.segment(sample.keyframe.points).labels)
        assert np.array(counts["lidar 0"]["all"]).shape == (1, 16, 17)


def test_points_that_are_not_finite_stay_in_place_unlabelled(tiny_nuscenes, labeller):
    sample = NuScenesDataset(tiny_nuscenes)[0]
    whole = labeller.label(labeller.look(sample), labeller.vocabulary)
    points = np.insert(sample.keyframe.points, 7, np.nan, axis=0)
    keyframe = Sweep(points, sample.keyframe.T_global_lidar, sample.keyframe.stamp_ns)
    broken = Sample(sample.token, sample.scene_token, (keyframe,), sample.cameras)
    labels = labeller.label(labeller.look(broken), labeller.vocabulary)
    for mode in labels:
        assert labels[mode][7] == IGNORE_LABEL
        np.testing.assert_array_equal(np.delete(labels[mode], 7), whole[mode])


def test_a_prompt_may_come_twice_and_an_unknown_one_is_refused(labeller):
    vocabulary = labeller.embed(("car", "car", "road"))
    assert len(vocabulary) == 3
    with pytest.raises(ValueError, match="giraffe"):
        labeller.embed(("car", "giraffe"))
