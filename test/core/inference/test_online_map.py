"""The map that labelled sweeps leave behind."""

import threading

import numpy as np
import pytest
from online_segmenter import HalfSeen, embed, make_segmenter, make_sweep

from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import Sweep


def test_the_map_stays_where_the_sensor_was(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5, map_carving=False)
    sweep = make_sweep()
    segmenter.segment(sweep)
    still = segmenter.map()
    segmenter.segment(make_sweep(x_m=10.0, stamp_ns=2))
    moved = segmenter.map()
    assert moved.points[:, 0].max() == pytest.approx(still.points[:, 0].max() + 10.0, abs=1e-4)
    assert moved.counts.sum() == 2 * still.counts.sum()
    segmenter.reset()
    assert len(segmenter.map().labels) == 0


def test_a_voxel_that_one_point_fell_into_has_the_points_label_and_score(tiny_checkpoint):
    points = np.zeros((30, 4), np.float32)
    points[:, 0] = np.arange(2, 32) + 0.5
    segmenter = make_segmenter(tiny_checkpoint, map_voxel_size_m=1.0)
    cloud = segmenter.segment(make_sweep(points))
    labelled_map = segmenter.map()
    order = np.argsort(labelled_map.points[:, 0])
    np.testing.assert_array_equal(labelled_map.labels[order], cloud.labels)
    np.testing.assert_allclose(labelled_map.scores[order], cloud.scores, atol=2e-3)
    assert labelled_map.vocabulary is cloud.vocabulary


def test_a_sweep_without_a_pose_is_labelled_and_stays_out_of_the_map(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    nowhere = Sweep(make_sweep().points, np.full((4, 4), np.nan), 1)
    labels = segmenter.segment(nowhere).labels
    assert (labels != IGNORE_LABEL).any()
    assert len(segmenter.map().points) == 0
    np.testing.assert_array_equal(segmenter.segment(make_sweep()).labels, labels)
    assert len(segmenter.map().points) > 0


def test_new_prompts_label_the_whole_map_at_once(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5)
    segmenter.segment(make_sweep())
    before = segmenter.map()
    segmenter.set_prompts(["tree", "wall", "car"])
    after = segmenter.map()
    np.testing.assert_array_equal(after.points, before.points)
    np.testing.assert_array_equal(after.counts, before.counts)
    assert after.vocabulary.names == ("tree", "wall", "car")
    # What looked most like a car among car, road and tree looks more like one than like a tree.
    assert (after.labels[before.labels == 0] != 0).all()
    fresh = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5)
    fresh.set_prompts(["tree", "wall", "car"])
    fresh.segment(make_sweep())
    assert (fresh.map().labels == after.labels).mean() > 0.99
    segmenter.set_prompts(["car", "road", "tree"])
    np.testing.assert_array_equal(segmenter.map().labels, before.labels)


def test_the_map_leaves_out_what_has_too_low_a_score(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5)
    segmenter.segment(make_sweep())
    scores = segmenter.map().scores
    threshold = float(np.median(scores))
    strict = make_segmenter(tiny_checkpoint, map_voxel_size_m=0.5, min_confidence=threshold)
    strict.segment(make_sweep())
    assert len(strict.map().scores) == (scores >= threshold).sum()


def test_cameras_put_what_they_see_into_the_map(tiny_checkpoint):
    sweep = make_sweep()
    options = {"mode": "fused", "min_range_m": 0.0, "map_voxel_size_m": 0.5}
    segmenter = make_segmenter(tiny_checkpoint, camera_weight=1.0, **options)
    segmenter.segment(sweep, cameras=["view"])
    labelled_map = segmenter.map()
    in_view = labelled_map.points[:, 0] > 0
    assert (labelled_map.labels[in_view] == 0).all()
    alone = make_segmenter(tiny_checkpoint, min_range_m=0.0, map_voxel_size_m=0.5)
    alone.segment(sweep)
    np.testing.assert_array_equal(labelled_map.labels[~in_view], alone.map().labels[~in_view])


def test_what_no_camera_sees_is_not_in_a_map_of_cameras(tiny_checkpoint):
    options = OnlineOptions(mode="camera", min_range_m=0.0, map_voxel_size_m=0.5)
    segmenter = OnlineSegmenter(
        options, tiny_checkpoint.vocabulary, embed, camera_segmenter=HalfSeen()
    )
    segmenter.segment(make_sweep(), cameras=["view"])
    labelled_map = segmenter.map()
    assert len(labelled_map.labels) > 100
    assert (labelled_map.points[:, 0] > 0).all()
    assert (labelled_map.labels == 0).all()


def test_the_map_is_saved_as_it_is(tiny_checkpoint, tmp_path):
    segmenter = make_segmenter(tiny_checkpoint)
    with pytest.raises(ValueError, match=r"the map is empty, .* label some sweeps first"):
        segmenter.save_map(tmp_path / "map.npz")
    segmenter.segment(make_sweep())
    saved = segmenter.save_map(tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz") as arrays:
        np.testing.assert_array_equal(arrays["labels"], segmenter.map().labels)
    assert len(saved.labels) == len(segmenter.map().labels)
    with pytest.raises(ValueError, match=r"written as \.npz or \.ply, got .*map\.pcd"):
        segmenter.save_map(tmp_path / "map.pcd")


def test_without_a_map_sweeps_are_labelled_and_a_map_is_refused(tiny_checkpoint, tmp_path):
    segmenter = make_segmenter(tiny_checkpoint, map_enabled=False)
    with_map = make_segmenter(tiny_checkpoint)
    np.testing.assert_array_equal(
        segmenter.segment(make_sweep()).labels, with_map.segment(make_sweep()).labels
    )
    segmenter.reset()
    with pytest.raises(ValueError, match="there is no map"):
        segmenter.map()
    with pytest.raises(ValueError, match="there is no map"):
        segmenter.save_map(tmp_path / "map.ply")


def test_the_map_follows_new_options(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_radius_m=60.0)
    segmenter.segment(make_sweep())
    segmenter.apply(segmenter.encoded_prompts, OnlineOptions(ego_radius_m=0.0, map_radius_m=5.0))
    segmenter.segment(make_sweep(stamp_ns=2))
    assert np.linalg.norm(segmenter.map().points, axis=1).max() <= 5.0 + 0.2


def test_new_options_do_not_wait_for_a_map_that_is_being_labelled(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_radius_m=60.0)
    segmenter.segment(make_sweep())
    has_begun, may_end = threading.Event(), threading.Event()
    logits = segmenter._map._grid.logits

    def label_slowly(embeddings, rows):
        has_begun.set()
        assert may_end.wait(20)
        return logits(embeddings, rows)

    segmenter._map._grid.logits = label_slowly
    thread = threading.Thread(target=segmenter.map)
    thread.start()
    try:
        assert has_begun.wait(20)
        segmenter.apply(
            segmenter.encoded_prompts, OnlineOptions(ego_radius_m=0.0, map_radius_m=5.0)
        )
        assert thread.is_alive()
        with pytest.raises(ValueError, match="radius_m must be positive"):
            segmenter.apply(segmenter.encoded_prompts, OnlineOptions(map_radius_m=0.0))
    finally:
        may_end.set()
        thread.join()


def test_labels_do_not_wait_for_the_map_and_the_map_has_all_sweeps(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint, map_carving=False)
    segmenter.segment(make_sweep())
    counts = segmenter.map().counts.sum()
    may_go_on, threads = threading.Event(), []
    add = segmenter._map.add

    def add_slowly(*arguments):
        threads.append(threading.current_thread())
        assert may_go_on.wait(20)
        add(*arguments)

    segmenter._map.add = add_slowly
    cloud = segmenter.segment(make_sweep(stamp_ns=2))
    assert (cloud.labels != IGNORE_LABEL).any()
    may_go_on.set()
    segmenter.segment(make_sweep(stamp_ns=3))
    assert segmenter.map().counts.sum() == 3 * counts
    assert threading.main_thread() not in threads


def test_what_the_map_cannot_take_up_is_raised_once(tiny_checkpoint):
    segmenter = make_segmenter(tiny_checkpoint)
    add = segmenter._map.add

    def fail(*arguments):
        raise MemoryError("the map is too large")

    segmenter._map.add = fail
    segmenter.segment(make_sweep())
    with pytest.raises(MemoryError, match="too large"):
        segmenter.map()
    segmenter._map.add = add
    segmenter.segment(make_sweep(stamp_ns=2))
    assert len(segmenter.map().points) > 0
