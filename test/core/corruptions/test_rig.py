import numpy as np
import pytest

from clip2scene_core.corruptions.corruption import (
    STRENGTHS,
    CameraLoss,
    Miscalibration,
    TimeOffset,
)
from clip2scene_core.corruptions.rig import Motion, delay, lost_cameras, misplace
from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion

SECOND_NS = 1_000_000_000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def along_x(metres: float) -> np.ndarray:
    return matrix_from_quaternion([1, 0, 0, 0], [metres, 0, 0])


@pytest.mark.parametrize("error", STRENGTHS["calibration"], ids=str)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_calibration_error_has_the_stated_angle_and_length(error, seed):
    T_ego_camera = matrix_from_quaternion([0.5, -0.5, 0.5, -0.5], [1.5, 0.2, 1.6])
    wrong = misplace(T_ego_camera, error, rng(seed))
    difference = invert(T_ego_camera) @ wrong
    angle = np.degrees(np.arccos((np.trace(difference[:3, :3]) - 1) / 2))
    assert angle == pytest.approx(error.angle_deg, rel=1e-6)
    assert np.linalg.norm(difference[:3, 3]) == pytest.approx(error.distance_m)


def test_no_calibration_error_leaves_the_camera():
    T_ego_camera = matrix_from_quaternion([0.5, -0.5, 0.5, -0.5], [1.5, 0.2, 1.6])
    np.testing.assert_allclose(misplace(T_ego_camera, Miscalibration(0, 0), rng()), T_ego_camera)


def test_motion_goes_on_before_and_after_what_is_known():
    motion = Motion([SECOND_NS, 0, 2 * SECOND_NS], [along_x(10), along_x(0), along_x(30)])
    for stamp_ns, metres in ((-SECOND_NS, -10), (0, 0), (SECOND_NS // 2, 5), (SECOND_NS, 10),
                             (2 * SECOND_NS, 30), (3 * SECOND_NS, 50)):  # fmt: skip
        np.testing.assert_allclose(motion.at(stamp_ns), along_x(metres), atol=1e-9)


def test_turning_goes_on():
    quarter = matrix_from_quaternion([np.cos(np.pi / 8), 0, 0, np.sin(np.pi / 8)], [0, 0, 0])
    motion = Motion([0, SECOND_NS], [np.eye(4), quarter])
    np.testing.assert_allclose(motion.at(2 * SECOND_NS), quarter @ quarter, atol=1e-9)


def test_one_stamp_shows_no_motion():
    with pytest.raises(ValueError, match="two stamps or more"):
        Motion([5, 5], [np.eye(4), along_x(1)])


@pytest.mark.parametrize("offset", STRENGTHS["time_offset"], ids=str)
def test_a_late_stamp_puts_the_camera_where_the_vehicle_is_later(offset):
    motion = Motion([0, SECOND_NS], [along_x(0), along_x(10)])
    T_vehicle_camera = matrix_from_quaternion([0.5, -0.5, 0.5, -0.5], [1.5, 0.2, 1.6])
    stamp_ns = SECOND_NS // 2
    pose, false_ns = delay(motion.at(stamp_ns) @ T_vehicle_camera, stamp_ns, offset, motion)
    assert (false_ns - stamp_ns) / 1e6 == offset.offset_ms
    np.testing.assert_allclose(pose, motion.at(false_ns) @ T_vehicle_camera, atol=1e-9)
    assert pose[0, 3] == pytest.approx(5 + 1.5 + offset.offset_ms / 100)


def test_no_offset_leaves_the_camera():
    motion = Motion([0, SECOND_NS], [along_x(0), along_x(10)])
    pose, stamp_ns = delay(along_x(3), 7, TimeOffset(0), motion)
    np.testing.assert_allclose(pose, along_x(3), atol=1e-9)
    assert stamp_ns == 7


def test_more_cameras_are_lost_and_never_others():
    names = [f"cam_{i}" for i in range(6)]
    lost_before: set[str] = set()
    for loss in STRENGTHS["camera_loss"]:
        lost = lost_cameras(names, loss, rng())
        assert len(lost) == loss.num_cameras
        assert lost_before < lost <= set(names)
        lost_before = lost
    assert lost_cameras(names[:2], CameraLoss(5), rng()) == set(names[:2])
    assert lost_cameras(names[::-1], CameraLoss(2), rng()) == lost_cameras(
        names, CameraLoss(2), rng()
    )
