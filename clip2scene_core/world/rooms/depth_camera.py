"""A color and depth camera in a room: what each pixel shows, and how far it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.bounds import grid_bounds
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.parts import Primitives
from clip2scene_core.world.render.raycast import cast_grid
from clip2scene_core.world.render.shading import SKY, surface_normal, to_local
from clip2scene_core.world.rooms.room import Room

DEPTH_STEP: Final = 2
"""A depth pixel for every so many rows and columns of the picture."""

MAX_DEPTH_M: Final = 6.0
_FAR_M: Final = 50.0
_NOISE_PER_M2: Final = 0.0008
_GRAZING: Final = 0.12
_AMBIENT: Final = 0.45
_LAMP: Final = 1.1
_GRAIN: Final = 2.0


@dataclass(frozen=True)
class RoomImages:
    """What a camera saw at one place.

    Attributes:
        color: (H, W, 3) uint8 RGB.
        depth_mm: (H / 2, W / 2) uint16, millimetres along the optical axis; 0 for not measured.
        labels: (H / 2, W / 2) uint8, NYU's label of each depth pixel; 0 where nothing is.
    """

    color: NDArray[np.uint8]
    depth_mm: NDArray[np.uint16]
    labels: NDArray[np.uint8]


def color_intrinsics(image_size: tuple[int, int]) -> NDArray[np.float64]:
    """Pinhole matrix (3, 3) of the pictures, (height, width) pixels; 58 degrees wide."""
    height, width = image_size
    focal = 0.9 * width
    return np.array([[focal, 0, (width - 1) / 2], [0, focal, (height - 1) / 2], [0, 0, 1.0]])


def depth_intrinsics(image_size: tuple[int, int]) -> NDArray[np.float64]:
    """Pinhole matrix (3, 3) of the depth images: each shows every second pixel of the picture."""
    return np.diag([1 / DEPTH_STEP, 1 / DEPTH_STEP, 1.0]) @ color_intrinsics(image_size)


def take_images(
    room: Room,
    T_room_camera: NDArray[np.float64],
    image_size: tuple[int, int],
    rng: np.random.Generator,
) -> RoomImages:
    """Take a picture and a depth image.

    Depth has noise that grows with its square, as of a structured-light camera. Far surfaces and
    those at a grazing angle are not measured.

    Args:
        room: The room.
        T_room_camera: (4, 4) float64; the camera frame is optical.
        image_size: (height, width) of the picture, pixels, even.
        rng: Generator for noise.
    """
    primitives = room.primitives
    rays = _rays(color_intrinsics(image_size), T_room_camera)
    depth = np.full(image_size, _FAR_M)
    index = np.full(image_size, SKY, dtype=np.int64)
    bounds, nearest = grid_bounds(primitives, rays, *image_size)
    order = np.argsort(nearest, kind="stable")
    cast_grid(primitives, order, bounds, nearest, rays, depth, index)
    rows, columns = np.mgrid[: image_size[0], : image_size[1]]
    directions = rays[3] + rows[..., None] * rays[4] + columns[..., None] * rays[5]
    points = rays[0] + directions * depth[..., None]
    normals = np.zeros(points.shape)
    _write_normals(primitives, index, points, normals)
    color = _paint(room, index, points, normals, rng)
    coarse = (slice(None, None, DEPTH_STEP),) * 2
    facing = np.abs((normals * directions).sum(axis=2)) / np.linalg.norm(directions, axis=2)
    measured = depth[coarse] + rng.normal(0, 1, depth[coarse].shape) * (
        _NOISE_PER_M2 * depth[coarse] ** 2
    )
    is_measured = (index >= 0) & (facing > _GRAZING) & (depth < MAX_DEPTH_M)
    labels = np.where(index >= 0, primitives.category[np.maximum(index, 0)], np.uint8(0))
    return RoomImages(
        color,
        np.where(is_measured[coarse], np.rint(1000 * measured), 0).astype(np.uint16),
        labels[coarse],
    )


def _rays(
    intrinsics: NDArray[np.float64], T_room_camera: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Rays (6, 3) as `cast_grid` takes them; the ray parameter is the depth."""
    rotation, inverse = T_room_camera[:3, :3], np.linalg.inv(intrinsics)
    rays = np.zeros((6, 3))
    rays[0] = T_room_camera[:3, 3]
    rays[3:] = (rotation @ inverse[:, [2, 1, 0]]).T
    return rays


@njit(cache=True)
def _write_normals(
    primitives: Primitives,
    index: NDArray[np.int64],
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
) -> None:
    """Write the outward normals (H, W, 3) of the hit points."""
    local, normal = np.empty(3), np.empty(3)
    for row in range(index.shape[0]):
        for column in range(index.shape[1]):
            hit = index[row, column]
            if hit < 0:
                continue
            x, y, z = points[row, column]
            to_local(primitives, hit, x, y, z, local)
            surface_normal(primitives, hit, local, normal)
            for i in range(3):
                normals[row, column, i] = normal[i]


def _paint(
    room: Room,
    index: NDArray[np.int64],
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Light the hit points by a lamp at the ceiling and by what the walls throw back."""
    to_lamp = np.array([room.size[0] / 2, room.size[1] / 2, room.size[2] - 0.1]) - points
    distance = np.linalg.norm(to_lamp, axis=2)
    slant = np.maximum((normals * to_lamp).sum(axis=2) / np.maximum(distance, 0.1), 0)
    light = _AMBIENT * (0.75 + 0.25 * normals[..., 2]) + _LAMP * slant / (1 + 0.15 * distance**2)
    albedo = room.primitives.color[np.maximum(index, 0)]
    # Fine stripes, so that surfaces are not flat colors.
    grain = 1 + 0.06 * np.sin(37 * points[..., :1]) * np.sin(31 * points[..., 1:2] + 2)
    shown = np.where(index[..., None] >= 0, albedo * grain * light[..., None], 0.9)
    noise = rng.normal(0, _GRAIN, shown.shape)
    return np.clip(255 * np.clip(shown, 0, 1) ** (1 / 2.2) + noise, 0, 255).astype(np.uint8)
