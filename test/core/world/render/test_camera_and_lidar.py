"""The scenes of the synthetic world, its cameras and its LiDAR."""

from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES, nuscenes_label_map
from clip2scene_core.world.layout.build import PICTURE_STREAM, build_scene
from clip2scene_core.world.layout.road import (
    ASPHALT,
    KERB_HEIGHT_M,
    PAVING,
    Road,
    Side,
    ground_hit,
    road_coordinates,
    road_pose,
    surface_at,
)
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.layout.weather import WEATHER_NAMES
from clip2scene_core.world.primitives.bounds import grid_bounds
from clip2scene_core.world.primitives.parts import (
    ELLIPSOID,
    PLAIN,
    Part,
    Primitives,
    box,
    post,
    rotations,
)
from clip2scene_core.world.render.camera import (
    Moment,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.render.lidar import RAW_EGO, Revolution, measure_revolution
from clip2scene_core.world.render.raycast import cast_grid
from clip2scene_core.world.render.sensor_rig import RIG_CAMERAS, RIG_LIDAR, firings

IMAGE_SIZE = (224, 400)
SECONDS = 1.0


@pytest.fixture(scope="module")
def moment() -> Moment:
    scene = build_scene(seed=3, scene_index=1, seconds=2.0)
    return moment_of(scene, static_sun_map(scene), SECONDS)


@pytest.fixture(scope="module")
def revolution(moment: Moment) -> Revolution:
    T_scene_lidar = ego_pose(moment.scene, SECONDS) @ RIG_LIDAR.T_ego_sensor
    rng = np.random.default_rng(0)
    return measure_revolution(moment.primitives, moment.scene.plan, T_scene_lidar, 1084, rng)


def straight_road() -> Road:
    side = Side(0.0, 0.0, 2.0, ASPHALT, PAVING, PAVING)
    return Road(0.0, 0.0, 3.5, 1, side, side, PAVING, 1e9, 4.0, 1)


def primitives_from(parts: list[Part]) -> Primitives:
    count = len(parts)
    return Primitives(
        kind=np.array([part.kind for part in parts]),
        center=np.array([part.center for part in parts], dtype=float),
        axes=rotations(parts),
        half=np.array([part.half for part in parts], dtype=float),
        shape=np.array([part.shape for part in parts], dtype=float),
        material=np.array([part.material for part in parts]),
        color=np.zeros((count, 3)),
        category=np.zeros(count, np.uint8),
        instance=np.arange(count),
    )


def depth_along_x(part: Part, y: float = 0.0, z: float = 0.0) -> float:
    """Cast one ray from the origin's plane along +x; the depth of its hit, or 1000."""
    primitives = primitives_from([part])
    rays = np.zeros((6, 3))
    rays[0] = 0.0, y, z
    rays[3] = 1.0, 0.0, 0.0
    depth, hits = np.full((1, 1), 1000.0), np.full((1, 1), -1)
    cast_grid(primitives, np.array([0]), np.array([[0, 1, 0, 1]]), np.zeros(1), rays, depth, hits)
    return float(depth[0, 0])


def test_ray_meets_the_near_face_of_a_box():
    assert depth_along_x(box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1))) == pytest.approx(4.0)


def test_ray_past_a_box_goes_on():
    assert depth_along_x(box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1)), y=1.01) == 1000.0


def test_ray_meets_the_slope_of_a_tapered_box():
    # The back face (towards -x) leans from x = 4 at the bottom to x = 4.5 at the top.
    leaning = box((5, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1), (0.0, 0.5, 0.0))
    assert depth_along_x(leaning, z=0.0) == pytest.approx(4.25)


def test_ray_meets_an_ellipsoid_at_its_half_axis():
    ball = Part(ELLIPSOID, (5, 0, 0), (1.5, 0.5, 0.5), PLAIN, (1, 1, 1))
    assert depth_along_x(ball) == pytest.approx(3.5)


def test_ray_meets_a_rotated_ellipsoid_at_its_other_half_axis():
    ball = Part(ELLIPSOID, (5, 0, 0), (1.5, 0.5, 0.5), PLAIN, (1, 1, 1), yaw=math.pi / 2)
    assert depth_along_x(ball) == pytest.approx(4.5)


def test_ray_meets_a_cone_where_it_has_shrunk():
    cone = post((5, 0, 0), 2.0, 1.0, PLAIN, (1, 1, 1), 1.0)
    assert depth_along_x(cone, z=1.0) == pytest.approx(4.5)


def test_box_bounds_on_the_image_hold_its_projection():
    primitives = primitives_from([box((10, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1))])
    rays = np.zeros((6, 3))
    # Camera at the origin looking along +x, focal length 100 px, centre (50, 50).
    rays[3] = 1.0, 0.5, 0.5
    rays[4] = 0.0, 0.0, -0.01
    rays[5] = 0.0, -0.01, 0.0
    bounds, depth = grid_bounds(primitives, rays, 101, 101)
    # The near face is 9 m away: +-1 m is +-11.1 px.
    first_row, end_row, first_column, end_column = bounds[0]
    assert 36 <= first_row <= 38
    assert 62 <= end_row <= 64
    assert 36 <= first_column <= 38
    assert 62 <= end_column <= 64
    assert depth[0] <= 9.0


@pytest.mark.parametrize("curvature", [0.0, 1 / 120, -1 / 150])
def test_road_coordinates_invert_the_road_pose(curvature):
    for s, d in [(0.0, 0.0), (40.0, 6.0), (75.0, -9.0), (-30.0, 2.5)]:
        x, y, _ = road_pose(curvature, s, d)
        assert road_coordinates(curvature, x, y) == pytest.approx((s, d), abs=1e-9)


def test_ground_right_of_the_lane_is_sidewalk():
    plan = straight_road().as_array()
    assert surface_at(plan, 10.0, -3.4)[0] == ASPHALT
    assert surface_at(plan, 10.0, -3.6)[0] == PAVING


def test_ray_meets_the_face_of_a_kerb():
    plan = straight_road().as_array()
    # From 1 m above the lane's middle towards the kerb at y = 3.5: above it at the top's height,
    # but below that height at the road's.
    slope = -(1.0 - 0.07) / 3.5
    t, is_kerb, surface = ground_hit(plan, 0.0, 0.0, 1.0, 0.0, 1.0, slope)
    assert is_kerb
    assert surface == PAVING
    assert t == pytest.approx(3.5, abs=0.02)


def test_ray_meets_the_top_of_the_sidewalk():
    plan = straight_road().as_array()
    t, is_kerb, _ = ground_hit(plan, 0.0, 5.0, 2.0, 0.0, 0.0, -1.0)
    assert not is_kerb
    assert t == pytest.approx(2.0 - KERB_HEIGHT_M)


def test_same_seed_gives_the_same_scene_and_another_seed_another():
    first, again, other = (build_scene(seed, 0, 2.0) for seed in (5, 5, 6))
    for a, b in zip(first.static, again.static, strict=True):
        np.testing.assert_array_equal(a, b)
    assert first.static.center.shape != other.static.center.shape or not np.allclose(
        first.static.center, other.static.center
    )


def test_picture_scenes_are_not_drive_scenes():
    drive, picture = build_scene(5, 0, 2.0), build_scene(5, 0, 2.0, PICTURE_STREAM)
    assert len(drive.objects) != len(picture.objects) or drive.ego_speed != picture.ego_speed


def test_every_kind_of_weather_occurs():
    weathers = {build_scene(0, index, 0.5).weather for index in range(len(WEATHER_NAMES))}
    assert weathers == set(WEATHER_NAMES)


def test_rare_things_stand_near_most_drives():
    label_map = nuscenes_label_map()
    rare = {"barrier", "bicycle", "bus", "construction vehicle", "motorcycle", "pedestrian",
            "traffic cone", "trailer"}  # fmt: skip
    seen = dict.fromkeys(rare, 0)
    num_scenes = 24
    for index in range(num_scenes):
        scene = build_scene(11, index, 4.0)
        near = {
            NUSCENES_CLASSES[label_map[thing.category]].name
            for thing in scene.objects
            if label_map[thing.category] != IGNORE_LABEL
            and -10 < thing.s < scene.length_m + 40 and abs(thing.d) < 20
        }  # fmt: skip
        for name in rare & near:
            seen[name] += 1
    assert min(seen.values()) >= 0.6 * num_scenes, seen


def test_ego_vehicle_moves_at_its_speed_and_stays_upright():
    scene = build_scene(1, 2, 4.0)
    before, after = ego_pose(scene, 1.0), ego_pose(scene, 1.5)
    speed = np.linalg.norm(after[:3, 3] - before[:3, 3]) / 0.5
    assert speed == pytest.approx(scene.ego_speed, abs=0.4)
    np.testing.assert_allclose(after[2], [0, 0, 1, 0], atol=1e-12)


def test_lidar_stays_within_its_field_of_view_and_resolution(revolution):
    xyz, ring = revolution.points[:, :3], revolution.points[:, 4]
    beam = (revolution.categories != 0) & (np.linalg.norm(xyz, axis=1) > 5)
    elevation = np.degrees(np.arcsin(xyz[beam, 2] / np.linalg.norm(xyz[beam], axis=1)))
    assert elevation.min() > -30.8
    assert elevation.max() < 10.8
    np.testing.assert_allclose(elevation, -30.67 + 41.34 / 31 * ring[beam], atol=0.03)
    np.testing.assert_array_equal(xyz * 512, np.rint(xyz * 512))
    assert np.linalg.norm(xyz, axis=1).max() < 101


def test_lidar_sees_plausibly_many_points(revolution):
    assert 20_000 < len(revolution.points) < 34_688
    assert revolution.points[:, 3].min() >= 0
    assert revolution.points[:, 3].max() <= 255
    assert (revolution.categories == 0).sum() == 14
    assert 0 < (revolution.categories == RAW_EGO).sum() < 2000


def test_road_points_lie_on_the_ground(revolution):
    road = revolution.points[revolution.categories == 24]
    assert abs(float(np.median(road[:, 2])) + 1.84) < 0.02


def test_lidar_points_land_on_pixels_of_their_class(moment, revolution):
    """Calibration and geometry are exact: project into the class images of all six cameras."""
    label_map = nuscenes_label_map()
    labels = label_map[revolution.categories]
    T_scene_ego = ego_pose(moment.scene, SECONDS)
    points = revolution.points[:, :3]
    agree = total = 0
    for sensor in RIG_CAMERAS:
        T_ego_camera, intrinsics = sensor.T_ego_sensor, sensor.intrinsics(IMAGE_SIZE)
        hits = cast_camera(moment, intrinsics, T_scene_ego @ T_ego_camera, IMAGE_SIZE)
        camera = transform_points(invert(T_ego_camera) @ RIG_LIDAR.T_ego_sensor, points)
        depth = np.maximum(camera[:, 2], 1e-6)
        pixels = np.rint(camera @ intrinsics.T / depth[:, None])[:, :2].astype(int)
        inside = (camera[:, 2] > 0.5) & (labels != IGNORE_LABEL)
        inside &= (pixels >= 0).all(1) & (pixels < IMAGE_SIZE[::-1]).all(1)
        u, v = pixels[inside].T
        unoccluded = np.abs(hits.depth[v, u] - depth[inside]) < 0.1 + 0.05 * depth[inside]
        agree += (hits.labels[v, u] == labels[inside])[unoccluded].sum()
        total += unoccluded.sum()
    assert total > 5000
    assert agree / total >= 0.97


def test_all_classes_occur_over_a_few_scenes():
    seen: set[int] = set()
    for index in range(6):
        scene = build_scene(2, index, 2.0)
        moment = moment_of(scene, static_sun_map(scene), 0.5)
        for sensor in RIG_CAMERAS:
            pose = ego_pose(scene, 0.5) @ sensor.T_ego_sensor
            hits = cast_camera(moment, sensor.intrinsics((112, 200)), pose, (112, 200))
            seen |= set(np.unique(hits.labels).tolist())
    assert seen >= set(range(len(NUSCENES_CLASSES)))


def test_picture_is_neither_dark_nor_burnt_out(moment):
    sensor = RIG_CAMERAS[0]
    pose = ego_pose(moment.scene, SECONDS) @ sensor.T_ego_sensor
    picture = paint(moment, cast_camera(moment, sensor.intrinsics(IMAGE_SIZE), pose, IMAGE_SIZE))
    assert picture.shape == (*IMAGE_SIZE, 3)
    assert 50 < picture.mean() < 210
    assert (picture == 255).mean() < 0.05


def test_cameras_fire_as_the_lidar_sweeps_across_them():
    offsets_ms = {sensor.channel: 1000 * sensor.offset_s for sensor in RIG_CAMERAS}
    order = ["CAM_FRONT_LEFT", "CAM_FRONT", "CAM_FRONT_RIGHT", "CAM_BACK_RIGHT", "CAM_BACK",
             "CAM_BACK_LEFT"]  # fmt: skip
    assert sorted(offsets_ms, key=offsets_ms.__getitem__) == order
    # A quarter of a turn after its start on the left, the LiDAR looks forward.
    assert offsets_ms["CAM_FRONT"] == pytest.approx(-37.5)


def test_two_seconds_hold_four_keyframes_and_every_frame_between():
    sweeps = firings(RIG_LIDAR, 2.0, 2, is_every_frame=True)
    images = firings(RIG_CAMERAS[0], 2.0, 2, is_every_frame=True)
    assert len(sweeps) == 42
    assert len(images) == 24
    assert sum(firing.is_keyframe for firing in sweeps) == 4
    assert sum(firing.is_keyframe for firing in images) == 4


def test_keyframes_alone_bring_their_previous_sweeps():
    sweeps = firings(RIG_LIDAR, 1.0, 2, is_every_frame=False)
    assert [round(firing.seconds * 20) for firing in sweeps] == [-2, -1, 0, 8, 9, 10]
    assert [firing.keyframe_index for firing in sweeps] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize("module", ["dataset.writer", "captions.pictures"])
def test_missing_numba_is_one_clear_line(module):
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import clip2scene_core.world\n"
        f"try:\n    import clip2scene_core.world.{module}\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert 'pip install -c constraints.txt ".[train]"' in done.stdout
