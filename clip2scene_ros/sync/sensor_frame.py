"""The frame that a cloud is labelled in: its sensor's, whatever frame the message is in.

A network knows how far things are from the sensor, and how high above its ground. Concatenated
clouds come in the robot's frame, registered ones in a map's, and both are brought back. What stands
in no transform is judged by its name (REP 105, REP 103, and what drivers call their frames), and
whatever was judged is said.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.geometry.transform_tree import TransformError
from clip2scene_ros.sync.extrinsics import StaticTransform
from clip2scene_ros.sync.poses import NoExtrinsicsError, SensorPoses

_SENSOR: Final = re.compile(
    r"lidar|laser|velo|ouster|(^|_)os\d?_|livox|hesai|pandar|robosense|scan|sick|hokuyo|vlp|hdl|"
    r"mid_?360|avia|aeva|innoviz|luminar|seyond|blickfeld|cepton|sensor|camera|depth|rgb|zed|"
    r"realsense|optical|stereo|radar"
)
_LIDAR: Final = re.compile(
    r"lidar|laser|velo|ouster|(^|_)os\d?_|livox|hesai|pandar|robosense|vlp|hdl|mid_?360|avia|aeva|"
    r"innoviz|luminar|seyond|blickfeld|cepton"
)
_NO_LIDAR: Final = re.compile(r"imu|gps|gnss|camera|depth|rgb|optical|stereo|radar")
_ROBOT: Final = re.compile(
    r"base(_\w+)?|(ego_?)?vehicle(_\w+)?|ego|chassis(_\w+)?|rear_axle(_\w+)?|trunk|torso|robot"
)
_WORLD: Final = re.compile(
    r"(map|odom|odometry|world|earth|global|utm|enu)(_\w+)?|\w+_(map|odom|world|init)|local"
)
_TOGETHER_M: Final = 0.3
"""LiDAR frames that are nearer to each other belong to one LiDAR."""

_MADE: Final = "clip2scene_sensor"
_OPTICAL_AXES: Final = np.array(
    [[0, 0, 1, 0], [-1, 0, 0, 0], [0, -1, 0, 0], [0, 0, 0, 1]], dtype=np.float64
)
"""REP 103: z of an optical frame is forward, x right, y down."""


@dataclass(frozen=True)
class CloudPlacement:
    """Where a cloud is labelled.

    Attributes:
        sensor_frame: Frame of the sensor that the points are labelled for.
        T_base_sensor: (4, 4) float64 at the cloud's stamp; None if the extrinsics are not known. By
            the name of an optical frame its rotation is known at least.
        T_sensor_cloud: (4, 4) float64 from the frame of the message; None if it is the sensor's.
        is_world_fixed: The frame of the message does not move with the robot.
        note: What was judged, for people; "" if nothing was.
    """

    sensor_frame: str
    T_base_sensor: NDArray[np.float64] | None = None
    T_sensor_cloud: NDArray[np.float64] | None = None
    is_world_fixed: bool = False
    note: str = ""

    def to_sensor(self, points: NDArray[np.float32]) -> NDArray[np.float32]:
        """Bring points (N, 4) of the message to the sensor's frame: the same array if it is it."""
        if self.T_sensor_cloud is None:
            return points
        moved = points.copy()
        # In a map, coordinates may be so large that float32 holds no product of them.
        rotation, translation = self.T_sensor_cloud[:3, :3], self.T_sensor_cloud[:3, 3]
        with np.errstate(over="ignore", invalid="ignore"):
            moved[:, :3] = points[:, :3].astype(np.float64) @ rotation.T + translation
        return moved


class SensorFrames:
    """Finds the frame that each cloud is labelled in.

    A cloud stays in its own frame if that rides on the robot and is no name of the robot itself.
    Otherwise it is seen from the frame of the robot's LiDAR, if one can be recognized by its name;
    with several LiDARs from between them; with none from a sensor's usual height above the base.

    Args:
        poses: Knows all transforms.
        sensor_frame: Frame to label all clouds in; "" to find it.
        fixed_frame: Frame of the map.
        base_frame: Frame of the robot.
    """

    def __init__(
        self, poses: SensorPoses, sensor_frame: str, fixed_frame: str, base_frame: str
    ) -> None:
        self._poses = poses
        self._wanted = sensor_frame
        self._fixed_frame, self._base_frame = fixed_frame, base_frame
        self._guess: _Guess | None = None
        self._guessed_of: tuple[str, ...] = ()
        self._num_made = 0
        self._judged: set[str] = set()

    def place(
        self, cloud_frame: str, at_ns: int, now_ns: int, may_wait: bool = False
    ) -> CloudPlacement:
        """Find where a cloud is labelled.

        Args:
            cloud_frame: Frame of the message; "" if it has none.
            at_ns: Stamp of the cloud, in nanoseconds.
            now_ns: Time now, in nanoseconds.
            may_wait: Do not do without transforms that may still come. Who has waited once for
                those of a frame need not do it again.

        Raises:
            NoExtrinsicsError: If no transform leads to the given `sensor_frame`, or those that the
                cloud must do without may still come.
            TransformError: If the cloud's frame does not move with the robot, and the robot's pose
                at the stamp is not known, or if extrinsics at the stamp may still come.
        """
        placement = self._choose(cloud_frame, at_ns, now_ns, may_wait)
        try:
            T_base_sensor = self._poses.T_base_sensor(placement.sensor_frame, at_ns, now_ns)
        except NoExtrinsicsError:
            return placement
        except TransformError as error:
            if error.kind == "future" and may_wait:
                raise
            return placement
        return replace(placement, T_base_sensor=T_base_sensor)

    def _choose(self, cloud_frame: str, at_ns: int, now_ns: int, may_wait: bool) -> CloudPlacement:
        if self._wanted:
            return self._place_in(self._wanted, cloud_frame, at_ns, now_ns, "")
        if not cloud_frame:
            return CloudPlacement(cloud_frame)
        if not self._poses.is_known(cloud_frame):
            placement = self._judge_unknown(cloud_frame)
            self._wait_once(cloud_frame, placement.note, may_wait)
            return placement
        is_world_fixed = not self._poses.rides_on_robot(
            cloud_frame, is_named_world=bool(_WORLD.fullmatch(_last(cloud_frame)))
        )
        if not is_world_fixed and not self._is_no_sensors(cloud_frame):
            return CloudPlacement(cloud_frame)
        guess = self._guess_sensor(at_ns, now_ns)
        why = (
            f"which does not move with {self._base_frame}"
            if is_world_fixed
            else "which is no sensor's frame"
        )
        note = (
            f"clouds are in {cloud_frame}, {why}: they are labelled as seen from {guess.what}; "
            f"name the LiDAR's frame in sensor_frame"
        )
        self._wait_once(cloud_frame, "" if guess.is_lidar else note, may_wait)
        return self._place_in(guess.frame, cloud_frame, at_ns, now_ns, note)

    def _place_in(
        self, sensor_frame: str, cloud_frame: str, at_ns: int, now_ns: int, note: str
    ) -> CloudPlacement:
        if sensor_frame == cloud_frame:
            return CloudPlacement(cloud_frame, note=note)
        is_world_fixed = not self._poses.rides_on_robot(
            cloud_frame, is_named_world=bool(_WORLD.fullmatch(_last(cloud_frame)))
        )
        if is_world_fixed:
            T_base_cloud = self._poses.T_base_frame(cloud_frame, at_ns)
        else:
            T_base_cloud = self._poses.T_base_sensor(cloud_frame, at_ns, now_ns)
        T_base_sensor = self._poses.T_base_sensor(sensor_frame, at_ns, now_ns)
        T_sensor_cloud = invert(T_base_sensor) @ T_base_cloud
        return CloudPlacement(sensor_frame, T_base_sensor, T_sensor_cloud, is_world_fixed, note)

    def _wait_once(self, cloud_frame: str, note: str, may_wait: bool) -> None:
        """Raise if a judgement by names alone, which the note tells, comes too early."""
        if note and may_wait and cloud_frame not in self._judged:
            raise NoExtrinsicsError(note)
        self._judged.add(cloud_frame)

    def _judge_unknown(self, cloud_frame: str) -> CloudPlacement:
        """Leave a cloud in a frame that no transform leads to, and say what its name tells."""
        name, untold = _last(cloud_frame), f"{self._base_frame} <- {cloud_frame} is not known"
        if "optical" in name:
            note = (
                f"{untold}: by its name it is an optical frame, z forward and y down; give its "
                f"extrinsics"
            )
            return CloudPlacement(cloud_frame, _OPTICAL_AXES, note=note)
        if self._is_no_sensors(cloud_frame):
            note = (
                f"clouds are in {cloud_frame}, which is no sensor's frame, and {untold}: they are "
                f"labelled as if the sensor were at its origin; give that transform, or name "
                f"fixed_frame, base_frame and sensor_frame"
            )
            return CloudPlacement(cloud_frame, note=note)
        return CloudPlacement(cloud_frame)

    def _is_no_sensors(self, frame: str) -> bool:
        """Whether a frame is the robot's own, or one of the world in which the robot stands."""
        name = _last(frame)
        if _WORLD.fullmatch(name):
            return True
        if _SENSOR.search(name):
            return False
        return frame in (self._base_frame, self._fixed_frame) or bool(_ROBOT.fullmatch(name))

    def _guess_sensor(self, at_ns: int, now_ns: int) -> _Guess:
        """Find a frame to see clouds from, again whenever other frames are known."""
        frames = self._poses.frames()
        if self._guess is None or frames != self._guessed_of:
            positions, is_complete = self._find_lidars(frames, at_ns, now_ns)
            self._guess = self._choose_place(positions)
            self._guessed_of = self._poses.frames() if is_complete else ()
        return self._guess

    def _find_lidars(
        self, frames: Sequence[str], at_ns: int, now_ns: int
    ) -> tuple[dict[str, NDArray[np.float64]], bool]:
        """Where frames that are called like a LiDAR sit on the robot, and whether all are known."""
        positions, is_complete = {}, True
        for frame in sorted(frames, key=lambda frame: (len(frame), frame)):
            name = _last(frame)
            if not _LIDAR.search(name) or _NO_LIDAR.search(name) or _WORLD.fullmatch(name):
                continue
            if not self._poses.rides_on_robot(frame, is_named_world=False):
                continue
            try:
                positions[frame] = self._poses.T_base_sensor(frame, at_ns, now_ns)[:3, 3]
            except LookupError:
                is_complete = False
        return positions, is_complete

    def _choose_place(self, positions: Mapping[str, NDArray[np.float64]]) -> _Guess:
        origins = np.array(list(positions.values())).reshape(-1, 3)
        if len(origins) and np.linalg.norm(origins - origins[0], axis=1).max() < _TOGETHER_M:
            frame = next(iter(positions))
            return _Guess(frame, frame, is_lidar=True)
        if len(origins):
            return self._make_frame(origins.mean(axis=0), f"between {', '.join(positions)}")
        if not _ROBOT.fullmatch(_last(self._base_frame)):
            return _Guess(self._base_frame, self._base_frame)
        height_m = InputConfig().sensor_height_m
        what = f"{height_m:g} m above {self._base_frame}"
        return self._make_frame(np.array([0.0, 0.0, height_m]), what)

    def _make_frame(self, origin: NDArray[np.float64], what: str) -> _Guess:
        """Put a frame with the axes of the base among the transforms."""
        if self._guess is not None and self._guess.what == what:
            return self._guess
        self._num_made += 1
        frame = f"{_MADE}_{self._num_made}"
        T_base_sensor = np.eye(4)
        T_base_sensor[:3, 3] = origin
        self._poses.add_static([StaticTransform(self._base_frame, frame, T_base_sensor)])
        return _Guess(frame, what)


@dataclass(frozen=True)
class _Guess:
    """A frame, what people call it, and whether it is a LiDAR's."""

    frame: str
    what: str
    is_lidar: bool = False


def _last(frame: str) -> str:
    """The name of a frame without the robot's namespace, in small letters."""
    return frame.rsplit("/", 1)[-1].lower()
