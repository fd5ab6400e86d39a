"""A fine-tuned network labels sequences as a student does."""

import numpy as np
import pytest
import torch
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import (
    FinetunedCheckpoint,
    load_finetuned,
    load_trunk,
    save_finetuned,
)
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.sample import Sweep
from clip2scene_core.training.finetune.run import make_classifier


def cloud():
    points = np.random.default_rng(0).uniform(-20, 20, (400, 4)).astype(np.float32)
    points[:, 3] = np.abs(points[:, 3]) / 20
    return points


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("tuned") / "tuned.safetensors"
    classifier = make_classifier(make_config(), None).eval()
    with torch.no_grad():  # random weights that tell points apart
        points = torch.from_numpy(cloud())
        logits = classifier(points, torch.zeros(len(points), dtype=torch.int64))
        classifier.head.weight /= logits.std()
        classifier.head.bias.copy_((classifier.head.bias - logits.mean(dim=0)) / logits.std())
        classifier.head.weight *= 3
        classifier.head.bias *= 3
    save_finetuned(path, FinetunedCheckpoint(classifier, NAMES, make_config(), ("a",), {}))
    return path


@pytest.fixture(scope="module")
def sweep():
    points = cloud()
    points[7, 0] = np.nan
    return Sweep(points, np.eye(4), stamp_ns=0)


def test_labels_and_scores_are_those_of_the_network(path, sweep):
    segmenter = load_online_segmenter(path)
    labelled = segmenter.segment(sweep)
    alone = ClassifierSegmenter(load_finetuned(path)).segment(sweep.points)
    np.testing.assert_array_equal(labelled.labels, alone.labels)
    np.testing.assert_allclose(labelled.scores, alone.scores, atol=1e-5)
    assert segmenter.class_names == NAMES
    assert labelled.labels[7] == 255
    assert len(set(labelled.labels)) > 3
    voxels = segmenter.map()
    assert len(voxels.points) > 300
    nearest = ((voxels.points[:, None] - sweep.points[None, :, :3]) ** 2).sum(axis=2)
    nearest = np.nanargmin(nearest, axis=1)
    assert (voxels.labels == labelled.labels[nearest]).mean() > 0.95


def test_some_classes_may_be_chosen_named_and_grouped(path, sweep):
    segmenter = load_online_segmenter(path, prompts=["vegetation", "car"])
    chosen = segmenter.segment(sweep)
    all_classes = ClassifierSegmenter(load_finetuned(path))
    told = sweep.points[chosen.labels != 255]
    probabilities = all_classes._probabilities(told).numpy()
    names = list(NAMES)
    two = probabilities[:, [names.index("vegetation"), names.index("car")]]
    np.testing.assert_array_equal(chosen.labels[chosen.labels != 255], two.argmax(axis=1))
    # The other classes are what the labels leave out.
    np.testing.assert_allclose(chosen.scores[chosen.labels != 255], two.max(axis=1), atol=1e-4)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"prompts": ["unicorn"]}, "no words, but its own classes: barrier, .*leave out 'unicorn'"),
        ({"options": OnlineOptions(mode="fused")}, "labels in mode 'lidar'"),
        ({"teacher": "small"}, "leave out the teacher"),
    ],
)
def test_what_it_cannot_do_is_refused(path, arguments, message):
    with pytest.raises(ValueError, match=message):
        load_online_segmenter(path, **arguments)


def test_new_words_are_refused_and_the_old_ones_stay(path, sweep):
    segmenter = load_online_segmenter(path)
    with pytest.raises(ValueError, match="leave out 'unicorn'"):
        segmenter.set_prompts(["car", "unicorn"])
    with pytest.raises(ValueError, match="leave out 'unicorn'"):
        segmenter.set_query("unicorn")
    assert segmenter.class_names == NAMES
    segmenter.set_query("car")
    assert segmenter.segment(sweep).similarities.max() > 0


def test_fine_tuning_may_begin_with_it(path):
    trunk, tuned = load_trunk(path), load_finetuned(path)
    assert trunk.scene_tokens == ("a",)
    start = make_classifier(make_config(), trunk).network.state_dict()
    for name, value in tuned.classifier.network.state_dict().items():
        assert torch.equal(start[name], value)
