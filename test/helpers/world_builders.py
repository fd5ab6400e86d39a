"""A moment of a drive, what its LiDAR measures, and bodies to cast rays at."""

from __future__ import annotations

import numpy as np

from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.primitives.parts import Part, Primitives, rotations
from clip2scene_core.world.render.camera import Moment, moment_of, static_sun_map
from clip2scene_core.world.sensors.lidar import Revolution, measure_revolution
from clip2scene_core.world.sensors.sensor_rig import RIG_LIDAR

IMAGE_SIZE = (224, 400)
SECONDS = 1.0


def make_moment() -> Moment:
    scene = build_scene(seed=3, scene_index=1, seconds=2.0)
    return moment_of(scene, static_sun_map(scene), SECONDS)


def make_revolution(moment: Moment) -> Revolution:
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ RIG_LIDAR.T_ego_sensor
    rng = np.random.default_rng(0)
    return measure_revolution(moment.primitives, moment.scene.plan, T_scene_lidar, 1084, rng)


def primitives_from(parts: list[Part]) -> Primitives:
    count = len(parts)
    return Primitives(
        kind=np.array([part.kind for part in parts]),
        center=np.array([part.center for part in parts], dtype=float),
        axes=rotations(parts),
        half=np.array([part.half for part in parts], dtype=float),
        shape=np.array([part.shape for part in parts], dtype=float),
        material=np.array([part.material for part in parts]),
        color=np.zeros((count, 3)),
        category=np.zeros(count, np.uint8),
        instance=np.arange(count),
    )
