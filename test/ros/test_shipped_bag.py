"""What comes with the package does what its model cards say, on the bag that comes with it."""

import dataclasses
import importlib.util

import numpy as np
import pytest
import torch
from checkout import SHARED_DATA

from clip2scene_core import load_online_segmenter, load_segmenter
from clip2scene_core.checkpoint import SMALL_STUDENT, load_checkpoint, untrained_checkpoint
from clip2scene_core.evaluation import ConfusionMatrix
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.teacher.clip import load_clip, shipped_small_clip
from clip2scene_core.teacher.prompting.prompts import embed_prompts
from clip2scene_ros.bags.io import open_bag
from clip2scene_ros.bags.labelled_reader import LabelledSweep, read_labelled_bag
from clip2scene_ros.bags.labelled_writer import POINTS_TOPIC
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag
from clip2scene_ros.cli.main import main
from clip2scene_ros.share import share_directory
from clip2scene_ros.viewers.report import score

REAL_BAG = SHARED_DATA / "nuscenes_keyframe_bag"
BAG = share_directory() / "rosbags" / "synthetic_street"


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> list[LabelledSweep]:
    """The shipped bag through the shipped student."""
    out = tmp_path_factory.mktemp("shipped") / "labelled"
    segment_bag(BAG, out, load_online_segmenter())
    return read_labelled_bag(out)


def mean_iou(labelled: list[LabelledSweep], mode_labels) -> float:
    """Score labels on the sweeps that have ground truth, where they label at all."""
    confusion = ConfusionMatrix(len(NUSCENES_CLASSES))
    for sweep in labelled:
        ground_truth = sweep.sweep.labels
        if ground_truth is not None:
            predicted = mode_labels(sweep)
            given = predicted != IGNORE_LABEL
            confusion.add(ground_truth[given], predicted[given])
    return confusion.mean_iou()


def test_the_models_are_small_and_say_how_they_were_made():
    for path in (SMALL_STUDENT, shipped_small_clip()):
        assert path.stat().st_size < 10e6
        card = path.with_suffix(".md").read_text()
        assert "clip2scene" in card
        assert "synthetic world" in card


def test_the_student_carries_the_words_of_the_clip_that_taught_it():
    vocabulary = load_checkpoint("small").vocabulary
    assert vocabulary.names == tuple(c.name for c in NUSCENES_CLASSES)
    theirs = embed_prompts(load_clip("small"), vocabulary.texts)
    torch.testing.assert_close(vocabulary.embeddings, theirs, atol=1e-4, rtol=0)


def test_student_and_teacher_beat_a_random_student_by_far(labelled):
    checkpoint = load_checkpoint("small")
    random = Segmenter(untrained_checkpoint(checkpoint))
    camera = load_online_segmenter(options=OnlineOptions(mode="camera"))
    by_student = score(labelled).mean_iou()
    by_chance = mean_iou(labelled, lambda s: random.segment(s.sweep.points).labels)
    by_teacher = mean_iou(labelled, lambda s: camera.segment(s.sweep, s.cameras).labels)
    assert by_chance < 0.06
    assert by_student > 3 * by_chance
    assert by_teacher > 3 * by_chance


def test_another_word_gives_other_labels(labelled):
    segmenter = load_online_segmenter()
    sweep = dataclasses.replace(labelled[0].sweep, labels=None)
    cars = segmenter.segment(sweep)
    segmenter.set_prompts(["car", "road"])
    fewer = segmenter.segment(sweep)
    assert set(np.unique(fewer.labels)) == {0, 1, IGNORE_LABEL}
    # What was a car or a road keeps its prompt: no other prompt had a better claim to it.
    for name, label in (("car", 0), ("driveable surface", 1)):
        was = cars.labels == cars.vocabulary.names.index(name)
        assert (fewer.labels[was] == label).all()


def test_a_word_that_the_small_clip_never_saw_is_said():
    segmenter = load_online_segmenter()
    with pytest.raises(ValueError, match=r"'giraffe'.*never saw"):
        segmenter.set_prompts(["car", "giraffe"])


def test_the_segmenter_is_the_readme_s_example(labelled):
    segmenter = load_segmenter("small")
    segmentation = segmenter.segment(labelled[0].sweep.points)
    assert segmentation.labels.shape == (len(labelled[0].sweep.points),)


@pytest.mark.parametrize("mode", ["lidar", "camera", "fused"])
def test_the_real_keyframe_is_labelled_point_for_point(tmp_path, mode):
    if not REAL_BAG.is_dir():
        pytest.skip("the real keyframe's bag is not beside this repository")
    out = tmp_path / "labelled"
    segmenter = load_online_segmenter(options=OnlineOptions(mode=mode))
    summary = segment_bag(REAL_BAG, out, segmenter, ReplayOptions(with_cameras=mode != "lidar"))
    assert (summary.num_labelled, summary.num_points) == (1, 34688)
    assert not summary.rejections
    with open_bag(out) as reader:
        counts = {connection.topic: connection.msgcount for connection in reader.connections}
    assert counts[POINTS_TOPIC] == 1


@pytest.mark.ros
@pytest.mark.slow
def test_the_demo_labels_alike_through_node_and_segmenter(tmp_path, capsys):
    if importlib.util.find_spec("rclpy") is None:
        pytest.skip("rclpy is not installed; pip install .[ros]")
    for name, more in (("node", []), ("segmenter", ["--no-ros"])):
        assert main(["demo", "--out", str(tmp_path / name), *more]) == 0
    printed = capsys.readouterr().out
    assert "through the ROS 2 node" in printed
    assert printed.count("mIoU against the synthetic world's ground truth") == 2
    node, segmenter = (
        read_labelled_bag(tmp_path / name / "labelled") for name in ("node", "segmenter")
    )
    assert len(node) == len(segmenter) > 20
    for one, other in zip(node, segmenter, strict=True):
        assert one.vocabulary.names == other.vocabulary.names
        np.testing.assert_array_equal(one.labels, other.labels)
    assert len({sweep.vocabulary.names for sweep in node}) == 2
    for picture in ("birds_eye_view.png", "cameras.png", "prompt_change.png"):
        assert (tmp_path / "node" / picture).stat().st_size > 5000
