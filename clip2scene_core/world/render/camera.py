"""Render a scene at one time with a pinhole camera: image, class image, depth."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL, nuscenes_label_map
from clip2scene_core.world.layout.relief import FLAT_SIZE, HIGHEST_M, terrain_hit
from clip2scene_core.world.layout.road import SURFACE_RAW_CATEGORY, road_pose
from clip2scene_core.world.layout.scene import Scene
from clip2scene_core.world.layout.weather import Light
from clip2scene_core.world.primitives.bounds import grid_bounds, sun_bounds
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.parts import Primitives
from clip2scene_core.world.render.lamplight import NO_LAMPLIGHT, Lamplight, lamplight_of
from clip2scene_core.world.render.raycast import cast_grid
from clip2scene_core.world.render.shading import CURVE_END, GROUND, SKY, develop, shade

SUN_TEXEL_M = 0.25
TOP_M = 34.0
FAR_M = 400.0
"""Depth of the sky, metres."""

_LABEL_MAP = nuscenes_label_map()


def _display_curve() -> NDArray[np.uint8]:
    """Filmic curve (sunlit white walls do not saturate), then display gamma: (4096,) uint8."""
    light = np.linspace(0, CURVE_END, 4096) * 0.62
    film = light * (2.51 * light + 0.03) / (light * (2.43 * light + 0.59) + 0.14)
    return np.rint(255 * np.clip(film, 0, 1) ** (1 / 2.2)).astype(np.uint8)


_CURVE = _display_curve()


@dataclass(frozen=True)
class SunMap:
    """Shadow map: the ends of the sun's rays.

    Attributes:
        depth: (H, W) float64, length of each ray from the top plane, metres.
        frame: (4,) float64: x and y of texel (0, 0), metres per texel, height of the top plane.
    """

    depth: NDArray[np.float64]
    frame: NDArray[np.float64]


@dataclass(frozen=True)
class Moment:
    """A scene at one time, ready for rendering.

    Attributes:
        scene: The scene.
        primitives: All primitives at that time, scene frame.
        sun_map: Shadows at that time.
        lamplight: Light of lamps at that time.
    """

    scene: Scene
    primitives: Primitives
    sun_map: SunMap
    lamplight: Lamplight


@dataclass(frozen=True)
class Hits:
    """The hits of the rays of a camera, one ray per pixel.

    Attributes:
        rays: (6, 3) float64 as in `cast_grid`: origin and its steps, direction and its steps.
        depth: (H, W) float64, metres along the optical axis, FAR_M for the sky.
        index: (H, W) int64, index of the primitive, or GROUND or SKY.
        kerbs: (H, W) bool, whether the hit is on the face of a kerb.
        category: (H, W) uint8, raw lidarseg category, 255 for the sky.
    """

    rays: NDArray[np.float64]
    depth: NDArray[np.float64]
    index: NDArray[np.int64]
    kerbs: NDArray[np.bool_]
    category: NDArray[np.uint8]

    @property
    def labels(self) -> NDArray[np.uint8]:
        """Labels (H, W) uint8 of NUSCENES_CLASSES, IGNORE_LABEL for the sky."""
        labels: NDArray[np.uint8] = _LABEL_MAP[self.category]
        return np.where(self.index == SKY, np.uint8(IGNORE_LABEL), labels)


def _sun_rays(light: Light, frame: NDArray[np.float64]) -> NDArray[np.float64]:
    sun = light.sun_direction
    rays = np.zeros((6, 3))
    rays[0] = np.array([frame[0], frame[1], 0.0]) + sun * (frame[3] / sun[2])
    rays[1, 1] = rays[2, 0] = frame[2]
    rays[3] = -sun
    return rays


def _add_to_sun_map(primitives: Primitives, light: Light, sun_map: SunMap) -> None:
    num_rows, num_columns = sun_map.depth.shape
    bounds = sun_bounds(primitives, light.sun_direction, sun_map.frame, num_rows, num_columns)
    hits = np.full(sun_map.depth.shape, SKY, dtype=np.int64)
    order = np.argsort(-primitives.center[:, 2], kind="stable")
    rays = _sun_rays(light, sun_map.frame)
    nearest = np.zeros(len(order))
    cast_grid(primitives, order, bounds, nearest, rays, sun_map.depth, hits)


def static_sun_map(scene: Scene) -> SunMap:
    """Cast the shadows of the static objects, once per scene."""
    curvature = scene.road.curvature
    path = np.array(
        [road_pose(curvature, s, 0)[:2] for s in np.linspace(-35, scene.length_m + 45, 24)]
    )
    low, high = path.min(axis=0) - 30.0, path.max(axis=0) + 30.0
    shape = np.ceil((high - low) / SUN_TEXEL_M).astype(int)
    top_m = max(
        TOP_M,
        float((scene.static.center + scene.static.half.max(axis=1, keepdims=True))[:, 2].max()),
    )
    if not scene.is_flat:
        top_m = max(top_m, TOP_M + float(scene.plan[HIGHEST_M]))
    frame = np.array([low[0], low[1], SUN_TEXEL_M, top_m])
    sun_map = SunMap(np.full((shape[1], shape[0]), 1e9), frame)
    _add_to_sun_map(scene.static, scene.light, sun_map)
    return sun_map


def moment_of(scene: Scene, static_map: SunMap, seconds: float) -> Moment:
    """Compute primitives, shadows and lamplight of a scene at a time.

    Args:
        scene: The scene.
        static_map: Shadows of the static objects, from `static_sun_map`.
        seconds: Time since the start of the scene, seconds.
    """
    sun_map = SunMap(static_map.depth.copy(), static_map.frame)
    moving = scene.moving_at(seconds)
    if len(moving.kind):
        _add_to_sun_map(moving, scene.light, sun_map)
    primitives, lamplight = scene.with_static(moving), NO_LAMPLIGHT
    if scene.weather == "night":
        num_rows, num_columns = sun_map.depth.shape
        size = np.array([num_columns, num_rows]) * SUN_TEXEL_M
        frame = np.concatenate([sun_map.frame[:2], size])
        lamplight = lamplight_of(scene, primitives, seconds, frame)
    return Moment(scene, primitives, sun_map, lamplight)


@njit(cache=True)
def _cast_ground(
    plan: NDArray[np.float64], rays: NDArray[np.float64], raw: NDArray[np.uint8],
    depth: NDArray[np.float64], hits: NDArray[np.int64], kerbs: NDArray[np.bool_],
    category: NDArray[np.uint8],
) -> None:  # fmt: skip
    """Cast the rays onto the ground; nearer hits of primitives stay."""
    ox, oy, oz = rays[0]
    is_flat = len(plan) == FLAT_SIZE
    for row in range(depth.shape[0] - 1, -1, -1):
        for column in range(depth.shape[1]):
            dx = rays[3, 0] + row * rays[4, 0] + column * rays[5, 0]
            dy = rays[3, 1] + row * rays[4, 1] + column * rays[5, 1]
            dz = rays[3, 2] + row * rays[4, 2] + column * rays[5, 2]
            if is_flat and (dz >= 0 or depth[row, column] * dz > -(oz - 0.3)):
                continue
            start = 0.0
            if not is_flat and row + 1 < depth.shape[0]:
                # This ray is above that of the pixel below, which met no ground before its hit.
                if hits[row + 1, column] == SKY:
                    continue
                start = max(0.9 * depth[row + 1, column] - 0.3, 0.0)
            limit = depth[row, column]
            t, is_kerb, surface = terrain_hit(plan, ox, oy, oz, dx, dy, dz, limit, start)
            if 0 < t < depth[row, column]:
                depth[row, column] = t
                hits[row, column] = GROUND
                kerbs[row, column] = is_kerb
                category[row, column] = raw[surface]


def cast_camera(
    moment: Moment,
    intrinsics: NDArray[np.float64],
    T_scene_camera: NDArray[np.float64],
    image_size: tuple[int, int],
) -> Hits:
    """Cast a ray through every pixel of a camera.

    Args:
        moment: The scene at the stamp of the image.
        intrinsics: (3, 3) float64 pinhole matrix, pixels; the centre of pixel (0, 0) is (0, 0).
        T_scene_camera: (4, 4) float64; the camera frame is optical (x right, y down, z forward).
        image_size: (height, width), pixels.
    """
    rotation = T_scene_camera[:3, :3]
    rays = np.zeros((6, 3))
    rays[0] = T_scene_camera[:3, 3]
    rays[3] = rotation @ np.array(
        [-intrinsics[0, 2] / intrinsics[0, 0], -intrinsics[1, 2] / intrinsics[1, 1], 1.0]
    )
    rays[4] = rotation[:, 1] / intrinsics[1, 1]
    rays[5] = rotation[:, 0] / intrinsics[0, 0]
    depth = np.full(image_size, FAR_M)
    index = np.full(image_size, SKY, dtype=np.int64)
    bounds, distance = grid_bounds(moment.primitives, rays, *image_size)
    visible = np.flatnonzero((bounds[:, 0] < bounds[:, 1]) & (bounds[:, 2] < bounds[:, 3]))
    order = visible[np.argsort(distance[visible], kind="stable")]
    cast_grid(moment.primitives, order, bounds, distance, rays, depth, index)
    category = np.where(index >= 0, moment.primitives.category[np.maximum(index, 0)], np.uint8(255))
    kerbs = np.zeros(image_size, dtype=np.bool_)
    _cast_ground(moment.scene.plan, rays, SURFACE_RAW_CATEGORY, depth, index, kerbs, category)
    return Hits(rays, depth, index, kerbs, category)


def paint(moment: Moment, hits: Hits) -> NDArray[np.uint8]:
    """Compute the image of the hits.

    Args:
        moment: The moment of the hits.
        hits: Hits from `cast_camera`.

    Returns:
        (H, W, 3) uint8 RGB.
    """
    image = shade(
        moment.primitives, moment.scene.plan, moment.scene.light, hits.rays, hits.depth, hits.index,
        hits.kerbs, moment.sun_map.depth, moment.sun_map.frame, moment.lamplight.light,
        moment.lamplight.frame,
    )  # fmt: skip
    # The images of a street have different numbers of sky pixels, and so different noise.
    seed = int(moment.scene.road.texture_seed + np.count_nonzero(hits.index == SKY))
    return develop(image, hits.index, _CURVE, moment.scene.light.grain, seed)
