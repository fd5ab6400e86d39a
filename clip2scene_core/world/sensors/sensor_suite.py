"""The sensors of one scene: nuScenes' own, or a LiDAR, its place and cameras drawn from a seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.scene import Scene
from clip2scene_core.world.sensors.lidar_models import NUSCENES, LidarModel, lidar_model
from clip2scene_core.world.sensors.lidar_points import NUSCENES_UNIT, LidarUnit
from clip2scene_core.world.sensors.lidar_response import LidarResponse, draw_response
from clip2scene_core.world.sensors.lidar_surfaces import draw_surfaces
from clip2scene_core.world.sensors.own_body import (
    NUSCENES_BODY,
    PLATFORMS,
    Platform,
    draw_body,
)
from clip2scene_core.world.sensors.sensor_rig import (
    CAMERA_HZ,
    LIDAR_CHANNEL,
    RIG_CAMERAS,
    RIG_LIDAR,
    RigSensor,
)

Choice = Literal["nuscenes", "mixed"]
CameraChoice = Literal["nuscenes", "mixed", "none"]
SurfaceChoice = Literal["plain", "varied"]

HEIGHTS_M: Final[dict[Platform, tuple[float, float]]] = {
    "car": (1.5, 2.1), "truck": (1.9, 2.3), "robot": (0.4, 1.2),
}  # fmt: skip
"""Lowest and highest LiDAR above the ground of each kind of vehicle, metres."""

_PLATFORM_SHARES: Final = (0.45, 0.2, 0.35)
_LEANING_SHARES: Final[dict[Platform, float]] = {"car": 0.06, "truck": 0.1, "robot": 0.3}
_NUM_CAMERAS: Final = ((1, 0.3), (2, 0.25), (4, 0.2), (6, 0.25))
# Channels and headings in degrees, left positive.
_LAYOUTS: Final[dict[int, tuple[tuple[tuple[str, float], ...], ...]]] = {
    1: ((("CAM_FRONT", 0.0),),),
    2: (
        (("CAM_FRONT", 0.0), ("CAM_BACK", 180.0)),
        (("CAM_FRONT_LEFT", 35.0), ("CAM_FRONT_RIGHT", -35.0)),
    ),
    4: (
        (("CAM_FRONT", 0.0), ("CAM_FRONT_RIGHT", -90.0), ("CAM_BACK", 180.0),
         ("CAM_FRONT_LEFT", 90.0)),
        (("CAM_FRONT_RIGHT", -45.0), ("CAM_BACK_RIGHT", -135.0), ("CAM_BACK_LEFT", 135.0),
         ("CAM_FRONT_LEFT", 45.0)),
    ),
    6: (
        (("CAM_FRONT", 0.0), ("CAM_FRONT_RIGHT", -57.0), ("CAM_BACK_RIGHT", -115.0),
         ("CAM_BACK", 180.0), ("CAM_BACK_LEFT", 115.0), ("CAM_FRONT_LEFT", 57.0)),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class SensorSuite:
    """The sensors of one scene.

    Attributes:
        platform: Kind of the vehicle that carries them.
        lidar: Extrinsics and rate of the LiDAR.
        unit: The LiDAR.
        num_columns: Number of columns of a sweep; for a pattern, of points.
        cameras: The cameras, 0 to 6.
    """

    platform: Platform
    lidar: RigSensor
    unit: LidarUnit
    num_columns: int
    cameras: tuple[RigSensor, ...]


def nuscenes_suite(num_columns: int) -> SensorSuite:
    """The sensors of the old world."""
    return SensorSuite("car", RIG_LIDAR, NUSCENES_UNIT, num_columns, RIG_CAMERAS)


def draw_suite(
    scene: Scene,
    models: Sequence[str],
    placement: Choice,
    cameras: CameraChoice,
    columns: tuple[int, int],
    rng: np.random.Generator,
    is_any_platform: bool = False,
    surfaces: SurfaceChoice = "plain",
) -> SensorSuite:
    """Draw the sensors of a scene.

    The platform of the scene decides how high they are.

    Args:
        scene: The scene.
        models: Names of the LiDAR models to choose from.
        placement: Whether the LiDAR stands where nuScenes has it.
        cameras: "nuscenes" for the cameras of nuScenes, "mixed" to draw some, "none" for none.
        columns: Columns of nuScenes' LiDAR, and most rays in a sweep of another one.
        rng: Generator.
        is_any_platform: Whether a truck or a robot may drive in place of the scene's platform.
        surfaces: "varied" to draw what windows, paint, ground and materials return.

    Raises:
        ValueError: If there is no such model, or no such platform.
    """
    model = lidar_model(str(rng.choice(list(models))))
    platform: Platform = "car"
    T_ego_lidar, body = RIG_LIDAR.T_ego_sensor, NUSCENES_BODY
    if placement == "mixed":
        drawn = PLATFORMS[int(rng.choice(len(PLATFORMS), p=_PLATFORM_SHARES))]
        platform = drawn if is_any_platform else _platform_of(scene.platform)
        T_ego_lidar = _draw_placement(platform, model, rng)
        body = draw_body(platform, float(T_ego_lidar[2, 3]), rng)
    is_old = list(models) == [NUSCENES.name]
    response = LidarResponse() if is_old else draw_response(model.law, scene.light.wetness, rng)
    height_m = float(T_ego_lidar[2, 3])
    lidar = RigSensor(LIDAR_CHANNEL, T_ego_lidar, 0.0, 0.0, model.hz)
    num_columns = columns[0] if model == NUSCENES else model.columns_within(columns[1])
    rig: tuple[RigSensor, ...] = RIG_CAMERAS if cameras == "nuscenes" else ()
    if cameras == "mixed":
        rig = _draw_cameras(platform, height_m, rng)
    timed = tuple(_timed(camera, lidar, model) for camera in rig)
    if surfaces == "varied":
        # Drawn last: everything else is then as with plain surfaces.
        response = replace(response, surfaces=draw_surfaces(rng))
    unit = LidarUnit(model, response, body, T_ego_lidar[:3, :3], 0.34 - height_m)
    return SensorSuite(platform, lidar, unit, num_columns, timed)


def _platform_of(name: str) -> Platform:
    for platform in PLATFORMS:
        if name == platform:
            return platform
    raise ValueError(f"a scene has the platform {name!r}, not one of {', '.join(PLATFORMS)}")


def _draw_placement(
    platform: Platform, model: LidarModel, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Draw T_ego_lidar (4, 4): a sector looks ahead, another LiDAR has any heading."""
    low, high = HEIGHTS_M[platform]
    pitch, roll = np.clip(rng.normal(0, 0.9, 2), -2, 2)
    kind = rng.random()
    if kind < _LEANING_SHARES[platform]:
        pitch = rng.uniform(5, 15)
    elif kind > 0.9:
        pitch, roll = rng.uniform(-5, 5, 2)
    heading = rng.uniform(-180, 180)
    if rng.random() < 0.6:
        heading = 90.0 * rng.integers(4)
    if model.sector_deg < 360:
        heading = rng.normal(0, 6)
    transform = np.eye(4)
    # The frame of the LiDAR has x right and y forward.
    turned = rotation(float(heading) - 90.0, 0.0, 0.0)
    transform[:3, :3] = rotation(0.0, float(pitch), float(roll)) @ turned
    ahead = {"car": (0.2, 1.4), "truck": (0.5, 2.0), "robot": (-0.2, 0.4)}[platform]
    transform[:3, 3] = rng.uniform(*ahead), rng.normal(0, 0.05), rng.uniform(low, high)
    return transform


def rotation(yaw_deg: float, pitch_deg: float, roll_deg: float) -> NDArray[np.float64]:
    """Rotation (3, 3): roll about x, then pitch about y (nose down), then yaw about z; degrees."""
    sy, sp, sr = np.sin(np.radians([yaw_deg, pitch_deg, roll_deg]))
    cy, cp, cr = np.cos(np.radians([yaw_deg, pitch_deg, roll_deg]))
    about_z = np.array([[cy, -sy, 0.0], [sy, cy, 0.0], [0.0, 0.0, 1.0]])
    about_y = np.array([[cp, 0.0, sp], [0.0, 1.0, 0.0], [-sp, 0.0, cp]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cr, -sr], [0.0, sr, cr]])
    matrix: NDArray[np.float64] = about_z @ about_y @ about_x
    return matrix


def _draw_cameras(
    platform: Platform, height_m: float, rng: np.random.Generator
) -> tuple[RigSensor, ...]:
    counts, shares = zip(*_NUM_CAMERAS, strict=True)
    layouts = _LAYOUTS[int(rng.choice(counts, p=shares))]
    layout = layouts[int(rng.integers(len(layouts)))]
    focal, pitch = float(rng.uniform(0.4, 1.1)), float(np.clip(rng.normal(1, 2), -4, 8))
    low, high = {"car": (1.2, 1.8), "truck": (1.6, 2.4), "robot": (0.3, 1.1)}[platform]
    level = float(np.clip(height_m - rng.uniform(-0.1, 0.4), low, high))
    reach = {"car": 0.7, "truck": 1.0, "robot": 0.2}[platform]
    cameras = []
    for channel, heading in layout:
        yaw = heading + float(rng.normal(0, 2))
        turned = rotation(yaw, pitch + float(rng.normal(0, 0.5)), float(rng.normal(0, 0.5)))
        transform = np.eye(4)
        # The optical frame has x right, y down, z forward.
        transform[:3, :3] = turned @ np.array([[0, 0, 1.0], [-1.0, 0, 0], [0, -1.0, 0]])
        transform[:3, 3] = reach * turned[:, 0]
        transform[:3, 3] += (0.4, 0.0, 0.0) if platform == "robot" else (0.9, 0.0, 0.0)
        transform[2, 3] = level + float(rng.normal(0, 0.03))
        own_focal = float(np.clip(focal * np.exp(rng.normal(0, 0.08)), 0.4, 1.1))
        cameras.append(RigSensor(channel, transform, own_focal, 0.0, CAMERA_HZ))
    return tuple(cameras)


def _timed(camera: RigSensor, lidar: RigSensor, model: LidarModel) -> RigSensor:
    """Let a camera fire when the LiDAR points in its direction, or in the middle of a sector."""
    offset_s = -0.5 / model.hz
    if model.sector_deg == 360:
        x, y, _ = lidar.T_ego_sensor[:3, :3].T @ camera.T_ego_sensor[:3, 2]
        share = ((math.pi - math.atan2(y, x)) / (2 * math.pi)) % 1.0
        offset_s = (share - 1.0) / model.hz
    return RigSensor(camera.channel, camera.T_ego_sensor, camera.focal, offset_s, camera.rate_hz)
