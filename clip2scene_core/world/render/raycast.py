"""Cast rays onto primitives into a depth buffer, for cameras, the sun, and the LiDAR."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.primitives.bounds import azimuth_span
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import hash_unit, noise3
from clip2scene_core.world.primitives.parts import (
    BOX,
    ELLIPSOID,
    FENCE,
    LEAVES,
    SPOKES,
    Primitives,
)


@njit(cache=True)
def _box_span(
    a: float, b: float, c: float,
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
) -> tuple[float, float]:  # fmt: skip
    """Intersect a ray with a unit box that narrows towards its top; returns (enter, leave)."""
    enter, leave = -1e30, 1e30
    if a == 0.0 and b == 0.0 and c == 0.0:
        for position, slope in ((ox, dx), (oy, dy), (oz, dz)):
            if abs(slope) < 1e-12:
                if abs(position) > 1.0:
                    return 1.0, 0.0
                continue
            inverse = 1.0 / slope
            reach = abs(inverse)
            enter = max(enter, -position * inverse - reach)
            leave = min(leave, -position * inverse + reach)
        return enter, leave
    for face in range(6):
        if face == 0:
            position, slope, limit = oz, dz, 1.0
        elif face == 1:
            position, slope, limit = -oz, -dz, 1.0
        elif face == 2:
            k = 0.5 * a
            position, slope, limit = ox + k * oz, dx + k * dz, 1.0 - k
        elif face == 3:
            k = 0.5 * b
            position, slope, limit = -ox + k * oz, -dx + k * dz, 1.0 - k
        elif face == 4:
            k = 0.5 * c
            position, slope, limit = oy + k * oz, dy + k * dz, 1.0 - k
        else:
            k = 0.5 * c
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
    """Intersect a ray with the unit ball; returns (enter, leave)."""
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
    """Intersect a ray with a unit frustum about z whose radius decreases by `taper` to the top."""
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
    # The ray is steeper than the cone, so it is inside the cone outside of the two roots.
    first, second = min(first, second), max(first, second)
    if dz < 0:
        return max(low, second), high
    return low, min(high, first)


@njit(cache=True)
def _is_hole(
    material: int, seed: int, mx: float, my: float, mz: float, x: float, y: float, z: float,
    facing: float,
) -> bool:  # fmt: skip
    """Whether a hit is in a hole of the material; mx, my, mz in metres, x, y, z in half extents."""
    if material == LEAVES:
        clump = noise3(mx * 3.1, my * 3.1, mz * 3.1, seed)
        leaf = hash_unit(math.floor(mx * 11), math.floor(my * 11), math.floor(mz * 11), seed)
        rim = 1.0 - min(facing, 1.0)
        return 0.62 * clump + 0.38 * leaf > 0.76 - 0.46 * rim * rim
    if material == FENCE:
        if abs(z) > 0.78 or abs(z) < 0.06:
            return False
        along = mx if abs(x) * abs(my) < abs(y) * abs(mx) else my
        return (along * 7.0) % 1.0 > 0.45
    radius = math.sqrt(x * x + y * y)
    if radius > 0.86 or radius < 0.16:
        return False
    return (math.atan2(y, x) * 14.0 / math.pi) % 1.0 > 0.2


@njit(cache=True)
def _span(
    kind: int, a: float, b: float, c: float,
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
) -> tuple[float, float]:  # fmt: skip
    """Intersect a ray in local unit coordinates with a part; returns (enter, leave)."""
    if kind == BOX:
        return _box_span(a, b, c, ox, oy, oz, dx, dy, dz)
    if kind == ELLIPSOID:
        return _ball_span(ox, oy, oz, dx, dy, dz)
    return _frustum_span(a, ox, oy, oz, dx, dy, dz)


@njit(cache=True)
def _solid_hit(
    material: int, seed: int, hx: float, hy: float, hz: float,
    ox: float, oy: float, oz: float, dx: float, dy: float, dz: float,
    enter: float, leave: float, limit: float,
) -> float:  # fmt: skip
    """Ray parameter of the first hit that is not in a hole, 0 for none.

    The arguments are scalars: an array view per ray is slower than the intersection.
    """
    if enter >= leave or enter < 1e-6 or enter >= limit:
        return 0.0
    if material != LEAVES and material != FENCE and material != SPOKES:
        return enter
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    for attempt in range(2):
        t = enter if attempt == 0 else leave
        if t >= limit:
            return 0.0
        x, y, z = ox + t * dx, oy + t * dy, oz + t * dz
        # Crowns have ragged edges: a ray at a grazing angle more often passes through.
        norm = max(math.sqrt(x * x + y * y + z * z), 1e-9)
        facing = abs(x * dx + y * dy + z * dz) / (norm * length)
        if not _is_hole(material, seed, x * hx, y * hy, z * hz, x, y, z, facing):
            return t
    return 0.0


@njit(cache=True)
def cast_grid(
    primitives: Primitives,
    order: NDArray[np.int64],
    bounds: NDArray[np.int64],
    nearest: NDArray[np.float64],
    rays: NDArray[np.float64],
    depth: NDArray[np.float64],
    hits: NDArray[np.int64],
) -> None:
    """Cast rays that are affine in (row, column): a pinhole camera, or the sun's parallel light.

    Args:
        primitives: P primitives of the scene.
        order: int64 indices of the primitives to hit, nearest first.
        bounds: (P, 4) int64: first row, end row, first column, end column of each primitive.
        nearest: (P,) float64, minimum ray parameter of each primitive.
        rays: (6, 3) float64: origin, its step per row and per column; direction, its step per row
            and per column.
        depth: (H, W) float64, input and output: ray parameter of the nearest hit.
        hits: (H, W) int64, input and output: index of the primitive of the nearest hit.
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
                    vx -= primitives.center[index, 0]
                    vy -= primitives.center[index, 1]
                    vz -= primitives.center[index, 2]
                local[i, axis] = (ax * vx + ay * vy + az * vz) * scale
        kind, material = primitives.kind[index], primitives.material[index]
        a, b, c = primitives.shape[index]
        hx, hy, hz = primitives.half[index]
        closest = nearest[index]
        for row in range(first_row, end_row):
            for column in range(first_column, end_column):
                limit = depth[row, column]
                if limit <= closest:
                    continue
                ox = local[0, 0] + row * local[1, 0] + column * local[2, 0]
                oy = local[0, 1] + row * local[1, 1] + column * local[2, 1]
                oz = local[0, 2] + row * local[1, 2] + column * local[2, 2]
                dx = local[3, 0] + row * local[4, 0] + column * local[5, 0]
                dy = local[3, 1] + row * local[4, 1] + column * local[5, 1]
                dz = local[3, 2] + row * local[4, 2] + column * local[5, 2]
                enter, leave = _span(kind, a, b, c, ox, oy, oz, dx, dy, dz)
                t = _solid_hit(
                    material, index % 97, hx, hy, hz, ox, oy, oz, dx, dy, dz, enter, leave, limit
                )
                if t > 0.0:
                    depth[row, column] = t
                    hits[row, column] = index


@njit(cache=True)
def _column_interval(turns: NDArray[np.float64], low: float, high: float) -> tuple[int, int]:
    """First and end column (to be wrapped) with a turn from `low` to `high`, radians."""
    full = 2 * math.pi
    if high - low >= full:
        return 0, len(turns)
    wraps = math.floor(low / full)
    low, high = low - wraps * full, high - wraps * full
    start = int(np.searchsorted(turns, low))
    if high < full:
        return start, int(np.searchsorted(turns, high, side="right"))
    return start, len(turns) + int(np.searchsorted(turns, high - full, side="right"))


@njit(cache=True)
def cast_sphere(
    primitives: Primitives,
    origins: NDArray[np.float64],
    rays: NDArray[np.float64],
    azimuth_0: float,
    swing: float,
    turns: NDArray[np.float64],
    elevations: NDArray[np.float64],
    reach_m: float,
    ranges: NDArray[np.float64],
    hits: NDArray[np.int64],
) -> None:
    """Cast the rays of a LiDAR, column by column, in a frame in which it stands upright.

    Args:
        primitives: P primitives of the scene, in that frame.
        origins: (W, 3) float64, position of the sensor at each firing, metres.
        rays: (3, H, W) float64, unit vectors.
        azimuth_0: Azimuth of the turn 0 for a sensor that does not rotate, radians.
        swing: Maximum difference of a ray's azimuth from that of its column for a sensor that does
            not rotate, and of its elevation from that of its row, radians.
        turns: (W,) float64 in [0, 2 pi), ascending: clockwise angle of each column from azimuth_0.
        elevations: (H, 2) float64, lowest and highest elevation of each row, radians.
        reach_m: Nothing farther is hit, metres.
        ranges: (H, W) float64, input and output: range of the nearest hit, metres.
        hits: (H, W) int64, input and output: index of the primitive of the nearest hit.
    """
    num_rows, num_columns = ranges.shape
    matrix, local = np.empty((3, 3)), np.empty((num_columns, 3))
    origin = origins[num_columns - 1]
    travel = math.sqrt(np.sum((origins[0] - origin) ** 2))
    # A steep ray turns by more than the angle of a motion.
    steepness = 1.0 / max(math.cos(np.max(np.abs(elevations))), 0.05)
    for index in range(len(primitives.kind)):
        hx, hy, hz = primitives.half[index]
        relative = primitives.center[index] - origin
        radius = math.sqrt(hx * hx + hy * hy + hz * hz)
        distance = math.sqrt(np.sum(relative**2))
        closest = distance - radius - travel
        if closest > reach_m:
            continue
        first, last = azimuth_span(primitives, index, origin, azimuth_0)
        slack = swing
        if travel > 0:
            slack += math.asin(travel / closest) * steepness if travel < closest else math.pi
        start, end = _column_interval(turns, first - slack, last + slack)
        # Two columns more on each side, because a part may widen towards its top.
        start, end = start - 2, min(end + 2, start - 2 + num_columns)
        spread = math.asin(radius / distance) if radius < distance else math.pi
        middle = math.asin(relative[2] / max(distance, 1e-9))
        lowest, highest = middle - spread - slack - 0.02, middle + spread + slack + 0.02
        for axis in range(3):
            matrix[axis] = primitives.axes[index, axis] / primitives.half[index, axis]
        for unwrapped in range(start, end):
            column = unwrapped % num_columns
            for axis in range(3):
                total = 0.0
                for i in range(3):
                    offset = origins[column, i] - primitives.center[index, i]
                    total += matrix[axis, i] * offset
                local[column, axis] = total
        kind, material = primitives.kind[index], primitives.material[index]
        a, b, c = primitives.shape[index]
        for row in range(num_rows):
            if elevations[row, 1] < lowest or elevations[row, 0] > highest:
                continue
            for unwrapped in range(start, end):
                column = unwrapped % num_columns
                limit = ranges[row, column]
                if limit <= closest:
                    continue
                ox, oy, oz = local[column]
                rx, ry, rz = rays[0, row, column], rays[1, row, column], rays[2, row, column]
                dx = matrix[0, 0] * rx + matrix[0, 1] * ry + matrix[0, 2] * rz
                dy = matrix[1, 0] * rx + matrix[1, 1] * ry + matrix[1, 2] * rz
                dz = matrix[2, 0] * rx + matrix[2, 1] * ry + matrix[2, 2] * rz
                enter, leave = _span(kind, a, b, c, ox, oy, oz, dx, dy, dz)
                t = _solid_hit(
                    material, index % 97, hx, hy, hz, ox, oy, oz, dx, dy, dz, enter, leave, limit
                )
                if t > 0.0:
                    ranges[row, column] = t
                    hits[row, column] = index
