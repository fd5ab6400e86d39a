"""That tf2's own buffer answers as ours does."""

from __future__ import annotations

import pytest

pytest.importorskip("tf2_py", reason="tf2 comes with ROS 2")
pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import tf2_py
from geometry_msgs.msg import TransformStamped
from rclpy.duration import Duration
from rclpy.time import Time
from transform_contract import TransformContract

from clip2scene_core.geometry.se3 import matrix_from_quaternion, quaternion_from_matrix
from clip2scene_core.geometry.transform_tree import TransformError

pytestmark = pytest.mark.ros


class Tf2Buffer:
    """tf2's own buffer behind the interface of TransformTree."""

    def __init__(self, history_s):
        self._buffer = tf2_py.BufferCore(Duration(seconds=history_s))
        self.clear = self._buffer.clear

    def set_transform(self, T_parent_child, parent, child, stamp_ns):
        self._buffer.set_transform(_stamped(T_parent_child, parent, child, stamp_ns), "test")

    def set_static_transform(self, T_parent_child, parent, child):
        self._buffer.set_transform_static(_stamped(T_parent_child, parent, child, 0), "test")

    def lookup(self, target, source, stamp_ns):
        try:
            found = self._buffer.lookup_transform_core(target, source, Time(nanoseconds=stamp_ns))
        except tf2_py.LookupException as error:
            raise TransformError(str(error), "unknown_frame") from error
        except tf2_py.ConnectivityException as error:
            raise TransformError(str(error), "not_connected") from error
        except tf2_py.ExtrapolationException as error:
            is_past = "past" in str(error)
            raise TransformError(str(error), "past" if is_past else "future") from error
        rotation, translation = found.transform.rotation, found.transform.translation
        return matrix_from_quaternion(
            (rotation.w, rotation.x, rotation.y, rotation.z),
            (translation.x, translation.y, translation.z),
        )

    def latest(self, target, source):
        return self.lookup(target, source, 0)  # tf2 takes 0 for the newest


def _stamped(T_parent_child, parent, child, stamp_ns):
    message = TransformStamped(child_frame_id=child)
    message.header.frame_id = parent
    message.header.stamp = Time(nanoseconds=stamp_ns).to_msg()
    (w, x, y, z), place = quaternion_from_matrix(T_parent_child), T_parent_child[:3, 3]
    for part, values in (("rotation", (x, y, z, w)), ("translation", place)):
        for axis, value in zip("xyzw", values, strict=False):
            setattr(getattr(message.transform, part), axis, float(value))
    return message


class TestTf2Buffer(TransformContract):
    @pytest.fixture
    def make_tree(self):
        return Tf2Buffer
