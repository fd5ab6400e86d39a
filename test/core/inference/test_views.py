"""Several views of one sweep: by hand, and for all that labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from separable_clouds import NAMES
from separable_clouds import make_config as make_finetune_config

from clip2scene_core.checkpoint import FinetunedCheckpoint, save_checkpoint, save_finetuned
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.inference import embedder
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.inference.views import mean_over_views, turn_points
from clip2scene_core.network.student import Student
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.sample import Sweep
from clip2scene_core.training.finetune.run import make_classifier


@pytest.fixture
def points() -> np.ndarray:
    generator = np.random.default_rng(0)
    cloud = generator.random((900, 4)) * [12, 12, 2, 1] - [6, 6, 2, 0]
    return cloud.astype(np.float32)


@pytest.fixture(params=["spvcnn", "minkunet14"])
def checkpoint(request, tiny_checkpoint):
    torch.manual_seed(0)
    network = NetworkConfig(request.param, width=0.125, voxel_size_m=0.5)
    student = Student(network, 16).eval().requires_grad_(False)
    student.semantic_head.bias.zero_()  # random weights that tell points apart
    config = replace(tiny_checkpoint.config, network=network)
    return replace(tiny_checkpoint, student=student, config=config)


def test_turned_points_keep_their_height_and_distance(points):
    whole = torch.from_numpy(points).double()
    assert turn_points(whole, 0) is whole
    seen = []
    for view in range(1, 8):
        turned = turn_points(whole, view)
        torch.testing.assert_close(turned[:, 2:], whole[:, 2:])
        torch.testing.assert_close(turned[:, :2].norm(dim=1), whole[:, :2].norm(dim=1))
        axes = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 0, 1]], dtype=torch.float64)
        sign = float(torch.linalg.det(turn_points(axes, view)))
        assert sign == pytest.approx(-1 if view % 2 else 1)
        seen.append(turned)
    assert not any(
        torch.allclose(one, two, atol=0.1) for one in seen for two in seen if one is not two
    )


@pytest.mark.parametrize("per_voxel", [False, True])
@pytest.mark.parametrize("largest_part", [10_000, 400])
def test_the_mean_of_all_views_goes_through_the_head(
    checkpoint, points, per_voxel, largest_part, monkeypatch
):
    monkeypatch.setattr(embedder, "MAX_POINTS_AT_ONCE", largest_part)
    reach = {"ego_radius_m": 0.0, "min_range_m": 0.0}
    segmenter = Segmenter(checkpoint, per_voxel=per_voxel, views=3, **reach)
    once = Segmenter(checkpoint, per_voxel=per_voxel, **reach)
    told = preprocess(points, segmenter.input, None).points
    student = checkpoint.student
    span = once.span
    expected = torch.zeros(len(told), 16)
    for view in range(3):
        turned = turn_points(torch.from_numpy(told), view).numpy()
        for part in embedder.interleaved(len(told)):
            for number, features, row in once._embedder._parts(np.ascontiguousarray(turned[part])):
                assert number == slice(0, None, 1)
                of_points = features if row is None else features[row]
                expected[part] += student.semantic_head(of_points)
    expected = torch.nn.functional.normalize(expected, dim=1)
    torch.testing.assert_close(segmenter.embed_input(told), expected, atol=1e-5, rtol=1e-4)
    located = segmenter.locate_input(told)
    assert located.row_of_point is None
    torch.testing.assert_close(span.expand(located.rows), expected, atol=1e-5, rtol=1e-4)
    texts = segmenter.vocabulary.embeddings
    labels = segmenter.segment(points).labels
    np.testing.assert_array_equal(labels, (expected @ texts.T).argmax(dim=1))
    assert (labels != once.segment(points).labels).any()


def test_sequences_see_as_many_views(checkpoint, points, tmp_path):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, checkpoint)
    options = OnlineOptions(views=3, ego_radius_m=0.0, min_range_m=0.0, ground_smoothing=0.0)
    labelled = load_online_segmenter(path, options=options).segment(Sweep(points, np.eye(4), 0))
    alone = Segmenter(checkpoint, per_voxel=True, views=3, ego_radius_m=0.0, min_range_m=0.0)
    np.testing.assert_array_equal(labelled.labels, alone.segment(points).labels)


def test_probabilities_of_a_fine_tuned_network_are_averaged(points, tmp_path):
    torch.manual_seed(0)
    classifier = make_classifier(make_finetune_config(), None).eval()
    with torch.no_grad():
        classifier.head.weight *= 30
    checkpoint = FinetunedCheckpoint(classifier, NAMES, make_finetune_config(), (), {})
    path = tmp_path / "tuned.safetensors"
    save_finetuned(path, checkpoint)
    reach = {"ego_radius_m": 0.0, "min_range_m": 0.0}
    found = ClassifierSegmenter(checkpoint, views=4, **reach).segment(points)
    told = torch.from_numpy(preprocess(points, checkpoint.config.input, None).points)
    batch_index = torch.zeros(len(told), dtype=torch.int64)
    with torch.no_grad():
        views = [
            torch.softmax(classifier(turn_points(told, view), batch_index), dim=1)
            for view in range(4)
        ]
    mean = torch.stack(views).mean(dim=0)
    np.testing.assert_array_equal(found.labels, mean.argmax(dim=1))
    np.testing.assert_allclose(found.scores, mean.max(dim=1).values, atol=1e-5)
    online = load_online_segmenter(path, options=OnlineOptions(views=4, **reach))
    labelled = online.segment(Sweep(points, np.eye(4), 0))
    np.testing.assert_array_equal(labelled.labels, found.labels)


def test_one_view_is_what_the_network_says():
    points = torch.ones(2, 3)
    given = torch.ones(2, 1)
    assert mean_over_views(lambda _: given, points, 1) is given


@pytest.mark.parametrize("views", [0, 65])
def test_views_out_of_range_are_refused(views, tiny_checkpoint):
    with pytest.raises(ValueError, match=rf"views must be in \[1, 64\], got {views}"):
        Segmenter(tiny_checkpoint, views=views)
    with pytest.raises(ValueError, match="views must be in"):
        OnlineOptions(views=views)


def test_cameras_have_no_views():
    with pytest.raises(ValueError, match="views are a student's, and mode 'camera' has none"):
        OnlineOptions(mode="camera", views=2)
