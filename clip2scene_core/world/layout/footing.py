"""How objects and the ego vehicle stand on a relief, and how the ego vehicle sways."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.world.layout.relief import height_at

CHASSIS: Final = {"car": (2.7, 1.6), "truck": (4.2, 2.0), "robot": (0.6, 0.5)}
"""Wheelbase and track of each platform, metres; the origin of the ego frame is the rear axle."""

LEANING_CATEGORIES: Final = (9, 12, 14, 16, 17, 18, 21, 22, 23)
"""Raw categories of objects that lie on the ground as it slopes: vehicles, barriers, cones."""

LEANING_WORDS: Final = ("wall", "fence", "hedge")
NARROW_CATEGORIES: Final = (14, 21)
"""Two-wheelers follow the slope along their length only."""


@dataclass(frozen=True)
class Ride:
    """Motion of the ego vehicle on its suspension.

    Attributes:
        pitch: Amplitude, radians; positive lowers the front.
        roll: Amplitude, radians.
        heave_m: Amplitude, metres.
        hertz: Frequency of pitch; roll and heave have others near it.
        phase: Phase at time 0, radians.
        brake_s: Time of one braking, seconds.
        brake_pitch: Pitch of that braking, radians.
    """

    pitch: float = 0.0
    roll: float = 0.0
    heave_m: float = 0.0
    hertz: float = 0.5
    phase: float = 0.0
    brake_s: float = 0.0
    brake_pitch: float = 0.0

    def sway(self, seconds: float) -> tuple[float, float, float]:
        """Pitch and roll in radians and heave in metres at a time."""
        turn = 2 * math.pi * self.hertz * seconds + self.phase
        brake = self.brake_pitch * math.exp(-(((seconds - self.brake_s) / 0.7) ** 2))
        return (
            self.pitch * (0.7 * math.sin(turn) + 0.3 * math.sin(2.3 * turn)) + brake,
            self.roll * (0.7 * math.sin(0.71 * turn + 1.0) + 0.3 * math.sin(1.9 * turn + 2.0)),
            self.heave_m * math.sin(1.37 * turn + 0.5),
        )


RIGID: Final = Ride()


def draw_ride(rng: np.random.Generator, seconds: float) -> Ride:
    """Draw the suspension of a scene of this length, seconds."""
    return Ride(
        pitch=math.radians(float(rng.uniform(0.1, 0.8))),
        roll=math.radians(float(rng.uniform(0.1, 0.9))),
        heave_m=float(rng.uniform(0.003, 0.02)),
        hertz=float(rng.uniform(0.2, 0.8)),
        phase=float(rng.uniform(0, 2 * math.pi)),
        brake_s=float(rng.uniform(-1.0, seconds)),
        brake_pitch=math.radians(float(rng.uniform(0.4, 1.0))) if rng.random() < 0.4 else 0.0,
    )


def rotation_on_slope(heading: float, along: float, across: float) -> NDArray[np.float64]:
    """Rotation (3, 3) of a body on a slope.

    Args:
        heading: Direction of the body's x axis seen from above, radians.
        along: Slope along its x axis, relative, positive upwards.
        across: Slope along its y axis, relative.
    """
    cosine, sine = math.cos(heading), math.sin(heading)
    forward = np.array([cosine, sine, along]) / math.sqrt(1 + along * along)
    # The cross product of the slopes along both axes is the normal of the ground.
    up = np.array([-cosine * along + sine * across, -sine * along - cosine * across, 1.0])
    up /= math.sqrt(1 + along * along + across * across)
    left = [
        up[1] * forward[2] - up[2] * forward[1],
        up[2] * forward[0] - up[0] * forward[2],
        up[0] * forward[1] - up[1] * forward[0],
    ]
    return np.column_stack([forward, left, up])


def object_on_ground(
    plan: NDArray[np.float64], x: float, y: float, heading: float,
    category: int, word: str, size: tuple[float, float, float],
) -> NDArray[np.float64]:  # fmt: skip
    """Pose of an object on a relief.

    Args:
        plan: Packed ground plan with relief.
        x: x of its middle, metres, scene frame.
        y: y of its middle, metres, scene frame.
        heading: Direction of its x axis, radians.
        category: Raw lidarseg category.
        word: Word of the object; walls, fences and hedges follow the slope along their length.
        size: Length, width, height, metres.

    Returns:
        (4, 4) float64 T_scene_object.
    """
    pose = np.eye(4)
    cosine, sine = math.cos(heading), math.sin(heading)
    if category not in LEANING_CATEGORIES and word not in LEANING_WORDS:
        pose[:3, :3] = rotation_on_slope(heading, 0.0, 0.0)
        reach = 0.0 if word == "building" else 0.4
        corners = [(0.0, 0.0)] + [(a * reach * size[0], b * reach * size[1])
                                  for a in (-1, 1) for b in (-1, 1)]  # fmt: skip
        z = min(height_at(plan, x + a * cosine - b * sine, y + a * sine + b * cosine)
                for a, b in corners)  # fmt: skip
        pose[:3, 3] = x, y, z
        return pose
    is_narrow = category in NARROW_CATEGORIES or word in LEANING_WORDS
    base, track = 0.62 * size[0], 0.0 if is_narrow else 0.85 * size[1]
    z, along, across = _contact(plan, x, y, heading, base, track)
    pose[:3, :3] = rotation_on_slope(heading, along, across)
    pose[:3, 3] = x, y, z
    return pose


def _contact(
    plan: NDArray[np.float64], x: float, y: float, heading: float, base: float, track: float
) -> tuple[float, float, float]:
    """Height of the middle of four wheels, and the slopes along and across; metres."""
    cosine, sine = math.cos(heading), math.sin(heading)
    front, back, left, right = 0.0, 0.0, 0.0, 0.0
    for a in (-base / 2, base / 2):
        for b in (-track / 2, track / 2):
            # The mean of three points: a kerb lifts a wheel over some way, not at once.
            ground = 0.0
            for shift in (-0.2, 0.0, 0.2):
                u = a + shift
                ground += height_at(plan, x + u * cosine - b * sine, y + u * sine + b * cosine) / 3
            front, back = front + (ground if a > 0 else 0.0), back + (ground if a < 0 else 0.0)
            left, right = left + (ground if b > 0 else 0.0), right + (ground if b < 0 else 0.0)
    across = (left - right) / (2 * track) if track > 0 else 0.0
    return (front + back) / 4, (front - back) / (2 * base), across


def ego_on_ground(
    plan: NDArray[np.float64], x: float, y: float, heading: float, platform: str,
    sway: tuple[float, float, float],
) -> NDArray[np.float64]:  # fmt: skip
    """Pose of the ego vehicle on a relief.

    Args:
        plan: Packed ground plan with relief.
        x: x of the rear axle, metres, scene frame.
        y: y of the rear axle, metres, scene frame.
        heading: Direction of travel, radians.
        platform: Key of CHASSIS.
        sway: Pitch and roll of the body in radians and heave in metres.

    Returns:
        (4, 4) float64 T_scene_ego.
    """
    base, track = CHASSIS[platform]
    ahead = base / 2
    middle = x + ahead * math.cos(heading), y + ahead * math.sin(heading)
    z, along, across = _contact(plan, *middle, heading, base, track)
    pitch, roll, heave_m = sway
    pose = np.eye(4)
    pose[:3, :3] = rotation_on_slope(heading, along - math.tan(pitch), across + math.tan(roll))
    pose[:3, 3] = x, y, z - ahead * along + heave_m
    return pose
