from itertools import pairwise

import numpy as np
import pytest
from street_sweep import HEIGHT_M, NUM_COLUMNS, NUM_RINGS, street_points

from clip2scene_core.corruptions.corruption import STRENGTHS, BeamLoss, CrossTalk, MotionSmear
from clip2scene_core.corruptions.rings import ring_of_points, time_in_revolution
from clip2scene_core.corruptions.sensor import cross_talk, lose_beams, smear
from clip2scene_core.datasets import NuScenesDataset, read_points

ON_VEHICLE_M = 2.5


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def compensated(points: np.ndarray, travel_m: float) -> np.ndarray:
    """The sweep as data sets store it, all points in the frame of its end."""
    stored = points.copy()
    stored[:, 1] -= travel_m * (1 - time_in_revolution(points))
    return stored


def test_time_runs_clockwise_from_the_left():
    directions = np.array([[-1, 1e-6, 0], [0, 1, 0], [1, 0, 0], [0, -1, 0], [-1, -1e-6, 0]])
    np.testing.assert_allclose(time_in_revolution(directions), [0, 0.25, 0.5, 0.75, 1], atol=1e-5)


@pytest.mark.parametrize("travel_m", [0.0, 0.45, -0.2, 1.5])
def test_rings_are_found_whatever_motion_was_compensated(travel_m):
    ring, num_rings = ring_of_points(compensated(street_points(), travel_m))
    assert num_rings == NUM_RINGS
    expected = np.repeat(np.arange(NUM_RINGS), NUM_COLUMNS)
    assert np.mean(ring == expected) > 0.99


def check_against_file(path, least_agreement: float) -> None:
    stored = read_points(path)
    ring, num_rings = ring_of_points(stored[:, :4])
    assert num_rings == NUM_RINGS
    is_off_vehicle = np.linalg.norm(stored[:, :3], axis=1) > ON_VEHICLE_M
    assert np.mean((ring == stored[:, 4])[is_off_vehicle]) > least_agreement


def test_rings_of_a_real_sweep_are_those_of_its_file(real_keyframe):
    (path,) = (real_keyframe / "samples" / "LIDAR_TOP").iterdir()
    check_against_file(path, 0.9999)


def test_rings_of_a_synthetic_sweep_are_those_of_its_file(tmp_path):
    pytest.importorskip("numba", reason="the world needs numba")
    from clip2scene_core.world.dataset.writer import WorldOptions, write_world

    options = WorldOptions(1, 0, 0.5, (16, 16), 240, is_every_frame=False)
    for path in write_world(tmp_path / "world", options).out.rglob("*.pcd.bin"):
        check_against_file(path, 0.995)  # stray points lie on no ring


def test_points_without_rings_are_refused():
    cloud = rng().normal(0, 10, (5000, 4)).astype(np.float32)
    for points in (cloud, cloud[:0]):
        with pytest.raises(ValueError, match="no rings"):
            lose_beams(points, BeamLoss(0.5), rng())


def test_whole_rings_are_lost_and_a_larger_loss_takes_more():
    points, rings = street_points(), np.repeat(np.arange(NUM_RINGS), NUM_COLUMNS)
    left_before = set(range(NUM_RINGS))
    for loss in STRENGTHS["beam_loss"]:
        kept = lose_beams(points, loss, rng())
        left = set(rings[kept.beam].tolist())
        assert len(left) == NUM_RINGS * (1 - loss.share)
        assert len(kept.points) == len(left) * NUM_COLUMNS
        assert left < left_before
        left_before = left
    np.testing.assert_array_equal(lose_beams(points, BeamLoss(0.0), rng()).points, points)


def test_smear_moves_what_was_measured_first_farthest():
    # 20 m/s for 50 ms are 1 m: all of it at the left (first), 0.75 m ahead, none at the end.
    points = np.array([[-10, 1e-4, 0, 1], [0, 10, 0, 1], [-10, -1e-4, 0, 1]], dtype=np.float32)
    smeared = smear(points, MotionSmear(20, 0), rng()).points
    expected = [[-10, 1, 0, 1], [0, 10.75, 0, 1], [-10, 0, 0, 1]]
    np.testing.assert_allclose(smeared, expected, atol=1e-3)


def test_smear_turns_by_the_yaw_rate():
    points = np.array([[0, 10, 0, 1]], dtype=np.float32)
    smeared = smear(points, MotionSmear(0, 40), rng()).points[0]
    # 40 degrees per second for 37.5 ms.
    assert np.degrees(np.arctan2(abs(smeared[0]), smeared[1])) == pytest.approx(1.5, abs=1e-4)
    assert np.hypot(*smeared[:2]) == pytest.approx(10)


def test_no_motion_and_no_talk_change_nothing():
    points = street_points()
    for echoes in (
        smear(points, MotionSmear(0, 0), rng()),
        cross_talk(points, CrossTalk(0), rng()),
    ):
        np.testing.assert_allclose(echoes.points, points, rtol=1e-6, atol=1e-6)
        assert not echoes.is_false.any()


def test_smeared_motion_grows_with_strength():
    points = street_points()
    shifts = [
        np.linalg.norm(smear(points, motion, rng()).points - points, axis=1).mean()
        for motion in STRENGTHS["motion_smear"]
    ]
    assert all(a < b for a, b in pairwise(shifts)), shifts


def test_cross_talk_displaces_its_share_along_the_rays():
    points = street_points()
    before: set[int] = set()
    for talk in STRENGTHS["cross_talk"]:
        echoes = cross_talk(points, talk, rng())
        assert echoes.is_false.mean() == pytest.approx(talk.share, rel=0.5)
        assert before < set(np.flatnonzero(echoes.is_false).tolist())
        before = set(np.flatnonzero(echoes.is_false).tolist())
        np.testing.assert_array_equal(echoes.points[~echoes.is_false], points[~echoes.is_false])
        ranges = np.linalg.norm(echoes.points[echoes.is_false, :3], axis=1)
        assert (ranges >= 0.999).all()
        assert (ranges <= 100.001).all()
    # Some false points lie below the road: a pulse knows no ground.
    assert echoes.points[:, 2].min() < -HEIGHT_M - 1


def test_points_on_the_vehicle_have_no_direction_to_be_displaced_in():
    near = np.zeros((100, 4), dtype=np.float32)
    assert not cross_talk(near, CrossTalk(1.0), rng()).is_false.any()


def test_the_real_sweep_loses_the_points_of_whole_rings(real_keyframe):
    points = NuScenesDataset(real_keyframe, with_images=False)[0].keyframe.points
    kept = lose_beams(points, BeamLoss(0.5), rng())
    _, num_rings = ring_of_points(kept.points)
    assert num_rings == NUM_RINGS / 2
