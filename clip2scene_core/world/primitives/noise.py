"""Deterministic lattice noise for the procedural materials."""

from __future__ import annotations

import math

from clip2scene_core.world.primitives.jit import njit


@njit(cache=True)
def hash_unit(ix: int, iy: int, iz: int, seed: int) -> float:
    """Hash three lattice indices and a seed to a number in [0, 1)."""
    mixed = (ix * 374761393 + iy * 668265263 + iz * 974634777 + seed * 1274126177) & 0xFFFFFFFF
    mixed = ((mixed ^ (mixed >> 13)) * 1274126177) & 0xFFFFFFFF
    mixed ^= mixed >> 16
    return mixed / 4294967296.0


@njit(cache=True)
def noise2(x: float, y: float, seed: int) -> float:
    """Smooth value noise in 2D, in [0, 1), on a lattice of unit cells."""
    ix, iy = math.floor(x), math.floor(y)
    fx, fy = x - ix, y - iy
    fx, fy = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy)
    jx, jy = int(ix), int(iy)
    low = hash_unit(jx, jy, 0, seed) * (1 - fx) + hash_unit(jx + 1, jy, 0, seed) * fx
    high = hash_unit(jx, jy + 1, 0, seed) * (1 - fx) + hash_unit(jx + 1, jy + 1, 0, seed) * fx
    return low * (1 - fy) + high * fy


@njit(cache=True)
def noise3(x: float, y: float, z: float, seed: int) -> float:
    """Smooth value noise in 3D, in [0, 1), on a lattice of unit cells."""
    ix, iy, iz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - ix, y - iy, z - iz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    jx, jy, jz = int(ix), int(iy), int(iz)
    total = 0.0
    for dz in range(2):
        low = hash_unit(jx, jy, jz + dz, seed) * (1 - fx)
        low += hash_unit(jx + 1, jy, jz + dz, seed) * fx
        high = hash_unit(jx, jy + 1, jz + dz, seed) * (1 - fx)
        high += hash_unit(jx + 1, jy + 1, jz + dz, seed) * fx
        plane = low * (1 - fy) + high * fy
        total += plane * (fz if dz == 1 else 1 - fz)
    return total


@njit(cache=True)
def clip01(value: float) -> float:
    """Clip to [0, 1]."""
    return min(max(value, 0.0), 1.0)


@njit(cache=True)
def detail(cell: float, footprint: float) -> float:
    """Weight in [0, 1] of a pattern with this cell size if a pixel covers `footprint`, both metres.

    Patterns smaller than a pixel fade to their mean, without flicker.
    """
    return clip01(1.5 - 1.25 * footprint / cell)


@njit(cache=True)
def line_cover(distance: float, half_width: float, footprint: float) -> float:
    """Share of a pixel that a line covers; `distance` is from its centre line, all in metres."""
    spread = max(footprint, 1e-4)
    reach = min(half_width + 0.5 * spread, abs(distance) + 0.5 * spread)
    inner = max(-half_width, abs(distance) - 0.5 * spread)
    return clip01((reach - inner) / spread) if abs(distance) < half_width + 0.5 * spread else 0.0
