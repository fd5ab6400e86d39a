"""A student that levels: one answer however its sensor is mounted."""

from dataclasses import replace

import numpy as np
import pytest
from online_segmenter import embed, make_segmenter, make_sweep
from separable_clouds import NAMES, make_config
from street_sweep import moved, spin, turn

from clip2scene_core.checkpoint import FinetunedCheckpoint, load_checkpoint, save_checkpoint
from clip2scene_core.config.sections import InputConfig
from clip2scene_core.inference.classifier_segmenter import ClassifierSegmenter
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.inference.options import OnlineOptions
from clip2scene_core.inference.segmenter import Segmenter
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.network.student import Student
from clip2scene_core.training.finetune.run import make_classifier

STREET = spin(1.84)
UPSIDE_DOWN = turn(180, 0, 0)


@pytest.fixture
def levelling(tiny_checkpoint):
    config = replace(tiny_checkpoint.config, input=InputConfig(level=True, intensity="rank"))
    return replace(tiny_checkpoint, config=config)


@pytest.fixture
def told(monkeypatch):
    """What the network was told, sweep by sweep."""
    clouds = []
    point_features = Student.point_features

    def listen(self, points, batch_index):
        clouds.append(points.numpy())
        return point_features(self, points, batch_index)

    monkeypatch.setattr(Student, "point_features", listen)
    return clouds


def height_of_road(points):
    return np.median(points[(points[:, 2] < -0.5), 2])


def test_a_student_is_told_what_its_training_was(levelling, told):
    low = moved(spin(0.7), turn(0, 5, 0))
    segmentation = Segmenter(levelling).segment(low)
    assert segmentation.ground.height_m == pytest.approx(0.7, abs=0.02)
    assert height_of_road(told[0]) == pytest.approx(-1.84, abs=0.03)
    assert told[0][:, 3].mean() == pytest.approx(0.5, abs=0.01)
    Segmenter(levelling).embed(low)
    assert height_of_road(told[1]) == pytest.approx(-1.84, abs=0.03)
    off = Segmenter(levelling, level=False)
    assert off.segment(low).ground is None
    np.testing.assert_array_equal(told[2][:, :3], low[np.hypot(*low[:, :2].T) >= 1.5, :3])


def test_extrinsics_turn_a_sensor_that_hangs_upside_down(levelling):
    segmenter = Segmenter(levelling)
    hanging = moved(STREET, UPSIDE_DOWN)
    upright, turned = segmenter.segment(STREET), segmenter.segment(hanging, UPSIDE_DOWN)
    assert (upright.labels == turned.labels).mean() > 0.99
    vocabulary = levelling.vocabulary
    probabilities = segmenter.probabilities(hanging, vocabulary, UPSIDE_DOWN)
    expected = segmenter.probabilities(STREET, vocabulary)
    assert (probabilities.argmax(dim=1) == expected.argmax(dim=1)).float().mean() > 0.99
    assert segmenter.segment(hanging).ground is None


def test_a_student_that_was_trained_without_can_be_levelled(tiny_checkpoint, told):
    Segmenter(tiny_checkpoint).segment(spin(1.0))
    Segmenter(tiny_checkpoint, level=True).segment(spin(1.0))
    assert height_of_road(told[0]) == pytest.approx(-1.0, abs=0.03)
    assert height_of_road(told[1]) == pytest.approx(-1.84, abs=0.03)
    np.testing.assert_array_equal(told[0][:, 3], told[1][:, 3])


def test_the_robot_and_what_is_far_get_no_label(tiny_checkpoint):
    points = np.array([[5, 0, -1, 0], [1, 1, -1, 0], [90, 0, 0, 0]], np.float32)
    segmentation = Segmenter(tiny_checkpoint).segment(points)
    assert (segmentation.labels == IGNORE_LABEL).tolist() == [False, True, True]
    assert segmentation.scores[1:].tolist() == [0, 0]
    wide = Segmenter(tiny_checkpoint, min_range_m=0, ego_radius_m=0, max_range_m=100)
    assert (wide.segment(points).labels < 3).all()


@pytest.mark.parametrize("kind", ["levelling", "tiny_checkpoint"])
@pytest.mark.parametrize("unknown", [np.nan, np.inf])
def test_without_intensities_is_like_intensities_that_are_not_finite(kind, unknown, request):
    """For students that are told ranks and for those that are told the intensity itself."""
    checkpoint = request.getfixturevalue(kind)
    points, without = STREET.copy(), STREET.copy()
    points[:, 3], without[:, 3] = unknown, 0
    usable = np.hypot(*points[:, :2].T) >= 1.5
    segmentation = Segmenter(checkpoint).segment(points)
    assert (segmentation.labels[usable] < 3).all()
    np.testing.assert_array_equal(
        segmentation.labels, Segmenter(checkpoint).segment(without).labels
    )
    assert segmentation.notes[0].startswith("100 % of the intensities are not finite")
    online = make_segmenter(checkpoint).segment(make_sweep(points))
    np.testing.assert_array_equal(online.labels, segmentation.labels)


def test_a_caller_who_reads_no_notes_is_told_once(tiny_checkpoint, caplog):
    segmenter, in_a_map = Segmenter(tiny_checkpoint), STREET.copy()
    in_a_map[:, 0] += 600
    for number in range(3):
        bright = STREET.copy()
        bright[:, 3] *= 255 - number
        assert segmenter.segment(bright).notes[0].endswith("training had 0 to 1")
    assert segmenter.segment(in_a_map).notes[0].startswith("100 % of the points are out of reach")
    said = [record.getMessage() for record in caplog.records]
    assert [" ".join(line.split()[:2]) for line in said] == ["intensity is", "100 %", "only 0"]


def test_a_fine_tuned_network_levels_too():
    config = replace(make_config(), input=InputConfig(level=True))
    checkpoint = FinetunedCheckpoint(make_classifier(config, None).eval(), NAMES, config, (), {})
    segmenter = ClassifierSegmenter(checkpoint)
    upright = segmenter.segment(STREET)
    turned = segmenter.segment(moved(STREET, UPSIDE_DOWN), UPSIDE_DOWN)
    assert (upright.labels == turned.labels).mean() > 0.99
    assert upright.ground.height_m == pytest.approx(1.84, abs=0.02)
    assert ClassifierSegmenter(checkpoint, level=False).segment(STREET).ground is None


def test_the_online_segmenter_follows_the_ground(levelling, told):
    segmenter = make_segmenter(levelling, ground_smoothing=0.5)
    assert segmenter.ground is None
    first = segmenter.segment(make_sweep(spin(1.0), stamp_ns=1))
    second = segmenter.segment(make_sweep(spin(1.2), stamp_ns=2))
    assert first.ground.height_m == pytest.approx(1.0, abs=0.02)
    assert second.ground.height_m == pytest.approx(1.1, abs=0.02)
    assert segmenter.ground is second.ground
    assert second.points[:, 2].min() < -1  # as it came
    assert height_of_road(told[1]) == pytest.approx(-1.94, abs=0.03)
    segmenter.reset()
    assert segmenter.ground is None


def test_the_online_segmenter_takes_extrinsics_and_options(levelling, told):
    hanging = replace(make_sweep(moved(spin(1.0), UPSIDE_DOWN)), T_base_lidar=UPSIDE_DOWN)
    segmenter = make_segmenter(levelling)
    cloud = segmenter.segment(hanging)
    assert cloud.ground.height_m == pytest.approx(1.0, abs=0.02)
    assert height_of_road(told[0]) == pytest.approx(-1.84, abs=0.03)
    np.testing.assert_array_equal(cloud.points, hanging.points)
    np.testing.assert_allclose(segmenter.map().points[:, 2].max(), 1.0, atol=0.3)
    segmenter.apply(segmenter.encoded_prompts, OnlineOptions(level=False))
    assert segmenter.segment(hanging).ground is None


def test_the_online_segmenter_names_what_is_odd(levelling):
    constant = spin(1.8)
    constant[:, 3] = 0.5
    assert make_segmenter(levelling).segment(make_sweep(constant)).notes == (
        "intensity is constant",
    )
    assert make_segmenter(levelling).segment(make_sweep(spin(1.8))).notes == ()


def test_smoothing_out_of_range_is_refused():
    with pytest.raises(ValueError, match=r"ground_smoothing must be in \[0, 1\), got 1"):
        OnlineOptions(ground_smoothing=1.0)


def test_a_checkpoint_keeps_its_input(tmp_path, levelling):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, levelling)
    assert load_checkpoint(path).config.input == InputConfig(level=True, intensity="rank")
    assert load_checkpoint("small").config.input == InputConfig(level=True, intensity="rank")


def test_cameras_alone_need_no_ground(tiny_checkpoint):
    class Cameras:
        def embed_pairs(self, sweeps, cameras):
            raise LookupError

    segmenter = OnlineSegmenter(
        OnlineOptions(mode="camera", level=True),
        tiny_checkpoint.vocabulary,
        embed,
        camera_segmenter=Cameras(),
    )
    with pytest.raises(LookupError):
        segmenter.segment(make_sweep(STREET), ["view"])
    assert segmenter.ground is None
