"""The models of lenses against formulas written out for one ray at a time, and where they end."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clip2scene_core.geometry.lens import distort
from clip2scene_core.geometry.projection import pair_pixels_with_points, project_points
from clip2scene_core.sample import CameraView, Lens, Sweep

PLUMB_BOB = (-0.28, 0.09, 0.0012, -0.0009, -0.011)
RATIONAL = (0.61, -2.9, 0.0004, -0.0002, 1.55, 0.49, -2.74, 1.48)
THIN_PRISM = (-0.21, 0.05, 0.0005, 0.0007, 0.0, 0.01, 0.0, 0.0, 0.002, -0.0004, -0.003, 0.0006)
TILTED = (*THIN_PRISM, 0.02, -0.03)
EQUIDISTANT = (-0.012, 0.024, -0.017, 0.004)
LENSES = [
    Lens("brown", PLUMB_BOB[:4]),
    Lens("brown", PLUMB_BOB),
    Lens("brown", RATIONAL),
    Lens("brown", THIN_PRISM),
    Lens("brown", TILTED),
    Lens("fisheye", EQUIDISTANT),
]
PINCUSHION_TURNS = Lens("brown", (-0.3, 0.0, 0.0, 0.0))
"""r (1 - 0.3 r^2) is largest at r = 1 / sqrt(0.9), and 0 again at r = 1.83."""


def brown_by_hand(x: float, y: float, d: tuple[float, ...]) -> tuple[float, float]:
    k1, k2, p1, p2, k3, k4, k5, k6, s1, s2, s3, s4, tx, ty = (*d, *[0.0] * (14 - len(d)))
    r2 = x * x + y * y
    radial = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x) + s1 * r2 + s2 * r2**2
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y + s3 * r2 + s4 * r2**2
    # The ray (u, v, 1), turned about x, then about y, meets the plane that the axis meets at 1.
    u, v, w = u, math.cos(tx) * v + math.sin(tx), -math.sin(tx) * v + math.cos(tx)
    u, w = math.cos(ty) * u - math.sin(ty) * w, math.sin(ty) * u + math.cos(ty) * w
    r33, r13, r23 = (
        math.cos(ty) * math.cos(tx),
        -math.sin(ty) * math.cos(tx),
        math.sin(tx),
    )
    return (r33 * u - r13 * w) / w, (r33 * v - r23 * w) / w


def fisheye_by_hand(x: float, y: float, d: tuple[float, ...]) -> tuple[float, float]:
    theta, phi = math.atan(math.hypot(x, y)), math.atan2(y, x)
    bent = theta + sum(k * theta ** (2 * i + 3) for i, k in enumerate(d))
    return bent * math.cos(phi), bent * math.sin(phi)


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: f"{lens.model}{len(lens.coefficients)}")
def test_rays_bend_as_the_formula_says(lens):
    by_hand = fisheye_by_hand if lens.model == "fisheye" else brown_by_hand
    rays = np.random.default_rng(0).uniform(-0.6, 0.6, (200, 2))
    rays[0] = 0
    expected = [by_hand(x, y, lens.coefficients) for x, y in rays]
    np.testing.assert_allclose(distort(rays, lens), expected, atol=1e-12)


def test_numbers_worked_out_on_paper():
    # r^2 = 0.25: 0.5 (1 - 0.28 / 4 + 0.09 / 16), and p2 (r^2 + 2 x^2) = 0.001 x 0.75
    bent = distort(np.array([[0.5, 0.0]]), Lens("brown", (-0.28, 0.09, 0.0, 0.001)))
    np.testing.assert_allclose(bent, [[0.5 * 0.935625 + 0.00075, 0.0]], atol=1e-12)
    # A ray 45 degrees down, and a true equidistant lens: pi / 4 from the center
    bent = distort(np.array([[0.0, 1.0]]), Lens("fisheye", (0.0, 0.0, 0.0, 0.0)))
    np.testing.assert_allclose(bent, [[0.0, math.pi / 4]], atol=1e-12)


def test_a_pinhole_bends_nothing():
    rays = np.array([[0.3, -4.0], [100.0, 0.0]])
    np.testing.assert_array_equal(distort(rays, Lens()), rays)


def test_a_ray_from_where_the_polynomial_turns_back_has_no_direction():
    radii = np.array([0.0, 0.5, 1.0, 1.05, 1.06, 1.5, 1.83, 3.0, 1e6])
    rays = np.column_stack([radii * 0.6, radii * 0.8])
    bent = distort(rays, PINCUSHION_TURNS)
    np.testing.assert_array_equal(np.isfinite(bent[:, 0]), radii < 1 / math.sqrt(0.9))
    # Without the end, the ray at r = 1.83 would come out in the middle of the image.
    assert abs(1.83 * (1 - 0.3 * 1.83**2)) < 0.01


def test_a_fisheye_ends_where_its_angle_turns_back():
    # theta (1 - 0.2 theta^2) is largest at theta = 1 / sqrt(0.6) = 1.29
    angles = np.array([0.2, 1.2, 1.28, 1.30, 1.5])
    bent = distort(np.column_stack([np.tan(angles), 0 * angles]), Lens("fisheye", (-0.2, 0, 0, 0)))
    np.testing.assert_array_equal(np.isfinite(bent[:, 0]), angles < 1.29)


def test_a_pole_of_the_rational_model_ends_it():
    # 1 - 0.25 r^2 is 0 at r = 2; beyond, rays would come back from the other side.
    bent = distort(np.array([[1.9, 0.0], [2.1, 0.0]]), Lens("brown", (0, 0, 0, 0, 0, -0.25, 0, 0)))
    assert bent[0, 0] > 10
    assert np.isnan(bent[1]).all()


@pytest.mark.parametrize("lens", [*LENSES, PINCUSHION_TURNS, Lens("brown", (-0.3, 0, 0.02, 0.03))])
def test_no_two_rays_share_a_pixel(lens):
    """Each small triangle of rays keeps its orientation, and pixels of kept rays come once."""
    steps = np.linspace(-4, 4, 161)
    rays = np.stack(np.meshgrid(steps, steps), axis=-1)
    bent = distort(rays.reshape(-1, 2), lens).reshape(rays.shape)
    right, down = bent[:-1, 1:] - bent[:-1, :-1], bent[1:, :-1] - bent[:-1, :-1]
    area = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
    assert (area[np.isfinite(area)] > 0).all()
    assert np.isfinite(area).any()
    radii, distances = np.linalg.norm(rays, axis=-1), np.linalg.norm(bent, axis=-1)
    for angle in np.linspace(0, 2 * np.pi, 12, endpoint=False):
        along = np.linspace(0, 6, 400)[:, None] * [np.cos(angle), np.sin(angle)]
        out = distort(along, lens)
        known = np.isfinite(out[:, 0])
        assert known.argmin() == known.sum() or known.all(), "one stretch from the middle"
        assert (np.linalg.norm(np.diff(out[known], axis=0), axis=1) > 0).all()
    assert np.isfinite(distances[radii < 0.5]).all()


@pytest.mark.parametrize("lens", LENSES, ids=lambda lens: f"{lens.model}{len(lens.coefficients)}")
def test_pixels_are_those_of_the_formula_behind_the_matrix(lens):
    intrinsics = np.array([[400.0, 0, 320], [0, 390.0, 240], [0, 0, 1]])
    points = np.array([[1.0, -0.5, 4.0], [0.0, 0.0, 2.0], [-2.0, 1.0, 5.0], [0.0, 0.0, -1.0]])
    pixels, depth = project_points(points, np.eye(4), intrinsics, lens)
    by_hand = fisheye_by_hand if lens.model == "fisheye" else brown_by_hand
    for pixel, (x, y, z) in zip(pixels[:3], points[:3], strict=True):
        u, v = by_hand(x / z, y / z, lens.coefficients)
        np.testing.assert_allclose(pixel, [400 * u + 320, 390 * v + 240], atol=1e-9)
    assert np.isnan(pixels[3]).all()
    np.testing.assert_array_equal(depth, points[:, 2])


def view_through(lens: Lens, focal_px: float = 100.0) -> CameraView:
    intrinsics = np.array([[focal_px, 0, 200], [0, focal_px, 200], [0, 0, 1]])
    return CameraView("cam", np.zeros((400, 400, 3), np.uint8), intrinsics, np.eye(4), 0, lens)


def sweep_of(*points) -> Sweep:
    return Sweep(np.insert(np.array(points, np.float32), 3, 0, axis=1), np.eye(4), 0)


def test_a_point_from_outside_the_field_is_no_pair():
    inside, outside = (1.0, 0.0, 2.0), (3.6, 0.0, 2.0)  # r = 0.5, and r = 1.8: folded to 0.05
    pairs = pair_pixels_with_points([sweep_of(inside, outside)], [view_through(PINCUSHION_TURNS)])
    assert pairs.point_index.tolist() == [0]
    np.testing.assert_allclose(pairs.pixels, [[200 + 50 * (1 - 0.3 * 0.25), 200]], rtol=1e-6)


def test_a_fisheye_sees_what_is_far_away_beside_it():
    # 85 degrees to the right, 10 m away: 0.87 m along the axis, which is not near.
    angle = math.radians(85)
    beside = (10 * math.sin(angle), 0.0, 10 * math.cos(angle))
    near = (0.9 * math.sin(angle), 0.0, 0.9 * math.cos(angle))
    lens = Lens("fisheye", (0.0, 0.0, 0.0, 0.0))
    pairs = pair_pixels_with_points(
        [sweep_of(beside, near)], [view_through(lens)], occlusion_margin_m=0.5
    )
    assert pairs.point_index.tolist() == [0]
    np.testing.assert_allclose(pairs.pixels, [[200 + 100 * angle, 200]], rtol=1e-6)


@pytest.mark.parametrize(
    ("model", "coefficients", "complaint"),
    [
        ("omni", (1.0,), "must be one of pinhole, brown, fisheye, got 'omni'"),
        ("brown", (0.1, 0.2), "has 4 or 5 or 8 or 12 or 14 coefficients, got 2"),
        ("fisheye", (0.1,) * 5, "a fisheye lens has 4 coefficients, got 5"),
        ("pinhole", (0.1,), "a pinhole lens has 0 coefficients"),
        ("brown", (0.1, 0.2, math.nan, 0.0), "must be finite"),
    ],
)
def test_a_lens_that_does_not_fit_its_model_is_refused(model, coefficients, complaint):
    with pytest.raises(ValueError, match=complaint):
        Lens(model, coefficients)
