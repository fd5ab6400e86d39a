"""A LiDAR that is fixed at an angle gets the labels of an upright one; and what is said of it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import ros_messages
from fake_segmenter import FakeSegmenter
from small_bags import MS, START, field, read_topic, write_bag
from street_sweep import moved, spin, turn

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_ros.bags.segment import ReplayOptions, segment_bag
from clip2scene_ros.cli.main import main
from clip2scene_ros.labelling import SensorFacts, describe_sensor, label_sweep, lasting_notes
from clip2scene_ros.sync.extrinsics import StaticTransform, save_extrinsics
from clip2scene_ros.sync.sensor_frame import CloudPlacement
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import NUSCENES

GROUND = Ground(np.array([0.0, 0.0, 1.0]), 1.84)
NO_GROUND = "no ground below the sensor"
UNKNOWN = "base_link <- lidar_top is not known; z of the LiDAR is taken as up"
UPSIDE_DOWN = np.diag([1.0, -1, -1, 1])


@pytest.fixture(scope="module")
def segmenter():
    """The shipped student, which was trained without levelling, with levelling."""
    options = OnlineOptions(level=True, map_enabled=False, ground_smoothing=0)
    return load_online_segmenter(options=options)


def seen_by(T_base_lidar, street):
    """The same street in the frame of a LiDAR that sits at this angle."""
    return moved(street, np.linalg.inv(T_base_lidar))


def labels_of(segmenter, points, T_base_lidar, folder):
    """Label a cloud whose extrinsics are in a file."""
    path = folder / "extrinsics.yaml"
    save_extrinsics(path, [StaticTransform("base_link", "lidar_top", T_base_lidar)])
    synchronizer = SweepSynchronizer(
        SyncOptions(pose_source="none", extrinsics_file=path, intensity_scale=1.0), NUSCENES
    )
    synchronizer.on_cloud(ros_messages.cloud(points, START), START)
    synchronized = synchronizer.next_sweep(START)
    return label_sweep(segmenter, synchronized, ())


@pytest.mark.parametrize(
    "T_base_lidar", [UPSIDE_DOWN, turn(0, 15, 0), turn(180, 0, 30)], ids=["down", "pitch", "both"]
)
def test_a_lidar_at_an_angle_gets_the_labels_of_an_upright_one(segmenter, tmp_path, T_base_lidar):
    street = spin(1.84)
    upright = labels_of(segmenter, street, np.eye(4), tmp_path)
    assert len(np.unique(upright.labels)) > 3, "few labels are always alike"
    turned = labels_of(segmenter, seen_by(T_base_lidar, street), T_base_lidar, tmp_path)
    assert (turned.labels == upright.labels).mean() >= 0.99
    assert turned.ground.height_m == pytest.approx(upright.ground.height_m, abs=0.01)


def sweep_of(frame="lidar_top", T_base_lidar=None, note=""):
    return SimpleNamespace(
        sweep=SimpleNamespace(T_base_lidar=T_base_lidar, stamp_ns=0),
        placement=CloudPlacement(frame, note=note),
        intensity_scale=255.0,
        intensity_note="intensity reaches 1000",
        missing_intensity="the cloud has no intensity",
    )


def describe(ground, notes=(), T_base_lidar=None, may_level=True):
    cloud = SimpleNamespace(ground=ground, notes=notes)
    return describe_sensor(cloud, sweep_of(T_base_lidar=T_base_lidar), "base_link", may_level)


def test_unknown_extrinsics_are_odd_only_where_z_may_not_be_up():
    upright = describe(GROUND)
    assert (upright.without_extrinsics, upright.notes) == (UNKNOWN, ())
    assert describe(None, (NO_GROUND,)).notes == (NO_GROUND, UNKNOWN)
    assert describe(GROUND, (), np.eye(4)).without_extrinsics == ""
    cloud = SimpleNamespace(ground=GROUND, notes=())
    assert describe_sensor(cloud, sweep_of(), "", True).without_extrinsics == ""


def test_a_tilted_lidar_whose_clouds_are_not_levelled_is_odd():
    tilted = "lidar_top is tilted by 15 degrees in base_link, but clouds are not levelled; "
    assert describe(None, (), turn(0, 15, 0)).notes == (f"{tilted}set level to on",)
    for facts in (
        describe(None, (), turn(0, 5, 90)),
        describe(None, (), turn(0, 15, 0), may_level=False),
        describe(GROUND, (), turn(0, 15, 0)),
        describe(None),
    ):
        assert (facts.notes, facts.without_extrinsics) == ((), "")


@pytest.mark.parametrize(
    ("intensity", "said"),
    [
        ("raw", ("seen from a", "the cloud has no intensity", "intensity reaches 1000")),
        ("rank", ("seen from a", "the cloud has no intensity")),
        ("none", ("seen from a",)),
        (None, ("seen from a",)),
    ],
)
def test_what_a_student_is_not_told_is_not_odd(intensity, said):
    told = None if intensity is None else InputConfig(intensity=intensity)
    cloud = SimpleNamespace(ground=GROUND, notes=("constant",))
    facts = describe_sensor(cloud, sweep_of(note="seen from a"), "", True, told)
    assert facts.notes == (*said, "constant")


def test_a_note_lasts_though_its_numbers_change():
    notes = [f"{share} % of the points are out of reach" for share in (41, 55.5, 60)]
    sweeps = [SensorFacts(None, True, "", (note,), 1.0) for note in notes]
    assert lasting_notes(sweeps) == (notes[-1],)


def test_a_note_lasts_if_half_of_the_sweeps_share_it():
    often, half, once = ("a", "b"), ("b",), ("c",)
    sweeps = [SensorFacts(None, True, "", notes, 1.0) for notes in (often, half, often, once)]
    assert lasting_notes(sweeps) == ("b", "a")
    assert lasting_notes([]) == ()


def test_a_clock_that_stands_still_is_said():
    def note_of(*stamps):
        return lasting_notes([SensorFacts(None, True, "", (), 1.0, stamp) for stamp in stamps])

    assert note_of(0, 1, 2, 0, 1, 2) == note_of(5) == note_of(None, None) == ()  # a bag in a loop
    (note,) = note_of(5, 5, 5, 6)
    assert note.startswith("clouds have the stamp of the one before")


@pytest.mark.parametrize("rotation", [(1, 0, 0, 0), None], ids=["upside down", "unknown"])
def test_the_command_says_where_the_sensor_is_once(tmp_path, capsys, rotation):
    """/tf_static as (x, y, z, w) of the LiDAR in base_link."""
    street = spin(1.84)
    street[:, 3] *= 4000
    messages = []
    if rotation is not None:
        street = seen_by(UPSIDE_DOWN, street)
        extrinsics = ros_messages.transforms((START, "base_link", "lidar_top", (0, 0, 2)))
        (edge,) = extrinsics.transforms
        quaternion = edge.transform.rotation
        quaternion.x, quaternion.y, quaternion.z, quaternion.w = map(float, rotation)
        messages.append(("/tf_static", 0, extrinsics))
    for ms in (0, 100):
        messages.append(("/points", ms, ros_messages.cloud(street, START + ms * MS)))
    bag = write_bag(tmp_path / "bag", messages)
    command = ["segment", bag, "--out", tmp_path / "out", "--pose-source", "none", "--level", "on"]
    assert main(list(map(str, command))) == 0
    said = capsys.readouterr()
    (line,) = [line for line in said.out.splitlines() if "above ground" in line]
    assert line in [
        f"sensor 1.84 m above ground, tilt 0.{tenth} degrees; intensity_scale 4095"
        for tenth in (0, 1)
    ]
    assert said.err.count(f"note: {UNKNOWN}") == (rotation is None)
    clouds = read_topic(tmp_path / "out", "/clip2scene/points")
    assert len(clouds) == 2
    for _, labelled in clouds:
        np.testing.assert_allclose(field(labelled, "intensity"), street[:, 3], rtol=1e-6)


def test_what_the_fake_says_reaches_the_summary(tmp_path):
    segmenter = FakeSegmenter()
    segmenter.ground, segmenter.notes = GROUND, ("intensity is constant",)
    bag = write_bag(tmp_path / "bag", [("/points", 0, ros_messages.cloud(spin(1.84), START))])
    options = ReplayOptions(SyncOptions(pose_source="none"))
    summary = segment_bag(bag, tmp_path / "out", segmenter, options)
    assert str(summary.sensor) == "sensor 1.84 m above ground, tilt 0.0 degrees"
    assert (summary.notes, summary.sensor.intensity_scale) == (("intensity is constant",), 1)
