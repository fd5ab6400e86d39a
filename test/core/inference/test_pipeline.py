"""Several sweeps at once: the labels and the map of one after the other."""

import threading

import numpy as np
import pytest

from clip2scene_core import OnlineOptions, load_online_segmenter
from clip2scene_core.inference.online import MissingCamerasError
from clip2scene_core.inference.pipeline import SweepPipeline
from clip2scene_core.sample import Sweep

NUM_SWEEPS = 6


def make_sweeps():
    rng = np.random.default_rng(0)
    sweeps = []
    for index in range(NUM_SWEEPS):
        ground = np.column_stack([rng.uniform(-20, 20, (2000, 2)), rng.normal(-1.8, 0.02, 2000)])
        wall = np.column_stack(
            [rng.uniform(-20, 20, 1000), np.full(1000, 6.0), rng.uniform(-2, 3, 1000)]
        )
        xyz = np.concatenate([ground, wall]).astype(np.float32)
        points = np.column_stack([xyz, rng.random(len(xyz), dtype=np.float32)])
        T_global_lidar = np.eye(4)
        T_global_lidar[0, 3] = 0.5 * index
        sweeps.append(Sweep(points, T_global_lidar, stamp_ns=50_000_000 * (index + 1)))
    return sweeps


@pytest.fixture
def segmenter():
    return load_online_segmenter("small", options=OnlineOptions())


def run(segmenter, sweeps, at_once):
    pipeline = SweepPipeline(segmenter, at_once)
    clouds = list(pipeline.segment_all((sweep, ()) for sweep in sweeps))
    pipeline.close()
    return clouds, segmenter.map()


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_labels_and_map_are_those_of_one_sweep_after_the_other(segmenter, at_once):
    sweeps = make_sweeps()
    expected = [segmenter.segment(sweep) for sweep in sweeps]
    expected_map = segmenter.map()
    segmenter.reset()
    clouds, labelled_map = run(segmenter, sweeps, at_once)
    assert [cloud.stamp_ns for cloud in clouds] == [sweep.stamp_ns for sweep in sweeps]
    for cloud, one in zip(clouds, expected, strict=True):
        np.testing.assert_array_equal(cloud.labels, one.labels)
        np.testing.assert_array_equal(cloud.scores, one.scores)
        assert cloud.ground.height_m == one.ground.height_m
    np.testing.assert_array_equal(labelled_map.points, expected_map.points)
    np.testing.assert_array_equal(labelled_map.labels, expected_map.labels)


def test_two_sweeps_are_labelled_at_the_same_time(segmenter, monkeypatch):
    meeting = threading.Barrier(2, timeout=30)
    answer = segmenter.answer

    def answer_together(prepared):
        meeting.wait()
        return answer(prepared)

    monkeypatch.setattr(segmenter, "answer", answer_together)
    ready = threading.Semaphore(0)
    pipeline = SweepPipeline(segmenter, 2, ready.release)
    assert not pipeline.is_ready
    for sweep in make_sweeps()[:2]:
        pipeline.put(sweep)
    assert pipeline.is_full
    with pytest.raises(ValueError, match="2 sweeps are on their way"):
        pipeline.put(make_sweeps()[2])
    for _ in range(2):
        assert ready.acquire(timeout=30)
    assert pipeline.is_ready
    assert [pipeline.take().stamp_ns for _ in range(2)] == [50_000_000, 100_000_000]
    pipeline.close()


def test_a_sweep_that_fails_loses_no_other(segmenter, monkeypatch):
    sweeps, answer = make_sweeps()[:3], segmenter.answer

    def answer_all_but_one(prepared):
        if prepared.sweep is sweeps[1]:
            raise RuntimeError("out of luck")
        return answer(prepared)

    monkeypatch.setattr(segmenter, "answer", answer_all_but_one)
    pipeline = SweepPipeline(segmenter, 3)
    for sweep in sweeps:
        pipeline.put(sweep)
    assert pipeline.take().stamp_ns == sweeps[0].stamp_ns
    with pytest.raises(RuntimeError, match="out of luck"):
        pipeline.take()
    assert pipeline.take().stamp_ns == sweeps[2].stamp_ns
    pipeline.close()


def test_a_sweep_from_before_a_reset_is_labelled_but_not_mapped(segmenter):
    before, after = make_sweeps()[:2]
    prepared = segmenter.prepare(before)
    segmenter.reset()
    cloud = segmenter.complete(segmenter.answer(prepared))
    assert cloud.stamp_ns == before.stamp_ns
    assert len(segmenter.map().points) == 0
    segmenter.segment(after)
    assert len(segmenter.map().points) > 0


def test_closing_waits_for_what_is_being_labelled_but_not_forever(segmenter, monkeypatch):
    begun, may_end = threading.Event(), threading.Event()
    answer = segmenter.answer

    def hold(prepared):
        begun.set()
        may_end.wait(30)
        return answer(prepared)

    monkeypatch.setattr(segmenter, "answer", hold)
    sweeps, pipeline = make_sweeps(), SweepPipeline(segmenter, 2)
    pipeline.put(sweeps[0])
    assert begun.wait(30)
    pipeline.close(timeout_s=0.05)
    assert not pipeline.is_ready
    may_end.set()
    with pytest.raises(RuntimeError, match="after shutdown"):
        pipeline.put(sweeps[1])


def test_what_cannot_be_labelled_is_refused_at_once(segmenter):
    with pytest.raises(ValueError, match="at_once must be 1 or more, got 0"):
        SweepPipeline(segmenter, 0)
    camera = load_online_segmenter(prompts=["car"], options=OnlineOptions(mode="camera"))
    pipeline = SweepPipeline(camera, 1)
    with pytest.raises(MissingCamerasError):
        pipeline.put(make_sweeps()[0])
    assert not pipeline.is_full
    pipeline.close()
