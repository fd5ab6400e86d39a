"""One cloud in, the plane below the sensor out."""

import numpy as np
import pytest
from checkout import SHARED_DATA
from street_sweep import moved, spin, turn

from clip2scene_core.preprocessing.ground import estimate_ground

BEAMS = {
    16: np.linspace(-15, 15, 16),
    32: np.linspace(-30.67, 10.67, 32),
    64: np.linspace(-24.8, 2, 64),
    128: np.linspace(-45, 45, 128),
}


def error_of(ground, height_m, slope=(0.0, 0.0)):
    """Metres and degrees between a ground and z = slope x - height."""
    normal = np.array([-slope[0], -slope[1], 1.0])
    length = np.linalg.norm(normal)
    angle_deg = np.degrees(np.arccos(np.clip(ground.normal @ normal / length, -1, 1)))
    return abs(ground.height_m - height_m / length), angle_deg


@pytest.mark.parametrize("num_beams", BEAMS)
@pytest.mark.parametrize("height_m", [0.4, 1.0, 1.84, 3.0])
def test_height_is_found_with_any_number_of_beams(num_beams, height_m):
    ground = estimate_ground(spin(height_m, BEAMS[num_beams]))
    assert ground is not None
    error_m, error_deg = error_of(ground, height_m)
    assert error_m < 0.02
    assert error_deg < 0.2
    assert ground.support > 0.3


@pytest.mark.parametrize("slope", [(0.12, 0.0), (0.0, -0.12), (0.08, 0.08)])
def test_a_slope_is_ground(slope):
    ground = estimate_ground(spin(1.8, slope=slope))
    error_m, error_deg = error_of(ground, 1.8, slope)
    assert error_m < 0.02
    assert error_deg < 0.2
    assert ground.tilt_deg == pytest.approx(np.degrees(np.arctan(np.hypot(*slope))), abs=0.2)


def test_a_front_view_is_enough():
    ground = estimate_ground(spin(1.2, np.linspace(-12.5, 12.5, 64), view_deg=100))
    error_m, error_deg = error_of(ground, 1.2)
    assert error_m < 0.02
    assert error_deg < 0.2


def test_cars_grass_kerbs_and_stray_points_do_not_lift_the_ground():
    points = spin(1.8, BEAMS[64])
    generator = np.random.default_rng(1)
    x, y, z = points[:, :3].T
    is_ground = np.abs(z + 1.8) < 0.1
    in_car = is_ground & (np.abs(x) > 3) & (np.floor(y / 1.3) % 2 == 0) & (np.abs(x) < 14)
    points[in_car, 2] += generator.uniform(0.3, 1.5, int(in_car.sum()))
    in_grass = is_ground & (y > 8)
    points[in_grass, 2] += generator.uniform(0, 0.3, int(in_grass.sum()))
    points[is_ground & (y < -6), 2] += 0.15  # a sidewalk
    stray = generator.choice(len(points), 60, replace=False)
    points[stray, 2] = generator.uniform(-8, -2.2, 60)
    ground = estimate_ground(points)
    error_m, error_deg = error_of(ground, 1.8)
    assert error_m < 0.06
    assert error_deg < 0.6


def test_the_crown_of_a_road_levels_out():
    points = spin(1.8)
    points[:, 2] -= 0.025 * np.abs(points[:, 1])
    ground = estimate_ground(points)
    assert 1.8 < ground.height_m < 1.95
    assert ground.tilt_deg < 0.5


def test_the_robot_itself_is_not_the_ground():
    points = spin(1.8)
    generator = np.random.default_rng(0)
    roof = np.column_stack(
        [generator.uniform(-2, 2, 4000), generator.uniform(-1, 1, 4000), np.full(4000, -0.4)]
    )
    with_roof = np.concatenate([points[:, :3], roof.astype(np.float32)])
    error_m, error_deg = error_of(estimate_ground(with_roof), 1.8)
    assert error_m < 0.02
    assert error_deg < 0.2


def test_points_that_are_not_finite_change_nothing():
    points = spin()
    broken = np.insert(points, [3, 700], [[np.nan, 1, 1, 0], [np.inf, 5, -3, 0]], axis=0)
    ground, of_broken = estimate_ground(points), estimate_ground(broken)
    assert of_broken.height_m == pytest.approx(ground.height_m, abs=0.01)


def test_equal_points_give_an_equal_ground():
    first, second = estimate_ground(spin()), estimate_ground(spin())
    assert first.height_m == second.height_m
    assert (first.normal == second.normal).all()


def test_there_is_no_ground_in_a_cloud_without_one():
    street = spin(1.8, BEAMS[32])
    above = street[street[:, 2] > 0]
    upside_down = moved(street, turn(180, 0, 0))
    generator = np.random.default_rng(0)
    wall = np.column_stack([np.full(5000, 6.0), generator.uniform(-9, 9, (5000, 2))])
    ceiling = street.copy()
    ceiling[:, 2] = 2.5
    for points in (street[:0], street[:9], above, upside_down, wall, ceiling):
        assert estimate_ground(points.astype(np.float32)) is None


def test_real_sensors_stand_where_their_makers_say():
    """Source: KITTI's sensor sits 1.73 m above the road, nuScenes' calibration says 1.84 m."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the real frames are not beside this repository")
    scans = sorted((SHARED_DATA / "kitti_object/training/velodyne").glob("*.bin"))
    scans += [SHARED_DATA / "semantickitti_scan/000000.bin"]
    for scan in scans:
        points = np.fromfile(scan, np.float32).reshape(-1, 4)
        assert estimate_ground(points).height_m == pytest.approx(1.73, abs=0.08)
