"""A street scene: its road, its light, and its objects as primitives at any time."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.footing import RIGID, Ride, ego_on_ground, object_on_ground
from clip2scene_core.world.layout.relief import FLAT_SIZE, height_at
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
    """One object of a scene.

    Attributes:
        category: Raw lidarseg category.
        word: Word for captions, for example "van" or "brick wall".
        color_name: Name of its main colour, or "" if captions must not name a colour.
        size: Length, width, height, metres.
        s: Road coordinate s at time 0, metres.
        d: Road coordinate d at time 0, metres.
        yaw: Heading relative to the road, radians.
        parts: Parts in the frame of the object.
        speed_s: Speed along the road, metres per second.
        speed_d: Speed to the left, metres per second.
        is_annotated: Whether nuScenes has boxes for this category.
        has_rider: Whether a two-wheeler has a rider.
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
        """Whether its speed is not 0."""
        return self.speed_s != 0.0 or self.speed_d != 0.0


@dataclass(frozen=True)
class Scene:
    """A street with all its objects.

    Attributes:
        road: Ground plan.
        plan: (K,) float64, packed ground plan, flat or with relief (see `relief`).
        weather: One of WEATHER_NAMES.
        light: Light of that weather.
        objects: All objects; `Primitives.instance` is an index into them.
        static: Primitives of the objects that do not move, in the scene frame.
        moving: Primitives of the objects that move, each in the frame of its object.
        ego_d: d of the lane of the ego vehicle, metres.
        ego_speed: Speed of the ego vehicle, metres per second.
        length_m: Length of the path of the ego vehicle, metres.
        ride: Motion of the ego vehicle on its suspension; only on a relief.
        place: Kind of place, a key of `places.STYLES`.
        platform: What carries the sensors: "car", "truck" or "robot".
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
    ride: Ride = RIGID
    place: str = "street"
    platform: str = "car"

    @property
    def is_flat(self) -> bool:
        """Whether the ground has no relief."""
        return len(self.plan) == FLAT_SIZE

    def T_scene_object(self, index: int, seconds: float) -> NDArray[np.float64]:
        """Pose of an object at a time, (4, 4) float64, with the slope of the ground."""
        return _full_pose(self.road, self.plan, self.objects[index], seconds)

    def pose_of(self, index: int, seconds: float) -> tuple[float, float, float, float]:
        """Pose of an object at a time: x, y, z in metres and heading in radians, scene frame."""
        scene_object = self.objects[index]
        return _pose(self.road, self.plan, scene_object, seconds)

    def moving_at(self, seconds: float) -> Primitives:
        """Primitives of the moving objects at a time, in the scene frame."""
        return place(self.road, self.plan, self.objects, self.moving, seconds)

    def with_static(self, moving: Primitives) -> Primitives:
        """All primitives: the static ones, then `moving`, both in the scene frame."""
        return Primitives(
            *(np.concatenate([a, b]) for a, b in zip(self.static, moving, strict=True))
        )


def _pose(
    road: Road, plan: NDArray[np.float64], scene_object: SceneObject, seconds: float
) -> tuple[float, float, float, float]:
    s, d = (
        scene_object.s + scene_object.speed_s * seconds,
        scene_object.d + scene_object.speed_d * seconds,
    )
    x, y, heading = road_pose(road.curvature, s, d)
    if len(plan) == FLAT_SIZE:
        z = KERB_HEIGHT_M if surface_at(plan, x, y)[0] >= PAVING else 0.0
    else:
        z = height_at(plan, x, y)
    return x, y, z, heading + scene_object.yaw


def _full_pose(
    road: Road, plan: NDArray[np.float64], scene_object: SceneObject, seconds: float
) -> NDArray[np.float64]:
    x, y, z, heading = _pose(road, plan, scene_object, seconds)
    if len(plan) > FLAT_SIZE:
        one = scene_object
        return object_on_ground(plan, x, y, heading, one.category, one.word, one.size)
    pose = np.eye(4)
    pose[:2, :2] = [
        [math.cos(heading), -math.sin(heading)],
        [math.sin(heading), math.cos(heading)],
    ]
    pose[:3, 3] = x, y, z
    return pose


def assemble(objects: tuple[SceneObject, ...], indices: list[int]) -> Primitives:
    """Gather the parts of some objects, each in the frame of its object.

    Args:
        objects: All objects of the scene.
        indices: Indices of the objects to gather.

    Returns:
        The primitives of these objects, object by object.
    """
    parts = [part for i in indices for part in objects[i].parts]
    if not parts:
        return _NO_PRIMITIVES
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
    """Move primitives from the frames of their objects to the scene frame.

    Args:
        road: Ground plan.
        plan: (K,) float64, packed ground plan, flat or with relief.
        objects: All objects of the scene.
        assembled: Primitives from `assemble`.
        seconds: Time since the start of the scene, seconds.

    Returns:
        The same primitives in the scene frame.
    """
    owners, inverse = np.unique(assembled.instance, return_inverse=True)
    if not len(owners):
        return assembled
    if len(plan) > FLAT_SIZE:
        full = np.array([_full_pose(road, plan, objects[i], seconds) for i in owners])[inverse]
        return assembled._replace(
            center=np.einsum("nij,nj->ni", full[:, :3, :3], assembled.center) + full[:, :3, 3],
            axes=np.einsum("nij,nkj->nki", full[:, :3, :3], assembled.axes),
        )
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


_NO_PRIMITIVES = Primitives(
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
    """Pose of the ego vehicle (rear axle on the ground) in the scene frame.

    It drives along its lane with small changes of speed and of d. On a relief it follows the slope
    below its wheels and sways on its suspension.

    Returns:
        (4, 4) float64 T_scene_ego.
    """
    s = scene.ego_speed * seconds + 0.8 * math.sin(0.35 * seconds)
    d = scene.ego_d + 0.25 * math.sin(0.5 * seconds)
    x, y, heading = road_pose(scene.road.curvature, s, d)
    ground_speed = scene.ego_speed + 0.28 * math.cos(0.35 * seconds)
    heading += math.atan2(0.125 * math.cos(0.5 * seconds), ground_speed)
    if not scene.is_flat:
        sway = scene.ride.sway(seconds)
        return ego_on_ground(scene.plan, x, y, heading, scene.platform, sway)
    pose = np.eye(4)
    pose[:2, :2] = [
        [math.cos(heading), -math.sin(heading)],
        [math.sin(heading), math.cos(heading)],
    ]
    pose[:3, 3] = x, y, 0.0
    return pose
