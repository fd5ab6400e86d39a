"""The kinds of corruption, with five strengths each, in physical units."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class Fog:
    """Fog: droplets that attenuate light and scatter it back.

    Attributes:
        visibility_m: Meteorological visibility, metres: the distance at which 5 % of the contrast
            is left.
    """

    visibility_m: float

    def __str__(self) -> str:
        return f"visibility {self.visibility_m:g} m"


@dataclass(frozen=True)
class Rain:
    """Rain: drops in front of the sensors, and wet surfaces.

    Attributes:
        rate_mm_h: Rainfall, millimetres per hour.
        wet_reflectivity: Reflectivity of a wet surface over that of the dry surface.
    """

    rate_mm_h: float
    wet_reflectivity: float

    def __str__(self) -> str:
        return f"{self.rate_mm_h:g} mm/h, surfaces reflect {100 * self.wet_reflectivity:g} %"


@dataclass(frozen=True)
class BeamLoss:
    """LiDAR lasers that do not fire.

    Attributes:
        share: Share of the rings of the LiDAR without points, 0 to 1.
    """

    share: float

    def __str__(self) -> str:
        return f"{100 * self.share:g} % of the rings"


@dataclass(frozen=True)
class MotionSmear:
    """Motion during a revolution without motion compensation.

    Attributes:
        speed_mps: Forward speed, metres per second.
        yaw_rate_deg_s: Absolute yaw rate, degrees per second.
    """

    speed_mps: float
    yaw_rate_deg_s: float

    def __str__(self) -> str:
        return f"{self.speed_mps:g} m/s and {self.yaw_rate_deg_s:g} deg/s"


@dataclass(frozen=True)
class CrossTalk:
    """Pulses of another LiDAR that the LiDAR receives as its own.

    Attributes:
        share: Share of the points with a false range, 0 to 1.
    """

    share: float

    def __str__(self) -> str:
        return f"{100 * self.share:g} % of the points"


@dataclass(frozen=True)
class Miscalibration:
    """Cameras with wrong extrinsics.

    Attributes:
        angle_deg: Angle of the rotation about a random axis, degrees.
        distance_m: Length of the translation in a random direction, metres.
    """

    angle_deg: float
    distance_m: float

    def __str__(self) -> str:
        return f"{self.angle_deg:g} deg and {100 * self.distance_m:g} cm"


@dataclass(frozen=True)
class TimeOffset:
    """Cameras whose clock is ahead of the LiDAR's clock.

    Attributes:
        offset_ms: Stamp of an image minus its true time, milliseconds.
    """

    offset_ms: float

    def __str__(self) -> str:
        return f"{self.offset_ms:g} ms"


@dataclass(frozen=True)
class CameraLoss:
    """Cameras without images.

    Attributes:
        num_cameras: Number of lost cameras; at most all are lost.
    """

    num_cameras: int

    def __str__(self) -> str:
        return f"{self.num_cameras}"


Parameters = (
    Fog | Rain | BeamLoss | MotionSmear | CrossTalk | Miscalibration | TimeOffset | CameraLoss
)

NUM_STRENGTHS: Final = 5
STRENGTHS: Final[dict[str, tuple[Parameters, ...]]] = {
    "fog": tuple(Fog(visibility) for visibility in (300, 150, 100, 50, 30)),
    "rain": (Rain(10, 0.8), Rain(20, 0.65), Rain(35, 0.5), Rain(60, 0.35), Rain(100, 0.2)),
    "beam_loss": tuple(BeamLoss(share) for share in (0.125, 0.25, 0.375, 0.5, 0.75)),
    "motion_smear": (
        MotionSmear(5, 10), MotionSmear(10, 20), MotionSmear(15, 30), MotionSmear(20, 45),
        MotionSmear(30, 60),
    ),
    "cross_talk": tuple(CrossTalk(share) for share in (0.005, 0.01, 0.02, 0.04, 0.08)),
    "calibration": (
        Miscalibration(0.5, 0.02), Miscalibration(1, 0.05), Miscalibration(2, 0.1),
        Miscalibration(3, 0.15), Miscalibration(5, 0.2),
    ),
    "time_offset": tuple(TimeOffset(offset) for offset in (20, 50, 100, 200, 400)),
    "camera_loss": tuple(CameraLoss(count) for count in (1, 2, 3, 4, 5)),
}  # fmt: skip
"""Parameters of the strengths 1 to 5, by kind."""


@dataclass(frozen=True)
class Corruption:
    """One corruption of a whole data set.

    Attributes:
        kind: Key of STRENGTHS.
        strength: 1 (slight) to 5 (severe).
        seed: Seed of all random draws. A reading is corrupted in the same way in every sample and
            in any order, and a lost beam or camera is lost in the whole scene.

    Raises:
        ValueError: If the kind or the strength is unknown.

    Source: the idea of graded corruptions is Robo3D's (Kong et al., ICCV 2023).
    """

    kind: str
    strength: int
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in STRENGTHS:
            raise ValueError(f"kind must be one of {', '.join(STRENGTHS)}; got {self.kind!r}")
        if self.strength not in range(1, NUM_STRENGTHS + 1):
            raise ValueError(f"strength must be 1 to {NUM_STRENGTHS}, got {self.strength!r}")

    @property
    def parameters(self) -> Parameters:
        """The physical values of this kind and strength."""
        return STRENGTHS[self.kind][self.strength - 1]

    def stream(self, *parts: object) -> np.random.Generator:
        """Make the random generator for one purpose; it is the same for all strengths.

        Args:
            parts: Values that name the purpose: scene, stamp, sensor.
        """
        # `clip2scene --help` lists the strengths and must not wait for the import of NumPy.
        import numpy as np

        name = "/".join(map(str, (self.seed, *parts)))
        return np.random.default_rng(list(hashlib.sha256(name.encode()).digest()))
