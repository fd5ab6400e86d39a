"""Ray casting of primitives into a depth buffer, for cameras, the sun, and the LiDAR."""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from clip2scene_core.world.noise import hash_unit, noise3
from clip2scene_core.world.parts import BOX, ELLIPSOID, FENCE, LEAVES, SPOKES, Primitives

NEAR_M = 0.05


@njit(cache=True)
def _box_span(
    shape: NDArray[np.float64],
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
) -> tuple[float, float]:  # fmt: skip
    """Clip a ray against a unit box that narrows towards its top; (enter, leave)."""
    enter, leave = -1e30, 1e30
    for face in range(6):
        if face == 0:
            position, slope, limit = oz, dz, 1.0
        elif face == 1:
            position, slope, limit = -oz, -dz, 1.0
        elif face == 2:
            k = 0.5 * shape[0]
            position, slope, limit = ox + k * oz, dx + k * dz, 1.0 - k
        elif face == 3:
            k = 0.5 * shape[1]
            position, slope, limit = -ox + k * oz, -dx + k * dz, 1.0 - k
        elif face == 4:
            k = 0.5 * shape[2]
            position, slope, limit = oy + k * oz, dy + k * dz, 1.0 - k
        else:
            k = 0.5 * shape[2]
            position, slope, limit = -oy + k * oz, -dy + k * dz, 1.0 - k
        if abs(slope) < 1e-12:
            if position > limit:
                return 1.0, 0.0
            continue
        t = (limit - position) / slope
        if slope < 0:
            enter = max(enter, t)
        else:
            leave = min(leave, t)
        if enter > leave:
            return 1.0, 0.0
    return enter, leave


@njit(cache=True)
def _ball_span(
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float]:
    """Clip a ray against the unit ball; (enter, leave)."""
    a = dx * dx + dy * dy + dz * dz
    b = ox * dx + oy * dy + oz * dz
    c = ox * ox + oy * oy + oz * oz - 1.0
    root = b * b - a * c
    if root <= 0:
        return 1.0, 0.0
    root = math.sqrt(root)
    return (-b - root) / a, (-b + root) / a


@njit(cache=True)
def _frustum_span(
    taper: float, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float
) -> tuple[float, float]:
    """Clip a ray against a unit frustum about z whose radius falls by `taper` to the top."""
    low, high = -1e30, 1e30
    if abs(dz) < 1e-12:
        if abs(oz) > 1:
            return 1.0, 0.0
    else:
        low, high = (-1.0 - oz) / dz, (1.0 - oz) / dz
        if low > high:
            low, high = high, low
    k = 0.5 * taper
    radius = (1.0 - k) - k * oz
    a = dx * dx + dy * dy - k * k * dz * dz
    b = ox * dx + oy * dy + k * dz * radius
    c = ox * ox + oy * oy - radius * radius
    root = b * b - a * c
    if root <= 0 or abs(a) < 1e-14:
        return 1.0, 0.0
    root = math.sqrt(root)
    first, second = (-b - root) / a, (-b + root) / a
    if a > 0:
        return max(low, first), min(high, second)
    # Steeper than the cone's own slope: inside is outside the two roots, on the frustum's nappe.
    first, second = min(first, second), max(first, second)
    if dz < 0:
        return max(low, second), high
    return low, min(high, first)


@njit(cache=True)
def _is_hole(
    primitives: Primitives, index: int, x: float, y: float, z: float, facing: float
) -> bool:
    """Tell whether a hit at local (x, y, z), in units of the half extents, falls through."""
    material = primitives.material[index]
    half = primitives.half[index]
    if material == LEAVES:
        seed = index % 97
        mx, my, mz = x * half[0], y * half[1], z * half[2]
        clump = noise3(mx * 3.1, my * 3.1, mz * 3.1, seed)
        leaf = hash_unit(
            int(math.floor(mx * 11)), int(math.floor(my * 11)), int(math.floor(mz * 11)), seed
        )
        rim = 1.0 - min(facing, 1.0)
        return 0.62 * clump + 0.38 * leaf > 0.78 - 0.42 * rim * rim
    if material == FENCE:
        if abs(z) > 0.78 or abs(z) < 0.06:
            return False
        along = x * half[0] if half[0] > half[1] else y * half[1]
        return (along * 7.0) % 1.0 > 0.45
    if material == SPOKES:
        radius = math.sqrt(x * x + y * y)
        if radius > 0.86 or radius < 0.16:
            return False
        return (math.atan2(y, x) * 14.0 / math.pi) % 1.0 > 0.2
    return False


@njit(cache=True)
def _hit(
    primitives: Primitives, index: int,
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, limit: float,
) -> float:  # fmt: skip
    """Ray parameter of the first solid hit before `limit`, 0 for none; local unit coordinates."""
    kind = primitives.kind[index]
    if kind == BOX:
        enter, leave = _box_span(primitives.shape[index], ox, oy, oz, dx, dy, dz)
    elif kind == ELLIPSOID:
        enter, leave = _ball_span(ox, oy, oz, dx, dy, dz)
    else:
        enter, leave = _frustum_span(primitives.shape[index, 0], ox, oy, oz, dx, dy, dz)
    if enter >= leave or enter < 1e-6 or enter >= limit:
        return 0.0
    material = primitives.material[index]
    if material != LEAVES and material != FENCE and material != SPOKES:
        return enter
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    for attempt in range(2):
        t = enter if attempt == 0 else leave
        if t >= limit:
            return 0.0
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        # Crowns are ragged at the rim: the more the ray grazes, the more it falls through.
        norm = max(math.sqrt(x * x + y * y + z * z), 1e-9)
        facing = abs(x * dx + y * dy + z * dz) / (norm * length)
        if not _is_hole(primitives, index, x, y, z, facing):
            return t
    return 0.0


@njit(cache=True)
def cast_grid(
    primitives: Primitives,
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    rays: NDArray[np.float64],
    depth: NDArray[np.float64],
    hits: NDArray[np.int64],
) -> None:
    """Cast rays that are affine in (row, column): a pinhole camera, or the sun's parallel light.

    Args:
        primitives: The scene.
        order: (P,) int64, indices of primitives, nearest first.
        bounds: (P, 4) int64, first row, end row, first column, end column of each primitive.
        rays: (6, 3) float64: origin, its step per row and per column; direction, and its steps.
        depth: (H, W) float64, in and out: ray parameter of the nearest hit so far.
        hits: (H, W) int64, in and out: index of the primitive that was hit.
    """
    local = np.empty((6, 3))
    for index in order:
        first_row, end_row, first_column, end_column = bounds[index]
        if first_row >= end_row or first_column >= end_column:
            continue
        for axis in range(3):
            ax, ay, az = primitives.axes[index, axis]
            scale = 1.0 / primitives.half[index, axis]
            for i in range(6):
                vx, vy, vz = rays[i]
                if i == 0:
                    vx -= primitives.centre[index, 0]
                    vy -= primitives.centre[index, 1]
                    vz -= primitives.centre[index, 2]
                local[i, axis] = (ax * vx + ay * vy + az * vz) * scale
        for row in range(first_row, end_row):
            for column in range(first_column, end_column):
                t = _hit(
                    primitives, index,
                    local[0, 0] + row * local[1, 0] + column * local[2, 0],
                    local[0, 1] + row * local[1, 1] + column * local[2, 1],
                    local[0, 2] + row * local[1, 2] + column * local[2, 2],
                    local[3, 0] + row * local[4, 0] + column * local[5, 0],
                    local[3, 1] + row * local[4, 1] + column * local[5, 1],
                    local[3, 2] + row * local[4, 2] + column * local[5, 2],
                    depth[row, column],
                )  # fmt: skip
                if t > 0.0:
                    depth[row, column] = t
                    hits[row, column] = index


@njit(cache=True)
def cast_sphere(
    primitives: Primitives,
    origin: NDArray[np.float64],
    directions: NDArray[np.float64],
    azimuth_0: float,
    depth: NDArray[np.float64],
    hits: NDArray[np.int64],
) -> None:
    """Cast a revolution of a spinning LiDAR.

    Args:
        primitives: The scene.
        origin: (3,) float64, scene frame.
        directions: (H, W, 3) float64 unit rays; column c looks clockwise by c/W of a turn.
        azimuth_0: Azimuth of column 0 in the scene frame, radians.
        depth: (H, W) float64, in and out: range of the nearest hit so far.
        hits: (H, W) int64, in and out.
    """
    num_rows, num_columns = depth.shape
    o, d = np.empty(3), np.empty(3)
    for index in range(len(primitives.kind)):
        relative = primitives.centre[index] - origin
        first, last = _azimuth_span(primitives, index, origin, azimuth_0)
        start = int(math.floor(first * num_columns / (2 * math.pi))) - 1
        end = int(math.ceil(last * num_columns / (2 * math.pi))) + 2
        end = min(end, start + num_columns)
        radius = math.sqrt(np.sum(primitives.half[index] ** 2))
        distance = math.sqrt(np.sum(relative**2))
        if distance - radius > 110:
            continue
        spread = math.asin(radius / distance) if radius < distance else math.pi
        middle = math.asin(relative[2] / max(distance, 1e-9))
        for axis in range(3):
            o[axis] = -np.sum(primitives.axes[index, axis] * relative)
            o[axis] /= primitives.half[index, axis]
        for row in range(num_rows):
            if abs(math.asin(directions[row, 0, 2]) - middle) > spread + 0.02:
                continue
            for unwrapped in range(start, end):
                column = unwrapped % num_columns
                rx, ry, rz = directions[row, column]
                for axis in range(3):
                    ax, ay, az = primitives.axes[index, axis]
                    d[axis] = (ax * rx + ay * ry + az * rz) / primitives.half[index, axis]
                t = _hit(primitives, index, o[0], o[1], o[2], d[0], d[1], d[2], depth[row, column])
                if t > 0.0:
                    depth[row, column] = t
                    hits[row, column] = index


@njit(cache=True)
def _azimuth_span(
    primitives: Primitives, index: int, origin: NDArray[np.float64], azimuth_0: float
) -> tuple[float, float]:
    """Clockwise angles from column 0 between which a primitive lies; the whole turn when near."""
    centre = primitives.centre[index] - origin
    middle = azimuth_0 - math.atan2(centre[1], centre[0])
    low, high = 0.0, 0.0
    for corner in range(8):
        x, y = centre[0], centre[1]
        for axis in range(3):
            sign = 1.0 if (corner >> axis) & 1 else -1.0
            x += sign * primitives.half[index, axis] * primitives.axes[index, axis, 0]
            y += sign * primitives.half[index, axis] * primitives.axes[index, axis, 1]
        turn = azimuth_0 - math.atan2(y, x) - middle
        turn = (turn + math.pi) % (2 * math.pi) - math.pi
        low, high = min(low, turn), max(high, turn)
    if high - low > 0.9 * math.pi:
        return 0.0, 2 * math.pi
    return middle + low, middle + high


@njit(cache=True)
def grid_bounds(
    primitives: Primitives, rays: NDArray[np.float64], num_rows: int, num_columns: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Bound every primitive on a pinhole image.

    Args:
        primitives: The scene.
        rays: (6, 3) float64 as `cast_grid` takes them, without origin steps.
        num_rows: Rows of the image.
        num_columns: Columns of the image.

    Returns:
        Bounds (P, 4) int64, empty for what is out of sight, and the distance (P,) float64 of
        each primitive's near side, metres.
    """
    count = len(primitives.kind)
    bounds = np.zeros((count, 4), np.int64)
    distance = np.zeros(count)
    right = rays[5] / math.sqrt(np.sum(rays[5] ** 2))
    down = rays[4] / math.sqrt(np.sum(rays[4] ** 2))
    forward = np.cross(right, down)
    focal = 1.0 / math.sqrt(np.sum(rays[5] ** 2))
    left, top = np.sum(rays[3] * right) * focal, np.sum(rays[3] * down) * focal
    corners = np.empty((8, 3))
    for index in range(count):
        relative = primitives.centre[index] - rays[0]
        radius = math.sqrt(np.sum(primitives.half[index] ** 2))
        distance[index] = math.sqrt(np.sum(relative**2)) - radius
        if np.sum(relative * forward) < -radius or distance[index] > 400:
            continue
        for corner in range(8):
            offset = relative.copy()
            for axis in range(3):
                sign = 1.0 if (corner >> axis) & 1 else -1.0
                offset += sign * primitives.half[index, axis] * primitives.axes[index, axis]
            corners[corner, 0] = np.sum(offset * right)
            corners[corner, 1] = np.sum(offset * down)
            corners[corner, 2] = np.sum(offset * forward)
        low_u, high_u, low_v, high_v = _clipped_extent(corners, focal, left, top)
        bounds[index, 0] = max(0, int(math.floor(low_v)))
        bounds[index, 1] = min(num_rows, int(math.ceil(high_v)) + 1)
        bounds[index, 2] = max(0, int(math.floor(low_u)))
        bounds[index, 3] = min(num_columns, int(math.ceil(high_u)) + 1)
    return bounds, distance


@njit(cache=True)
def _clipped_extent(
    corners: NDArray[np.float64], focal: float, left: float, top: float
) -> tuple[float, float, float, float]:
    """Extent in pixels of a box (8, 3 camera coordinates), clipped at the near plane."""
    low_u, high_u, low_v, high_v = 1e9, -1e9, 1e9, -1e9
    for first in range(8):
        for bit in range(-1, 3):
            if bit < 0:
                x, y, z = corners[first]
                if z < NEAR_M:
                    continue
            else:
                second = first ^ (1 << bit)
                z_first, z_second = corners[first, 2], corners[second, 2]
                if not (z_first < NEAR_M <= z_second):
                    continue
                share = (NEAR_M - z_first) / (z_second - z_first)
                x = corners[first, 0] + share * (corners[second, 0] - corners[first, 0])
                y = corners[first, 1] + share * (corners[second, 1] - corners[first, 1])
                z = NEAR_M
            u = min(max(focal * x / z - left, -1e6), 1e6)
            v = min(max(focal * y / z - top, -1e6), 1e6)
            low_u, high_u = min(low_u, u), max(high_u, u)
            low_v, high_v = min(low_v, v), max(high_v, v)
    return low_u, high_u, low_v, high_v
