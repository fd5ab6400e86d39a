"""Light of street lamps and headlights at night, as a map of the ground.

Lamps cast no shadows. Objects get the light of the ground below them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import relief_at
from clip2scene_core.world.layout.scene import Scene, ego_pose
from clip2scene_core.world.primitives.jit import njit
from clip2scene_core.world.primitives.noise import clip01
from clip2scene_core.world.primitives.parts import LAMP, Primitives

TEXEL_M: Final = 0.5
POOL_REACH_M: Final = 18.0
BEAM_REACH_M: Final = 34.0
LAMP_HEIGHT_M: Final = 4.5
"""Height of street lamps; at this distance from the lamp the light of the ground is a third."""

WARM: Final = np.array([0.95, 0.66, 0.36])
WHITE: Final = np.array([0.5, 0.5, 0.46])
EGO_FRONT_M: Final = 3.7


@dataclass(frozen=True)
class Lamplight:
    """Light of lamps on the ground.

    Attributes:
        light: (H, W, 3) float64 linear RGB; 1 is daylight.
        frame: (3,) float64: x and y of texel (0, 0), metres per texel, scene frame.
    """

    light: NDArray[np.float64]
    frame: NDArray[np.float64]


NO_LAMPLIGHT: Final = Lamplight(np.zeros((1, 1, 3)), np.array([0.0, 0.0, 1.0]))


def lamplight_of(
    scene: Scene, primitives: Primitives, seconds: float, frame: NDArray[np.float64]
) -> Lamplight:
    """Add the light of street lamps, of the headlights of traffic and of the ego vehicle.

    Args:
        scene: The scene.
        primitives: All primitives at that time, scene frame.
        seconds: Time since the start of the scene, seconds.
        frame: (4,) float64: x and y of the corner of the map, its width and height; metres.
    """
    shape = np.ceil(frame[2:] / TEXEL_M).astype(int)
    lamplight = Lamplight(np.zeros((shape[1], shape[0], 3)), np.array([*frame[:2], TEXEL_M]))
    is_lamp = (primitives.material == LAMP) & (primitives.color.min(axis=1) > 0.4)
    for index in np.flatnonzero(is_lamp):
        place, ahead = primitives.center[index], primitives.axes[index, 0]
        if place[2] - relief_at(scene.plan, place[0], place[1]) > 3.0:
            _add_pool(lamplight.light, lamplight.frame, place, WARM)
        elif scene.objects[primitives.instance[index]].is_moving:
            _add_beam(lamplight.light, lamplight.frame, place, ahead, WHITE)
    T_scene_ego = ego_pose(scene, seconds)
    ahead = T_scene_ego[:3, 0]
    front = T_scene_ego[:3, 3] + EGO_FRONT_M * ahead
    _add_beam(lamplight.light, lamplight.frame, front, ahead, 2 * WHITE)
    return lamplight


@njit(cache=True)
def _window(
    light: NDArray[np.float64], frame: NDArray[np.float64], place: NDArray[np.float64], reach: float
) -> tuple[int, int, int, int]:
    """Part of the map within reach of a lamp: first and end row, first and end column.

    It is empty if the lamp is outside the map.
    """
    row, column = (place[1] - frame[1]) / frame[2], (place[0] - frame[0]) / frame[2]
    span = reach / frame[2]
    return (
        max(0, int(row - span)), min(light.shape[0], int(row + span) + 1),
        max(0, int(column - span)), min(light.shape[1], int(column + span) + 1),
    )  # fmt: skip


@njit(cache=True)
def _add_pool(
    light: NDArray[np.float64], frame: NDArray[np.float64], place: NDArray[np.float64],
    color: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add the light below a street lamp, by the cosine law for a lamp at LAMP_HEIGHT_M."""
    top, bottom, left, right = _window(light, frame, place, POOL_REACH_M)
    for row in range(top, bottom):
        for column in range(left, right):
            across = frame[0] + column * frame[2] - place[0]
            along = frame[1] + row * frame[2] - place[1]
            square = across * across + along * along
            fade = clip01(2.0 - 2.0 * math.sqrt(square) / POOL_REACH_M)
            gain = fade / (1 + square / (LAMP_HEIGHT_M * LAMP_HEIGHT_M)) ** 1.5
            for c in range(3):
                light[row, column, c] += gain * color[c]


@njit(cache=True)
def _add_beam(
    light: NDArray[np.float64], frame: NDArray[np.float64], place: NDArray[np.float64],
    ahead: NDArray[np.float64], color: NDArray[np.float64],
) -> None:  # fmt: skip
    """Add the light in front of a headlight in the direction `ahead`."""
    top, bottom, left, right = _window(light, frame, place, BEAM_REACH_M)
    for row in range(top, bottom):
        for column in range(left, right):
            x = frame[0] + column * frame[2] - place[0]
            y = frame[1] + row * frame[2] - place[1]
            along = x * ahead[0] + y * ahead[1]
            if along <= 0:
                continue
            across = (x * ahead[1] - y * ahead[0]) / (0.9 + 0.22 * along)
            if abs(across) > 2.5:
                continue
            fade = clip01(0.4 * along) * clip01(2.0 - 2.0 * along / BEAM_REACH_M)
            gain = fade * math.exp(-across * across) / (1 + (along / 13.0) ** 2)
            for c in range(3):
                light[row, column, c] += gain * color[c]


@njit(cache=True)
def lamplight_at(
    light: NDArray[np.float64], frame: NDArray[np.float64], point: NDArray[np.float64],
    out: NDArray[np.float64], ground: float = 0.0,
) -> None:  # fmt: skip
    """Write the light of lamps at a point (3,) to out (3,); it fades above the lamps.

    `ground` is the height of the ground there, metres.
    """
    u, v = (point[0] - frame[0]) / frame[2], (point[1] - frame[1]) / frame[2]
    fade = clip01(1.5 - (point[2] - ground) / 6.0)
    if fade == 0 or not (0 <= u < light.shape[1] - 1 and 0 <= v < light.shape[0] - 1):
        out[:] = 0.0
        return
    row, column = int(v), int(u)
    fv, fu = v - row, u - column
    for c in range(3):
        low = light[row, column, c] * (1 - fu) + light[row, column + 1, c] * fu
        high = light[row + 1, column, c] * (1 - fu) + light[row + 1, column + 1, c] * fu
        out[c] = fade * (low * (1 - fv) + high * fv)
