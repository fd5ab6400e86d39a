"""The street under construction: the placed objects and the free space."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from clip2scene_core.world.layout.road import CROSSING_SIDEWALK_M, NO_CROSSING, Road
from clip2scene_core.world.layout.scene import SceneObject
from clip2scene_core.world.objects.looks import Looks
from clip2scene_core.world.primitives.parts import CONCRETE, FENCE, LEAVES, Part, box

RAW: Final = {
    "adult": 2, "child": 3, "worker": 4, "barrier": 9, "cone": 12, "bicycle": 14, "bus": 16,
    "car": 17, "construction": 18, "motorcycle": 21, "trailer": 22, "truck": 23,
    "terrain": 27, "manmade": 28, "vegetation": 30,
}  # fmt: skip
"""Raw lidarseg category of each kind of object."""

BASE_COLOR: Final = (0.33, 0.32, 0.31)
BEFORE_M: Final = 75.0
BEYOND_M: Final = 95.0


def base_of(looks: Looks) -> tuple[Part, ...]:
    """Parts below a building, wall, fence or hedge, so that no gap shows on uneven ground."""
    length, width, _ = looks.size
    if looks.word == "building":
        return (box((0, 0, -1.7), (length + 0.04, width + 0.04, 3.6), CONCRETE, BASE_COLOR),)
    if looks.word == "wall":
        return (box((0, 0, -0.6), (length, 0.3, 1.3), CONCRETE, BASE_COLOR),)
    if looks.word == "fence":
        return (box((0, 0, -0.35), (length, 0.06, 0.9), FENCE, looks.parts[0].color),)
    if looks.word == "hedge":
        return (box((0, 0, -0.4), (length, 0.75, 1.2), LEAVES, looks.parts[0].color),)
    return ()


@dataclass
class Street:
    """The objects placed so far. This is the only mutable stage of a scene.

    Attributes:
        rng: Generator of all random draws.
        road: Ground plan.
        length_m: Length of the path of the ego vehicle, metres; it starts at s = 0.
        density: 0 (open country) to 1 (dense city).
        autumn: Whether leaves have autumn colours.
        objects: Placed objects.
        taken: Occupied rectangles (s_low, s_high, d_low, d_high), metres.
        is_hilly: Whether the ground has a relief: long objects get a base that reaches below it.
    """

    rng: np.random.Generator
    road: Road
    length_m: float
    density: float
    autumn: bool
    objects: list[SceneObject] = field(default_factory=list)
    taken: list[tuple[float, float, float, float]] = field(default_factory=list)
    is_hilly: bool = False

    @property
    def s_low(self) -> float:
        """Road coordinate s of the first objects, metres."""
        return -BEFORE_M

    @property
    def s_high(self) -> float:
        """Road coordinate s of the last objects, metres."""
        return self.length_m + BEYOND_M

    def draw_bool(self, probability: float) -> bool:
        """Draw True with this probability."""
        return bool(self.rng.random() < probability)

    def between(self, low: float, high: float) -> float:
        """Draw a number from the uniform distribution on [low, high)."""
        return float(self.rng.uniform(low, high))

    def is_free(self, s: float, d: float, length: float, width: float) -> bool:
        """Whether a rectangle (road coordinates, metres) is free and not on the crossing."""
        low_s, high_s = s - length / 2, s + length / 2
        low_d, high_d = d - width / 2, d + width / 2
        if self.road.crossing_s != NO_CROSSING:
            clear = self.road.crossing_half_m + CROSSING_SIDEWALK_M + 1.0 + length / 2
            if abs(s - self.road.crossing_s) < clear + abs(self.road.curvature) * d * d * 0.5:
                return False
        return not any(
            low_s < b and a < high_s and low_d < e and c < high_d for a, b, c, e in self.taken
        )

    def occupy(self, s: float, d: float, length: float, width: float) -> None:
        """Mark a rectangle (road coordinates, metres) as taken."""
        self.taken.append((s - length / 2, s + length / 2, d - width / 2, d + width / 2))

    def keep_clear(self, d: float, half_m: float, ahead_m: float) -> None:
        """Mark the path of the ego vehicle along d as taken, metres."""
        self.occupy(self.length_m / 2, d, self.length_m + 2 * ahead_m, 2 * half_m)

    def put(
        self,
        looks: Looks,
        s: float,
        d: float,
        yaw: float = 0.0,
        speed: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """Place an object without a check of free space; speed is (along s, along d), m/s."""
        category, parts = RAW[looks.category], tuple(looks.parts)
        if self.is_hilly:
            if looks.word == "hill":
                return
            parts += base_of(looks)
        self.objects.append(
            SceneObject(
                category, looks.word, looks.color_name, looks.size, s, d, yaw, parts,
                speed[0], speed[1], category < 24, looks.has_rider,
            )
        )  # fmt: skip

    def try_put(
        self, looks: Looks, s: float, d: float, yaw: float = 0.0, margin: float = 0.3
    ) -> bool:
        """Place an object if its rectangle with a margin (metres) is free; return whether it is."""
        cosine, sine = abs(math.cos(yaw)), abs(math.sin(yaw))
        length = looks.size[0] * cosine + looks.size[1] * sine + 2 * margin
        width = looks.size[0] * sine + looks.size[1] * cosine + 2 * margin
        if not self.is_free(s, d, length, width):
            return False
        self.put(looks, s, d, yaw)
        self.occupy(s, d, length, width)
        return True
