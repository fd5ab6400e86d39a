from __future__ import annotations

from threading import Thread

import numpy as np
import pytest

from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_core.geometry.transform_tree import TransformError, TransformTree

SECOND = 1_000_000_000


def moved(x, y=0.0, z=0.0, yaw_deg=0.0) -> np.ndarray:
    half = np.radians(yaw_deg) / 2
    return matrix_from_quaternion([np.cos(half), 0, 0, np.sin(half)], [x, y, z])


@pytest.fixture
def tree() -> TransformTree:
    """odom -> base moves 10 m per second and turns 90 degrees; base -> lidar, camera are fixed."""
    tree = TransformTree()
    tree.set_transform(moved(0.0), "odom", "base", 100 * SECOND)
    tree.set_transform(moved(10.0, yaw_deg=90), "odom", "base", 101 * SECOND)
    tree.set_static_transform(moved(1.0, z=2.0), "base", "lidar")
    tree.set_static_transform(moved(1.5, z=1.5, yaw_deg=180), "base", "camera")
    return tree


def test_the_ends_of_the_known_range_are_exact(tree):
    np.testing.assert_array_equal(tree.lookup("odom", "base", 100 * SECOND), moved(0.0))
    np.testing.assert_array_equal(
        tree.lookup("odom", "base", 101 * SECOND), moved(10.0, yaw_deg=90)
    )


def test_a_second_word_on_the_same_stamp_replaces_the_first(tree):
    for x in (8.0, 6.0):
        tree.set_transform(moved(x), "odom", "base", 100 * SECOND + SECOND // 2)
    np.testing.assert_array_equal(
        tree.lookup("odom", "base", 100 * SECOND + SECOND // 2), moved(6.0)
    )


def test_an_error_says_how_far_outside_the_stamp_is(tree):
    with pytest.raises(TransformError) as error:
        tree.lookup("odom", "lidar", 101 * SECOND + 250_000_000)
    assert str(error.value) == (
        "no transform odom <- lidar at 101.250 s: 'odom' <- 'base' is known from 100.000 s to "
        "101.000 s, the stamp is 0.250 s after that"
    )
    assert error.value.kind == "future"
    with pytest.raises(TransformError, match=r"the stamp is 1\.500 s before that") as error:
        tree.lookup("odom", "base", 98 * SECOND + SECOND // 2)
    assert error.value.kind == "past"


def test_an_unknown_frame_is_named_with_those_known(tree):
    with pytest.raises(
        TransformError, match=r"frame 'map' is unknown; .* base, camera, lidar, odom"
    ):
        tree.lookup("map", "lidar", 100 * SECOND)
    with pytest.raises(TransformError, match="known frames: none") as error:
        TransformTree().latest("odom", "base")
    assert error.value.kind == "unknown_frame"


def test_frames_of_two_trees_are_not_connected(tree):
    tree.set_static_transform(moved(0.0), "other_base", "other_lidar")
    with pytest.raises(
        TransformError, match="'odom' and 'other_lidar' under 'other_base'"
    ) as error:
        tree.lookup("base", "other_lidar", 100 * SECOND)
    assert error.value.kind == "not_connected"


def test_a_loop_of_frames_ends_in_an_error_not_in_a_hang():
    tree = TransformTree()
    tree.set_static_transform(moved(1.0), "a", "b")
    tree.set_static_transform(moved(1.0), "b", "a")
    tree.set_static_transform(moved(1.0), "c", "d")
    with pytest.raises(TransformError, match="not connected"):
        tree.lookup("c", "a", 0)


def test_the_history_ends_after_its_length():
    tree = TransformTree(history_s=2.0)
    for second in range(6):
        tree.set_transform(moved(float(second)), "odom", "base", second * SECOND)
    np.testing.assert_array_equal(tree.lookup("odom", "base", 3 * SECOND), moved(3.0))
    with pytest.raises(TransformError, match=r"known from 3\.000 s to 5\.000 s"):
        tree.lookup("odom", "base", 2 * SECOND)
    tree.set_transform(moved(9.0), "odom", "base", SECOND)  # too late to be taken
    with pytest.raises(TransformError):
        tree.lookup("odom", "base", 2 * SECOND)


def test_another_parent_starts_anew(tree):
    tree.set_transform(moved(7.0), "map", "base", 101 * SECOND)
    np.testing.assert_array_equal(tree.latest("map", "base"), moved(7.0))
    with pytest.raises(TransformError):
        tree.latest("odom", "base")


def test_clear_forgets_everything(tree):
    tree.clear()
    with pytest.raises(TransformError, match="unknown"):
        tree.latest("base", "lidar")


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        (np.eye(3), r"16 finite numbers"),
        (np.full((4, 4), np.nan), r"16 finite numbers"),
        (np.diag([2.0, 1.0, 1.0, 1.0]), r"must be rigid"),
        (np.diag([-1.0, 1.0, 1.0, 1.0]), r"must be rigid"),
    ],
)
def test_a_matrix_that_is_no_rigid_transform_is_refused(tree, matrix, message):
    with pytest.raises(ValueError, match=f"odom <- base {message}|odom <- base must be {message}"):
        tree.set_transform(matrix, "odom", "base", 102 * SECOND)
    with pytest.raises(ValueError, match=message):
        tree.set_static_transform(matrix, "base", "lidar")


@pytest.mark.parametrize(("parent", "child"), [("base", "base"), ("", "base"), ("odom", "")])
def test_a_transform_needs_two_frames(tree, parent, child):
    with pytest.raises(ValueError, match="two different frames"):
        tree.set_static_transform(np.eye(4), parent, child)


def test_a_history_of_no_length_is_refused():
    with pytest.raises(ValueError, match="history_s must be positive"):
        TransformTree(history_s=0.0)


def test_reading_while_another_thread_writes_gives_whole_transforms():
    tree = TransformTree(history_s=0.5)
    tree.set_transform(moved(0.0), "odom", "base", 0)

    def write() -> None:
        for millisecond in range(1, 2000):
            tree.set_transform(moved(millisecond / 1000), "odom", "base", millisecond * 1_000_000)

    writer = Thread(target=write)
    writer.start()
    positions = []
    while writer.is_alive():
        positions.append(tree.latest("odom", "base")[0, 3])
    writer.join()
    positions.append(tree.latest("odom", "base")[0, 3])
    assert positions == sorted(positions)
    assert positions[-1] == 1.999


def test_a_driving_robot_is_carried_against_the_map_but_not_against_its_sensors(tree):
    tree.set_static_transform(moved(3.0), "odom", "post")
    assert tree.is_carried("base", "odom")
    assert tree.is_carried("base", "post")
    assert tree.is_carried("lidar", "post")
    for frame, other in (
        ("base", "lidar"),
        ("lidar", "camera"),
        ("odom", "base"),
        ("post", "base"),
    ):
        assert not tree.is_carried(frame, other)
    assert tree.frames() == ("base", "camera", "lidar", "odom", "post")
    with pytest.raises(TransformError, match="'radar' is unknown"):
        tree.is_carried("base", "radar")


def test_motion_is_the_farthest_from_the_oldest_pose(tree):
    distance_m, angle_rad = tree.motion("odom", "base")
    assert (distance_m, angle_rad) == pytest.approx((10.0, np.pi / 2))
    assert tree.motion("base", "lidar") == (0.0, 0.0)
    tree.set_transform(moved(0.0), "odom", "base", 102 * SECOND)  # and back
    assert tree.motion("odom", "base")[0] == pytest.approx(10.0)
