"""The sensors of the ego vehicle: extrinsics, intrinsics and firing times."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

LIDAR_CHANNEL: Final = "LIDAR_TOP"
LIDAR_HZ: Final = 20
CAMERA_HZ: Final = 12
KEYFRAME_HZ: Final = 2


@dataclass(frozen=True)
class RigSensor:
    """One sensor on the ego vehicle.

    Attributes:
        channel: nuScenes' name of the sensor.
        T_ego_sensor: (4, 4) float64, extrinsics. Camera frames are optical (x right, y down, z
            forward); the LiDAR frame has x right, y forward, z up.
        focal: Focal length in widths of the image; 0 for the LiDAR.
        offset_s: Firing time relative to the end of the LiDAR revolution, seconds.
        rate_hz: Measurements per second, a multiple of KEYFRAME_HZ.
    """

    channel: str
    T_ego_sensor: NDArray[np.float64]
    focal: float
    offset_s: float
    rate_hz: int

    @property
    def is_camera(self) -> bool:
        """Whether the sensor is a camera."""
        return self.focal > 0

    def intrinsics(self, image_size: tuple[int, int]) -> NDArray[np.float64]:
        """Pinhole matrix (3, 3) float64 in pixels of an image of size (height, width).

        The centre of pixel (0, 0) is u = v = 0, as in OpenCV.
        """
        height, width = image_size
        focal_px = self.focal * width
        return np.array(
            [[focal_px, 0.0, 0.51 * width], [0.0, focal_px, 0.546 * height], [0.0, 0.0, 1.0]]
        )


def _camera(
    channel: str, yaw_degrees: float, place: tuple[float, float, float], focal: float
) -> RigSensor:
    yaw = math.radians(yaw_degrees)
    cosine, sine = math.cos(yaw), math.sin(yaw)
    transform = np.eye(4)
    transform[:3, :3] = [[sine, 0.0, cosine], [-cosine, 0.0, sine], [0.0, -1.0, 0.0]]
    transform[:3, 3] = place
    # The LiDAR turns clockwise from the left side back to it. A camera fires when the LiDAR points
    # in its direction.
    share = ((90.0 - yaw_degrees) % 360.0) / 360.0
    return RigSensor(channel, transform, focal, (share - 1.0) / LIDAR_HZ, CAMERA_HZ)


def _lidar() -> RigSensor:
    transform = np.eye(4)
    transform[:3, :3] = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]
    transform[:3, 3] = 0.943713, 0.0, 1.84023
    return RigSensor(LIDAR_CHANNEL, transform, 0.0, 0.0, LIDAR_HZ)


RIG_LIDAR: Final = _lidar()
RIG_CAMERAS: Final = (
    _camera("CAM_FRONT", 0.0, (1.7008, 0.0159, 1.511), 0.79),
    _camera("CAM_FRONT_RIGHT", -55.0, (1.5508, -0.4934, 1.4957), 0.79),
    _camera("CAM_BACK_RIGHT", -110.0, (1.0149, -0.4806, 1.5624), 0.79),
    _camera("CAM_BACK", 180.0, (0.0283, 0.0035, 1.5791), 0.505),
    _camera("CAM_BACK_LEFT", 110.0, (1.0357, 0.4848, 1.591), 0.79),
    _camera("CAM_FRONT_LEFT", 55.0, (1.5239, 0.4946, 1.5093), 0.79),
)


def misaligned(
    sensor: RigSensor, angle_deg: float, shift_m: float, rng: np.random.Generator
) -> RigSensor:
    """Add an error to the extrinsics of a sensor.

    Args:
        sensor: Sensor with the true extrinsics.
        angle_deg: Angle of a rotation about a random axis, degrees.
        shift_m: Length of a translation in a random direction, metres.
        rng: Generator for axis and direction.

    Returns:
        Sensor with the wrong extrinsics; `sensor` if both errors are 0.
    """
    axis, direction = (vector / np.linalg.norm(vector) for vector in rng.normal(size=(2, 3)))
    if angle_deg == 0 and shift_m == 0:
        return sensor
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    angle = math.radians(angle_deg)
    error = np.eye(4)
    # Rodrigues' formula.
    error[:3, :3] += math.sin(angle) * cross + (1 - math.cos(angle)) * (cross @ cross)
    error[:3, 3] = shift_m * direction
    return replace(sensor, T_ego_sensor=sensor.T_ego_sensor @ error)


@dataclass(frozen=True)
class Firing:
    """One measurement of a sensor.

    Attributes:
        sensor: The sensor.
        seconds: Time since the first keyframe of the scene, seconds; may be slightly negative.
        keyframe_index: Index of the keyframe that it belongs to or is nearest to.
        is_keyframe: Whether it belongs to the keyframe.
    """

    sensor: RigSensor
    seconds: float
    keyframe_index: int
    is_keyframe: bool


def firings(
    sensor: RigSensor, seconds: float, previous_sweeps: int, is_every_frame: bool
) -> list[Firing]:
    """List the measurements of a sensor in a scene.

    Args:
        sensor: The sensor.
        seconds: Length of the scene, seconds.
        previous_sweeps: Number of LiDAR sweeps before the first keyframe and, unless
            `is_every_frame`, before each keyframe.
        is_every_frame: Whether to take all sweeps and images, not only keyframes with their
            previous sweeps.

    Returns:
        The measurements in the order of time.
    """
    rate = sensor.rate_hz
    stride = rate // KEYFRAME_HZ
    before = 0 if sensor.is_camera else previous_sweeps
    num_keyframes = int(seconds * KEYFRAME_HZ)
    taken = []
    for k in range(-before, int(seconds * rate)):
        until_next = -k % stride
        if not is_every_frame and until_next > before:
            continue
        nearest = min(max(round(k / stride), 0), num_keyframes - 1)
        if not is_every_frame:
            nearest = (k + until_next) // stride
        if nearest >= num_keyframes:
            continue
        taken.append(Firing(sensor, k / rate + sensor.offset_s, nearest, until_next == 0))
    return taken
