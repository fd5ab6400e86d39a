"""What a lens does to the direction of a ray, and where its model ends.

Written out instead of taken from OpenCV: the way from a ray to its pixel is in closed form, and
OpenCV does not say where a model ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from clip2scene_core.sample import Lens

_REAL: Final = 1e-6
"""Roots with a smaller share of imaginary part are real: rounding splits a double root."""


def distort(directions: NDArray[np.float64], lens: Lens) -> NDArray[np.float64]:
    """Bend rays as a lens does.

    A polynomial was fitted to the angles that the picture shows. Beyond them it may turn back, and
    then sends rays from far outside into the picture. So a ray has a direction only up to the
    first place where its neighbors would no longer come out in their order.

    Args:
        directions: (N, 2) float64: x / z and y / z of the rays in the optical frame.
        lens: The lens.

    Returns:
        (N, 2) float64, what the pinhole matrix takes; NaN outside the field of the model.

    Source: OpenCV's calibrateCamera (brown), and its fisheye, after Kannala and Brandt, "A generic
    camera model and calibration method", PAMI 2006.
    """
    if lens.model == "pinhole":
        return directions.astype(np.float64)
    bent = _distort_fisheye if lens.model == "fisheye" else _distort_brown
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        return bent(directions, lens.coefficients)


def _distort_fisheye(
    directions: NDArray[np.float64], coefficients: tuple[float, ...]
) -> NDArray[np.float64]:
    radius = np.hypot(directions[:, 0], directions[:, 1])
    angle = np.arctan(radius)
    squared = Polynomial([1.0, *coefficients])  # of angle**2
    # d(angle * squared) / d(angle) = squared + 2 angle**2 squared'
    rise = squared + Polynomial([0.0, 2.0]) * squared.deriv()
    bent_angle = angle * squared(angle**2)
    scale = np.divide(bent_angle, radius, out=np.ones_like(radius), where=radius > 0)
    scale[~(angle**2 < _first_root(rise))] = np.nan
    bent: NDArray[np.float64] = directions * scale[:, None]
    return bent


def _distort_brown(
    directions: NDArray[np.float64], coefficients: tuple[float, ...]
) -> NDArray[np.float64]:
    brown = _Brown(*coefficients)
    x, y = directions.T
    squared = x**2 + y**2
    above, below = brown.above, brown.below
    factor = above(squared) / below(squared)
    bent_x = x * factor + 2 * brown.p1 * x * y + brown.p2 * (squared + 2 * x**2)
    bent_y = y * factor + brown.p1 * (squared + 2 * y**2) + 2 * brown.p2 * x * y
    bent_x = bent_x + brown.s1 * squared + brown.s2 * squared**2
    bent_y = bent_y + brown.s3 * squared + brown.s4 * squared**2
    is_outside = ~(squared < brown.end) | ~(brown.orientation(x, y) > 0)
    bent = brown.tilted(np.column_stack([bent_x, bent_y]))
    bent[is_outside] = np.nan
    return bent


@dataclass(frozen=True)
class _Brown:
    """OpenCV's coefficients by their names there."""

    k1: float
    k2: float
    p1: float
    p2: float
    k3: float = 0.0
    k4: float = 0.0
    k5: float = 0.0
    k6: float = 0.0
    s1: float = 0.0
    s2: float = 0.0
    s3: float = 0.0
    s4: float = 0.0
    tilt_x: float = 0.0
    tilt_y: float = 0.0

    @property
    def above(self) -> Polynomial:
        """Numerator of the radial factor, of the squared radius."""
        return Polynomial([1.0, self.k1, self.k2, self.k3])

    @property
    def below(self) -> Polynomial:
        """Denominator of the radial factor, of the squared radius."""
        return Polynomial([1.0, self.k4, self.k5, self.k6])

    @property
    def end(self) -> float:
        """Squared radius where the radial part turns back or has a pole; inf if nowhere."""
        above, below = self.above, self.below
        slope = above.deriv() * below - above * below.deriv()
        # d(r above / below) / dr = (above below + 2 r**2 slope) / below**2, with ' by r**2
        rise = above * below + Polynomial([0.0, 2.0]) * slope
        return min(_first_root(rise), _first_root(below))

    def orientation(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Determinant of the derivative by x and y, (N,): not positive where the image folds."""
        squared = x**2 + y**2
        above, below = self.above, self.below
        factor = above(squared) / below(squared)
        slope = (above.deriv()(squared) - factor * below.deriv()(squared)) / below(squared)
        across = 2 * x * y * slope + 2 * self.p1 * x + 2 * self.p2 * y
        prism_x = 2 * self.s1 + 4 * self.s2 * squared
        prism_y = 2 * self.s3 + 4 * self.s4 * squared
        x_by_x = factor + 2 * x**2 * slope + 2 * self.p1 * y + 6 * self.p2 * x + prism_x * x
        y_by_y = factor + 2 * y**2 * slope + 6 * self.p1 * y + 2 * self.p2 * x + prism_y * y
        determinant: NDArray[np.float64] = x_by_x * y_by_y - (across + prism_x * y) * (
            across + prism_y * x
        )
        return determinant

    def tilted(self, directions: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move directions (N, 2) to a sensor that is tilted against the lens."""
        if self.tilt_x == 0 and self.tilt_y == 0:
            return directions
        cos_x, sin_x = np.cos(self.tilt_x), np.sin(self.tilt_x)
        cos_y, sin_y = np.cos(self.tilt_y), np.sin(self.tilt_y)
        rotation = np.array([[cos_y, 0, -sin_y], [0, 1, 0], [sin_y, 0, cos_y]]) @ np.array(
            [[1, 0, 0], [0, cos_x, sin_x], [0, -sin_x, cos_x]]
        )
        onto_sensor = np.array(
            [
                [rotation[2, 2], 0, -rotation[0, 2]],
                [0, rotation[2, 2], -rotation[1, 2]],
                [0, 0, 1],
            ]
        )
        homogeneous = np.insert(directions, 2, 1.0, axis=1) @ (onto_sensor @ rotation).T
        homogeneous[~(homogeneous[:, 2] > 0)] = np.nan  # behind the tilted sensor's horizon
        moved: NDArray[np.float64] = homogeneous[:, :2] / homogeneous[:, 2:]
        return moved


def _first_root(polynomial: Polynomial) -> float:
    """Smallest positive root; inf without one."""
    roots = polynomial.trim().roots()
    is_real = np.abs(roots.imag) <= _REAL * np.maximum(1.0, np.abs(roots))
    return float(np.min(roots.real[is_real & (roots.real > 0)], initial=np.inf))
