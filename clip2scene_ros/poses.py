"""Sensor poses from /tf, odometry or an extrinsics file, at any stamp that is covered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.transforms import TransformError, TransformTree
from clip2scene_ros.conversions import matrix_from_pose, matrix_from_transform, stamp_ns
from clip2scene_ros.extrinsics import StaticTransform

POSE_SOURCES: Final = ("tf", "odometry", "none")


class NoExtrinsicsError(LookupError):
    """Where a sensor sits on the robot is not known; the message names both frames."""


class SensorPoses:
    """Where each sensor is in the fixed frame: T_fixed_base at the stamp, T_base_sensor rigid.

    Treating sensor mounts as rigid needs one moving look-up instead of one per sensor, and bags
    that repeat the mounts only twice a second lose no sweep by it.

    Args:
        fixed_frame: For example "map".
        base_frame: For example "base_link".
        source: "tf", "odometry" or "none".
    """

    def __init__(self, fixed_frame: str, base_frame: str, source: str) -> None:
        self._fixed_frame = fixed_frame
        self._base_frame = base_frame
        self._source = source
        self._tree = TransformTree()
        self._static: dict[str, StaticTransform] = {}
        self._T_base_sensor: dict[str, NDArray[np.float64]] = {}

    def add_static(self, transforms: Iterable[StaticTransform]) -> None:
        """Add rigid edges; a child that is known already moves."""
        for transform in transforms:
            self._static[transform.child] = transform
            self._tree.set_static_transform(
                transform.T_parent_child, transform.parent, transform.child
            )
        self._T_base_sensor.clear()

    def add_static_transform(self, message: Any) -> None:
        """Add one geometry_msgs/TransformStamped of /tf_static.

        Raises:
            ValueError: If its quaternion is zero or not finite.
        """
        self.add_static(
            [
                StaticTransform(
                    message.header.frame_id,
                    message.child_frame_id,
                    matrix_from_transform(message.transform),
                )
            ]
        )

    def add_transform(self, message: Any) -> None:
        """Add one geometry_msgs/TransformStamped of /tf.

        Where odometry gives the pose, /tf's own pose of the base frame is not used.

        Raises:
            ValueError: If its quaternion is zero or not finite.
        """
        if self._source == "odometry" and message.child_frame_id == self._base_frame:
            return
        self._tree.set_transform(
            matrix_from_transform(message.transform),
            message.header.frame_id,
            message.child_frame_id,
            stamp_ns(message.header),
        )

    def add_odometry(self, message: Any) -> None:
        """Add one nav_msgs/Odometry; used where odometry gives the pose.

        Raises:
            ValueError: If its quaternion is zero or not finite.
        """
        if self._source == "odometry":
            self._tree.set_transform(
                matrix_from_pose(message.pose.pose),
                message.header.frame_id,
                message.child_frame_id,
                stamp_ns(message.header),
            )

    def T_fixed_base(self, at_ns: int) -> NDArray[np.float64]:
        """Look the pose up, interpolated and never extrapolated.

        Raises:
            TransformError: If the stamp is not covered, or the frames are not connected.
        """
        return self._tree.lookup(self._fixed_frame, self._base_frame, at_ns)

    def T_base_sensor(self, sensor_frame: str) -> NDArray[np.float64]:
        """Look a mount up, once.

        Raises:
            NoExtrinsicsError: If the frames are not connected.
        """
        if sensor_frame not in self._T_base_sensor:
            try:
                T_base_sensor = self._tree.latest(self._base_frame, sensor_frame)
            except TransformError as error:
                raise NoExtrinsicsError(
                    f"{error}; publish it on /tf_static or name it in an extrinsics file"
                ) from error
            self._T_base_sensor[sensor_frame] = T_base_sensor
        return self._T_base_sensor[sensor_frame]

    def clear(self) -> None:
        """Forget the moving edges, for example after a jump in time; rigid ones stay."""
        self._tree.clear()
        self.add_static(list(self._static.values()))
