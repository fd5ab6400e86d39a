"""Sweeps in, labelled sweeps out."""

import threading
import time

import numpy as np
import pytest
import torch
from online_segmenter import HalfSeen, embed, make_segmenter, make_sweep

from clip2scene_core.inference.fusion import fuse
from clip2scene_core.inference.online import MissingCamerasError, OnlineSegmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.prompt_set import PromptSet


def test_output_keeps_order_count_stamp_and_pose(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    sweep = make_sweep(x_m=3.0, stamp_ns=77)
    cloud = segmenter.segment(sweep)
    assert cloud.points is sweep.points
    assert cloud.labels.shape == cloud.scores.shape == (400,)
    assert (cloud.stamp_ns, cloud.T_fixed_lidar[0, 3]) == (77, 3.0)


def test_near_far_and_broken_points_stay_in_place_unlabelled(tiny_checkpoint):
    sweep = make_sweep()
    sweep.points[0, :3] = [0.5, 0.5, 0]
    sweep.points[1, :3] = [99, 0, 0]
    sweep.points[2, 2] = np.nan
    cloud = make_segmenter(tiny_checkpoint, min_range_m=1.0, max_range_m=50.0).segment(sweep)
    assert (cloud.labels[:3] == IGNORE_LABEL).all()
    assert (cloud.scores[:3] == 0).all()
    range_m = np.linalg.norm(sweep.points[3:, :3], axis=1)
    assert ((cloud.labels[3:] == IGNORE_LABEL) == (range_m < 1.0)).all()


def test_points_above_and_below_the_vehicle_stay_unlabelled(tiny_checkpoint):
    points = np.array([[1, 1, -4, 0], [1, 1, 4, 0], [2, 0, 0, 0], [0, -3, -4, 0]], np.float32)
    cloud = make_segmenter(tiny_checkpoint, ego_radius_m=1.5).segment(make_sweep(points))
    assert (cloud.labels == IGNORE_LABEL).tolist() == [True, True, False, False]


def test_an_empty_sweep_is_answered(tiny_checkpoint):
    cloud = make_segmenter(tiny_checkpoint).segment(make_sweep(np.zeros((0, 4), np.float32)))
    assert cloud.labels.shape == (0,)


def test_refused_prompts_leave_the_old_ones(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    before = segmenter.vocabulary
    with pytest.raises(ValueError, match="'zebra' holds an unknown word"):
        segmenter.set_prompts(["car", "zebra"])
    with pytest.raises(ValueError, match="names must differ"):
        segmenter.set_prompts(["car", "road"], ["thing", "thing"])
    assert segmenter.vocabulary is before


def test_camera_mode_labels_only_what_cameras_see(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, mode="camera", min_range_m=0.0)
    sweep = make_sweep()
    with pytest.raises(MissingCamerasError):
        segmenter.segment(sweep)
    segmenter = OnlineSegmenter(
        OnlineOptions(mode="camera", min_range_m=0.0, ego_radius_m=0.0),
        tiny_checkpoint.vocabulary,
        embed,
        camera_segmenter=HalfSeen(),
    )
    cloud = segmenter.segment(sweep, cameras=["view"])
    seen = sweep.points[:, 0] > 0
    assert (cloud.labels[seen] == 0).all()
    assert (cloud.labels[~seen] == IGNORE_LABEL).all()


def test_fused_mode_weighs_both_where_a_camera_sees(tiny_checkpoint):
    lidar = make_segmenter(tiny_checkpoint, min_range_m=0.0)
    fused = make_segmenter(tiny_checkpoint, mode="fused", min_range_m=0.0)
    sweep = make_sweep()
    alone, both = lidar.segment(sweep), fused.segment(sweep, cameras=["view"])
    seen = sweep.points[:, 0] > 0
    np.testing.assert_array_equal(alone.labels[~seen], both.labels[~seen])
    probabilities = Segmenter(tiny_checkpoint).probabilities(
        sweep.points, tiny_checkpoint.vocabulary
    )
    # Weighted geometric mean, by hand: the camera is sure of prompt 0, the others have 1e-6.
    camera = torch.tensor([1.0, 1e-6, 1e-6])
    expected = probabilities**0.8 * camera**0.2
    expected = expected / expected.sum(dim=1, keepdim=True)
    np.testing.assert_array_equal(both.labels[seen], expected.argmax(dim=1).numpy()[seen])
    np.testing.assert_allclose(
        both.scores[seen], expected.max(dim=1).values.numpy()[seen], rtol=1e-4
    )
    cameras = make_segmenter(tiny_checkpoint, mode="fused", min_range_m=0.0, camera_weight=1.0)
    assert (cameras.segment(sweep, cameras=["view"]).labels[seen] == 0).all()
    without_cameras = fused.segment(sweep)
    np.testing.assert_array_equal(without_cameras.labels, alone.labels)


def test_a_sweep_is_labelled_with_one_vocabulary_while_words_change(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    stop = threading.Event()

    def change_words() -> None:
        while not stop.is_set():
            segmenter.set_prompts(["car"])
            segmenter.set_prompts(["car", "road", "tree"])
            time.sleep(0.001)  # or the other thread hardly ever gets the interpreter

    changer = threading.Thread(target=change_words)
    changer.start()
    try:
        for _ in range(20):
            cloud = segmenter.segment(make_sweep())
            labelled = cloud.labels[cloud.labels != IGNORE_LABEL]
            assert labelled.max() < len(cloud.vocabulary)
            segmenter.map()
    finally:
        stop.set()
        changer.join()


def test_options_that_make_no_sense_are_refused(tiny_checkpoint):
    with pytest.raises(ValueError, match="mode must be one of lidar, camera, fused"):
        OnlineOptions(mode="radar")
    with pytest.raises(ValueError, match="0 <= min < max"):
        OnlineOptions(min_range_m=5, max_range_m=1)
    with pytest.raises(ValueError, match="needs a teacher"):
        OnlineSegmenter(
            OnlineOptions(mode="fused"),
            tiny_checkpoint.vocabulary,
            embed,
            Segmenter(tiny_checkpoint),
        )


def test_fusing_is_the_weighted_geometric_mean_where_cameras_see():
    student, camera = torch.tensor([[0.8, 0.2], [0.8, 0.2]]), torch.tensor([[0.2, 0.8], [0.0, 0.0]])
    fused = fuse(student, camera, np.array([True, False]), camera_weight=0.5)
    # (0.8 * 0.2) ** 0.5 on both sides of the first row; nothing to add to the second.
    torch.testing.assert_close(fused, torch.tensor([[0.5, 0.5], [0.8, 0.2]]))


def test_a_query_changes_no_label_and_scores_every_labelled_point(tiny_checkpoint):
    sweep = make_sweep()
    sweep.points[0, 0] = np.nan
    segmenter = make_segmenter(tiny_checkpoint, mode="fused", min_range_m=0.0)
    plain = segmenter.segment(sweep, cameras=["view"])
    assert (plain.query, plain.similarities) == (None, None)
    segmenter.set_query(" wall ")
    asked = segmenter.segment(sweep, cameras=["view"])
    np.testing.assert_array_equal(asked.labels, plain.labels)
    np.testing.assert_array_equal(asked.scores, plain.scores)
    assert asked.query == "wall"
    assert asked.similarities.shape == (400,)
    assert asked.similarities[0] == 0
    assert (asked.similarities[1:] > 0).all()
    segmenter.set_query("")
    assert segmenter.segment(sweep).similarities is None


def test_a_refused_query_leaves_the_old_one(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    segmenter.set_query("wall")
    with pytest.raises(ValueError, match="zebra"):
        segmenter.set_query("zebra")
    assert segmenter.segment(make_sweep()).query == "wall"


def test_a_query_that_is_a_prompt_is_as_similar_as_its_own_probability(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, min_range_m=0.0)
    segmenter.set_prompts(["car", "road", "tree"])
    segmenter.set_query("road")
    cloud = segmenter.segment(make_sweep())
    probabilities = Segmenter(tiny_checkpoint).compare(
        Segmenter(tiny_checkpoint).embed(cloud.points), segmenter.vocabulary.embeddings
    )
    np.testing.assert_allclose(cloud.similarities, probabilities[:, 1].numpy(), rtol=1e-5)


def test_entropy_is_that_of_the_probabilities_and_largest_where_nothing_is_known(tiny_checkpoint):
    sweep = make_sweep()
    sweep.points[0, 0] = np.nan
    segmenter = make_segmenter(tiny_checkpoint, min_range_m=0.0, with_entropies=True)
    cloud = segmenter.segment(sweep)
    p = Segmenter(tiny_checkpoint).probabilities(sweep.points[1:], tiny_checkpoint.vocabulary)
    np.testing.assert_allclose(
        cloud.entropies[1:], -(p * p.log()).sum(dim=1).numpy(), rtol=1e-4, atol=1e-6
    )
    assert cloud.entropies[0] == pytest.approx(np.log(len(tiny_checkpoint.vocabulary)))
    assert make_segmenter(tiny_checkpoint).segment(sweep).entropies is None


def test_a_group_is_labelled_where_its_texts_together_are_most_probable(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, min_range_m=0.0)
    sweep = make_sweep()
    segmenter.apply(
        segmenter.encode(PromptSet(("car", "road", "tree"), groups=("thing: car | tree",)))
    )
    cloud = segmenter.segment(sweep)
    p = Segmenter(tiny_checkpoint).probabilities(sweep.points, tiny_checkpoint.vocabulary)
    merged = torch.stack([p[:, 0] + p[:, 2], p[:, 1]], dim=1)
    np.testing.assert_array_equal(cloud.labels, merged.argmax(dim=1).numpy())
    np.testing.assert_allclose(cloud.scores, merged.max(dim=1).values.numpy(), rtol=1e-5)
    assert cloud.vocabulary.names == ("thing", "road")


def test_reading_changes_nothing_and_using_changes_words_and_options_at_once(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    before = segmenter.vocabulary
    encoded = segmenter.encode(PromptSet(("tree", "wall")))
    assert segmenter.vocabulary is before
    segmenter.apply(encoded, OnlineOptions(min_confidence=1.0))
    cloud = segmenter.segment(make_sweep())
    assert cloud.vocabulary.names == ("tree", "wall")
    assert (cloud.labels == IGNORE_LABEL).all()


@pytest.mark.parametrize("mode", ["lidar", "fused", "camera"])
def test_left_out_words_lower_scores_and_change_no_label(tiny_checkpoint, mode):
    views = [None] if mode != "lidar" else []

    def segment(**options):
        segmenter = make_segmenter(tiny_checkpoint, mode=mode, **options)
        segmenter.set_prompts(["car", "road"])
        return segmenter.segment(make_sweep(), views)

    alone, against_tree = segment(background=False), segment()
    np.testing.assert_array_equal(against_tree.labels, alone.labels)
    if mode == "camera":  # there is no student whose words could be left out
        np.testing.assert_array_equal(against_tree.scores, alone.scores)
        return
    by_student = make_sweep().points[:, 0] <= 0
    labelled = by_student & (alone.labels != IGNORE_LABEL)
    assert (against_tree.scores[labelled] < alone.scores[labelled]).all()
    threshold = float(np.median(against_tree.scores[labelled]))
    strict = segment(min_confidence=threshold)
    kept = against_tree.scores >= threshold
    np.testing.assert_array_equal(strict.labels, np.where(kept, alone.labels, IGNORE_LABEL))


def test_the_background_follows_new_prompts_and_options(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    everything = segmenter.segment(make_sweep()).scores
    segmenter.set_prompts(["car", "road"])
    against_tree = segmenter.segment(make_sweep()).scores
    segmenter.apply(segmenter.encoded_prompts, OnlineOptions(ego_radius_m=0.0, background=False))
    alone = segmenter.segment(make_sweep()).scores
    assert (against_tree <= alone).all()
    assert (against_tree < alone).any()
    segmenter.set_prompts(["car", "road", "tree"])
    np.testing.assert_array_equal(segmenter.segment(make_sweep()).scores, everything)


def test_the_map_drops_voxels_of_left_out_objects(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5)
    segmenter.set_prompts(["car", "road"])
    segmenter.segment(make_sweep())
    against_tree = segmenter.map()
    options = OnlineOptions(ego_radius_m=0.0, background=False)
    segmenter.apply(segmenter.encoded_prompts, options)
    np.testing.assert_array_equal(segmenter.map().labels, against_tree.labels)
    assert (against_tree.scores < segmenter.map().scores).all()
