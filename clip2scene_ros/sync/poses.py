"""Sensor poses from /tf, odometry or an extrinsics file, at any stamp that is covered."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.deskew import SweepMotion
from clip2scene_core.geometry.se3 import displacement, invert
from clip2scene_core.geometry.transform_tree import TransformError, TransformTree
from clip2scene_ros.messages.decode import (
    NANOSECONDS,
    bare_frame,
    matrix_from_pose,
    matrix_from_transform,
    stamp_ns,
)
from clip2scene_ros.sync.extrinsics import StaticTransform

POSE_SOURCES: Final = ("tf", "odometry", "none")

_RECHECK_NS: Final = 5 * NANOSECONDS
_MOTION_STEP_S: Final = 0.01
_RIGID_WITHIN_M: Final = 1e-3
_RIGID_WITHIN_DEG: Final = 0.01
_ROBOT_SIZE_M: Final = 30.0
"""No sensor is farther from its robot."""
_STILL_WITHIN_M: Final = 0.1
_STILL_WITHIN_DEG: Final = 2.0
"""A frame that moves by more against the robot does not ride on it."""

_LOGGER = logging.getLogger(__name__)


class NoExtrinsicsError(LookupError):
    """The extrinsics of a sensor are not known; the message names both frames."""


class SensorPoses:
    """Poses of the sensors in the fixed frame: T_fixed_base at the stamp, times T_base_sensor.

    Rigid extrinsics need one look-up at the stamp instead of one per sensor, and bags that repeat
    them only twice a second lose no sweep. Extrinsics are looked up once and checked every five
    seconds. If they have changed, `take_moves` says so and the new ones count.

    Args:
        fixed_frame: Frame of the map, for example "map".
        base_frame: Frame of the robot, for example "base_link".
        source: Where T_fixed_base comes from: "tf", "odometry" or "none".
        rigid_extrinsics: False looks extrinsics up at the stamps, for sensors that move on the
            robot.
    """

    def __init__(
        self, fixed_frame: str, base_frame: str, source: str, rigid_extrinsics: bool = True
    ) -> None:
        self._fixed_frame = bare_frame(fixed_frame)
        self._base_frame = bare_frame(base_frame)
        self._source = source
        self._is_rigid = rigid_extrinsics
        self._tree = TransformTree()
        self._static: dict[str, StaticTransform] = {}
        self._extrinsics: dict[str, _RigidExtrinsics] = {}
        self._world_fixed: set[str] = set()
        self._moves: list[str] = []
        self._odometry_frames: tuple[str, str] | None = None

    def add_static(self, transforms: Iterable[StaticTransform]) -> None:
        """Add rigid edges; for a child that is known already, the new edge replaces the old one."""
        for transform in transforms:
            parent, child = bare_frame(transform.parent), bare_frame(transform.child)
            self._static[child] = transform
            self._tree.set_static_transform(transform.T_parent_child, parent, child)
        self._recheck_extrinsics()

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

        Where odometry gives the pose, /tf's own pose of the same frame is not used.

        Raises:
            ValueError: If its quaternion is zero or not finite.
        """
        if self._source == "odometry":
            _, moved_by_odometry = self._odometry_frames or ("", self._base_frame)
            if bare_frame(message.child_frame_id) == moved_by_odometry:
                return
        self._tree.set_transform(
            matrix_from_transform(message.transform),
            bare_frame(message.header.frame_id),
            bare_frame(message.child_frame_id),
            stamp_ns(message.header),
        )

    def add_odometry(self, message: Any) -> None:
        """Add one nav_msgs/Odometry; used where odometry gives the pose.

        A frame that it does not name is the fixed frame, or the robot's.

        Raises:
            ValueError: If its quaternion is zero or not finite, or both frames are the same.
        """
        if self._source == "odometry":
            given = bare_frame(message.header.frame_id), bare_frame(message.child_frame_id)
            parent, child = given[0] or self._fixed_frame, given[1] or self._base_frame
            if "" in given and self._odometry_frames is None:
                _LOGGER.warning(
                    "the odometry does not name both of its frames: it is taken as %s <- %s "
                    "(fixed_frame, base_frame)",
                    parent,
                    child,
                )
            self._tree.set_transform(
                matrix_from_pose(message.pose.pose), parent, child, stamp_ns(message.header)
            )
            self._odometry_frames = (parent, child)

    def T_fixed_base(self, at_ns: int) -> NDArray[np.float64]:
        """Look up the robot's pose, interpolated and never extrapolated.

        Args:
            at_ns: Stamp in nanoseconds.

        Returns:
            (4, 4) float64.

        Raises:
            TransformError: If the stamp is not covered, or the frames are not connected.
        """
        try:
            return self._tree.lookup(self._fixed_frame, self._base_frame, at_ns)
        except TransformError as error:
            if error.kind in ("past", "future"):
                raise
            if self._odometry_frames is None:
                raise TransformError(
                    f"{error}; name fixed_frame and base_frame as the transforms do, or set "
                    f"pose_source to none if there are no poses",
                    error.kind,
                ) from error
            parent, child = self._odometry_frames
            raise TransformError(
                f"{error}; odometry is {parent} <- {child}, and fixed_frame is "
                f"{self._fixed_frame}, base_frame {self._base_frame}: name the odometry's frames, "
                f"or publish what is between",
                error.kind,
            ) from error

    def T_fixed_sensor(
        self, sensor_frame: str, lidar_frame: str, at_ns: int, now_ns: int
    ) -> NDArray[np.float64]:
        """Look up the pose of a sensor; without a pose source the LiDAR frame is the fixed frame.

        Args:
            sensor_frame: For example "cam_front".
            lidar_frame: For example "lidar_top".
            at_ns: Stamp of the sensor's message, in nanoseconds.
            now_ns: Time now, in nanoseconds.

        Returns:
            (4, 4) float64.

        Raises:
            NoExtrinsicsError: As `T_base_sensor`.
            TransformError: As `T_fixed_base` and `T_base_sensor`.
        """
        sensor_frame, lidar_frame = bare_frame(sensor_frame), bare_frame(lidar_frame)
        if self._source != "none":
            return self.T_fixed_base(at_ns) @ self.T_base_sensor(sensor_frame, at_ns, now_ns)
        if sensor_frame == lidar_frame:
            return np.eye(4)
        T_lidar_base = invert(self.T_base_sensor(lidar_frame, at_ns, now_ns))
        return T_lidar_base @ self.T_base_sensor(sensor_frame, at_ns, now_ns)

    def sweep_motion(
        self, lidar_frame: str, at_ns: int, span_s: tuple[float, float], now_ns: int
    ) -> SweepMotion:
        """Look up how the LiDAR moved during a sweep, every 10 ms.

        Args:
            lidar_frame: For example "lidar_top".
            at_ns: Stamp of the sweep, in nanoseconds.
            span_s: First and last time of the sweep, in seconds from the stamp.
            now_ns: Time now, in nanoseconds.

        Raises:
            NoExtrinsicsError: As `T_base_sensor`.
            TransformError: As `T_fixed_sensor`, for every time.
        """
        first_s, last_s = span_s
        num_steps = 1 + math.ceil((last_s - first_s) / _MOTION_STEP_S)
        offsets_s = np.linspace(first_s, last_s, num_steps)
        T_fixed_lidar = [
            self.T_fixed_sensor(lidar_frame, lidar_frame, at_ns + round(offset * 1e9), now_ns)
            for offset in offsets_s.tolist()
        ]
        T_stamp_fixed = invert(self.T_fixed_sensor(lidar_frame, lidar_frame, at_ns, now_ns))
        return SweepMotion(offsets_s, T_stamp_fixed @ np.array(T_fixed_lidar))

    def T_base_sensor(self, sensor_frame: str, at_ns: int, now_ns: int) -> NDArray[np.float64]:
        """Look up the extrinsics of a sensor: rigid ones once, others at the stamp.

        Args:
            sensor_frame: For example "lidar_top".
            at_ns: Stamp in nanoseconds; rigid extrinsics are the same at all stamps.
            now_ns: Time now, in nanoseconds; rigid extrinsics are looked up again every 5 s.

        Returns:
            (4, 4) float64.

        Raises:
            NoExtrinsicsError: If the frames are not connected, or the sensor's has no name.
            TransformError: If the extrinsics are not rigid and the stamp is not covered.
        """
        sensor_frame = bare_frame(sensor_frame)
        if not sensor_frame:
            raise NoExtrinsicsError("the header names no frame; name it in frame_overrides")
        if not self._is_rigid:
            try:
                return self._tree.lookup(self._base_frame, sensor_frame, at_ns)
            except TransformError as error:
                if error.kind in ("past", "future"):
                    raise
                raise _no_extrinsics(error) from error
        extrinsics = self._extrinsics.get(sensor_frame)
        if extrinsics is None or extrinsics.is_due(now_ns):
            extrinsics = self._extrinsics[sensor_frame] = self._look_again(
                sensor_frame, extrinsics, now_ns
            )
        return extrinsics.T_base_sensor

    def T_base_frame(self, frame: str, at_ns: int) -> NDArray[np.float64]:
        """Look up a frame that need not ride on the robot, at a stamp; errors as `T_fixed_base`."""
        return self._tree.lookup(self._base_frame, frame, at_ns)

    def frames(self) -> tuple[str, ...]:
        """List the frames of all transforms by name."""
        return self._tree.frames()

    def is_known(self, frame: str) -> bool:
        """Whether transforms lead, or once led, from a frame to the robot's."""
        if frame in self._world_fixed:
            return True  # until its transforms come again after a jump in time
        try:
            self._tree.is_carried(self._base_frame, frame)
        except TransformError:
            return False
        return True

    def rides_on_robot(self, frame: str, is_named_world: bool) -> bool:
        """Whether a frame moves with the robot, as far as is known.

        Where the robot is carried by a transform between both, the frame may still be a sensor's
        whose extrinsics are published on /tf: it is not, if it is the fixed frame, has the name of
        one, is far away or is seen to move. What was seen to move never rides again.

        Args:
            frame: For example "lidar_top" or "odom".
            is_named_world: The name is that of a frame of the world.
        """
        if frame in self._world_fixed:
            return False
        try:
            if not self._tree.is_carried(self._base_frame, frame):
                return True
            if not is_named_world and frame != self._fixed_frame:
                T_base_frame = self._tree.latest(self._base_frame, frame)
                moved_m, turned_rad = self._tree.motion(self._base_frame, frame)
                if (
                    np.linalg.norm(T_base_frame[:3, 3]) <= _ROBOT_SIZE_M
                    and moved_m <= _STILL_WITHIN_M
                    and math.degrees(turned_rad) <= _STILL_WITHIN_DEG
                ):
                    return True
        except TransformError:
            return True
        self._world_fixed.add(frame)
        return False

    def take_moves(self) -> list[str]:
        """Hand over a line for each sensor whose rigid extrinsics changed since the last call."""
        moves, self._moves = self._moves, []
        return moves

    def clear(self) -> None:
        """Forget the moving edges, for example after a jump in time; rigid edges stay."""
        self._tree.clear()
        self._odometry_frames = None
        self.add_static(list(self._static.values()))

    def _recheck_extrinsics(self) -> None:
        for frame, extrinsics in self._extrinsics.items():
            self._extrinsics[frame] = _RigidExtrinsics(extrinsics.T_base_sensor, None)

    def _look_again(
        self, sensor_frame: str, known: _RigidExtrinsics | None, now_ns: int
    ) -> _RigidExtrinsics:
        try:
            T_base_sensor = self._tree.latest(self._base_frame, sensor_frame)
        except TransformError as error:
            if known is None:
                raise _no_extrinsics(error) from error
            # Rigid extrinsics stay known after a jump in time.
            return _RigidExtrinsics(known.T_base_sensor, None)
        if known is not None:
            distance_m, angle_rad = displacement(known.T_base_sensor, T_base_sensor)
            angle_deg = math.degrees(angle_rad)
            if distance_m <= _RIGID_WITHIN_M and angle_deg <= _RIGID_WITHIN_DEG:
                return _RigidExtrinsics(known.T_base_sensor, now_ns)
            self._moves.append(
                f"{self._base_frame} <- {sensor_frame} moved by {1000 * distance_m:.1f} mm and "
                f"{angle_deg:.3f} degrees, but was taken for rigid; set rigid_extrinsics to false "
                f"if the sensor moves on the robot"
            )
        return _RigidExtrinsics(T_base_sensor, now_ns)


@dataclass(frozen=True)
class _RigidExtrinsics:
    T_base_sensor: NDArray[np.float64]
    checked_ns: int | None

    def is_due(self, now_ns: int) -> bool:
        return self.checked_ns is None or abs(now_ns - self.checked_ns) >= _RECHECK_NS


def _no_extrinsics(error: TransformError) -> NoExtrinsicsError:
    return NoExtrinsicsError(f"{error}; publish it on /tf_static or name it in an extrinsics file")
