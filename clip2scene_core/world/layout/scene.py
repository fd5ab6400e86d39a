"""A street scene: its road, its light, and its things as primitives at any moment."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.road import (
    KERB_HEIGHT_M,
    PAVING,
    Road,
    road_pose,
    surface_at,
)
from clip2scene_core.world.layout.weather import Light
from clip2scene_core.world.primitives.parts import Part, Primitives, Triple, rotations


@dataclass(frozen=True)
class SceneObject:
    """One object instance.

    Attributes:
        category: Raw lidarseg category.
        word: What a caption may call it, for example "van" or "brick wall".
        color_name: Its main colour, or "" where a caption should not name one.
        size: Length, width, height in metres.
        s: Road coordinate at time 0, metres.
        d: Road coordinate at time 0, metres.
        yaw: Heading relative to the road's, radians.
        speed_s: Metres per second along the road.
        speed_d: Metres per second to the left.
        parts: Its primitives.
        is_annotated: Whether nuScenes would draw a box around it.
        has_rider: For two-wheelers.
    """

    category: int
    word: str
    color_name: str
    size: Triple
    s: float
    d: float
    yaw: float
    parts: tuple[Part, ...]
    speed_s: float = 0.0
    speed_d: float = 0.0
    is_annotated: bool = False
    has_rider: bool = False

    @property
    def is_moving(self) -> bool:
        """Whether it changes its place."""
        return self.speed_s != 0.0 or self.speed_d != 0.0


@dataclass(frozen=True)
class Scene:
    """A street with everything on it.

    Attributes:
        road: Ground plan.
        plan: (24,) float64, the packed ground plan.
        weather: One of WEATHER_NAMES.
        light: Light of that weather.
        objects: All objects; `Primitives.instance` indexes them.
        static: Primitives of what stands still.
        moving: Primitives of what moves, each in the frame of its thing.
        ego_d: d of the ego vehicle's lane, metres.
        ego_speed: Metres per second.
        length_m: How far the ego vehicle drives.
    """

    road: Road
    plan: NDArray[np.float64]
    weather: str
    light: Light
    objects: tuple[SceneObject, ...]
    static: Primitives
    moving: Primitives
    ego_d: float
    ego_speed: float
    length_m: float

    def pose_of(self, index: int, seconds: float) -> tuple[float, float, float, float]:
        """Pose of a thing at a moment: x, y, z in metres and heading in radians, scene frame."""
        thing = self.objects[index]
        return _pose(self.road, self.plan, thing, seconds)

    def moving_at(self, seconds: float) -> Primitives:
        """Primitives of what moves, at a moment."""
        return place(self.road, self.plan, self.objects, self.moving, seconds)

    def with_static(self, moving: Primitives) -> Primitives:
        """All primitives; the static ones come first."""
        return Primitives(
            *(np.concatenate([a, b]) for a, b in zip(self.static, moving, strict=True))
        )


def _pose(
    road: Road, plan: NDArray[np.float64], thing: SceneObject, seconds: float
) -> tuple[float, float, float, float]:
    s, d = thing.s + thing.speed_s * seconds, thing.d + thing.speed_d * seconds
    x, y, heading = road_pose(road.curvature, s, d)
    z = KERB_HEIGHT_M if surface_at(plan, x, y)[0] >= PAVING else 0.0
    return x, y, z, heading + thing.yaw


def assemble(objects: tuple[SceneObject, ...], indices: list[int]) -> Primitives:
    """Gather the parts of some things, each in the frame of its thing.

    Args:
        objects: All objects of the scene.
        indices: Which of them.

    Returns:
        Their primitives, thing by thing.
    """
    parts = [part for i in indices for part in objects[i].parts]
    if not parts:
        return _NOTHING
    owner = np.repeat(np.array(indices), [len(objects[i].parts) for i in indices])
    return Primitives(
        kind=np.array([part.kind for part in parts], dtype=np.int64),
        center=np.array([part.center for part in parts], dtype=np.float64),
        axes=rotations(parts),
        half=np.array([part.half for part in parts], dtype=np.float64),
        shape=np.array([part.shape for part in parts], dtype=np.float64),
        material=np.array([part.material for part in parts], dtype=np.int64),
        color=np.array([part.color for part in parts], dtype=np.float64),
        category=np.array([objects[i].category for i in owner], dtype=np.uint8),
        instance=owner.astype(np.int64),
    )


def place(
    road: Road,
    plan: NDArray[np.float64],
    objects: tuple[SceneObject, ...],
    assembled: Primitives,
    seconds: float,
) -> Primitives:
    """Move primitives from the frames of their things into the scene's.

    Args:
        road: Ground plan.
        plan: The packed ground plan.
        objects: All objects of the scene.
        assembled: From `assemble`.
        seconds: Time since the start of the scene.

    Returns:
        The same primitives in the scene's frame.
    """
    owners, inverse = np.unique(assembled.instance, return_inverse=True)
    if not len(owners):
        return assembled
    poses = np.array([_pose(road, plan, objects[i], seconds) for i in owners])[inverse]
    cosine, sine = np.cos(poses[:, 3]), np.sin(poses[:, 3])
    axes = _turn(assembled.axes.transpose(2, 0, 1), cosine[:, None], sine[:, None])
    return assembled._replace(
        center=np.stack(_turn(assembled.center.T, cosine, sine), axis=1) + poses[:, :3],
        axes=np.stack(axes, axis=2),
    )


def _turn(
    xyz: NDArray[np.float64], cosine: NDArray[np.float64], sine: NDArray[np.float64]
) -> list[NDArray[np.float64]]:
    x, y, z = xyz
    return [cosine * x - sine * y, sine * x + cosine * y, z]


_NOTHING = Primitives(
    kind=np.zeros(0, np.int64),
    center=np.zeros((0, 3)),
    axes=np.zeros((0, 3, 3)),
    half=np.zeros((0, 3)),
    shape=np.zeros((0, 3)),
    material=np.zeros(0, np.int64),
    color=np.zeros((0, 3)),
    category=np.zeros(0, np.uint8),
    instance=np.zeros(0, np.int64),
)


def ego_pose(scene: Scene, seconds: float) -> NDArray[np.float64]:
    """Pose of the ego vehicle (rear axle on the ground) in the scene's frame.

    It drives along its lane with gentle changes of speed and of place within the lane.

    Returns:
        (4, 4) float64 T_scene_ego.
    """
    s = scene.ego_speed * seconds + 0.8 * math.sin(0.35 * seconds)
    d = scene.ego_d + 0.25 * math.sin(0.5 * seconds)
    x, y, heading = road_pose(scene.road.curvature, s, d)
    ground_speed = scene.ego_speed + 0.28 * math.cos(0.35 * seconds)
    heading += math.atan2(0.125 * math.cos(0.5 * seconds), ground_speed)
    pose = np.eye(4)
    pose[:2, :2] = [
        [math.cos(heading), -math.sin(heading)],
        [math.sin(heading), math.cos(heading)],
    ]
    pose[:3, 3] = x, y, 0.0
    return pose
