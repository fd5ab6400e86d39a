"""The full scale of the intensity, read off the clouds, and undone in what is published."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import ros_messages
import synchronizer_inputs as inputs
from fake_segmenter import FakeSegmenter

from clip2scene_ros.messages.cloud_layouts import labelled_cloud_array
from clip2scene_ros.sync.intensity import IntensityScale
from clip2scene_ros.sync.sweeps import SyncOptions


def cloud(intensities):
    points = np.ones((len(intensities), 4), dtype=np.float32)
    points[:, 3] = intensities
    return points


def divided(scale, intensities):
    points = cloud(intensities)
    return scale.divide(points), points[:, 3]


@pytest.mark.parametrize("full_scale", [1, 255, 4095, 65535])
def test_auto_finds_the_full_scale_and_every_step_comes_back_exactly(full_scale):
    steps = np.linspace(0, full_scale, min(full_scale, 4095) + 1, dtype=np.float32).round()
    found, intensities = divided(IntensityScale("auto"), steps)
    assert (found, intensities.max()) == (full_scale, 1)
    np.testing.assert_array_equal(intensities * np.float32(found), steps)


def test_whole_numbers_are_not_of_the_scale_one_though_the_first_cloud_is_dark():
    layout = fields(("intensity", "u1"))
    layout["intensity"] = 1
    assert receive(layout)[0].intensity_scale == 255
    layout = fields(("intensity", "<f4"))
    layout["intensity"] = 1
    assert receive(layout)[0].intensity_scale == 1


def test_a_few_outliers_do_not_make_the_scale():
    intensities = np.linspace(0, 0.9, 5000)
    intensities[:3] = 4000, np.inf, np.nan
    assert divided(IntensityScale("auto"), intensities)[0] == 1


def test_the_scale_grows_and_never_shrinks_and_the_log_names_each(caplog):
    scale = IntensityScale("auto")
    with caplog.at_level(logging.INFO):
        taken = [divided(scale, [value] * 10)[0] for value in (0, 0.5, 100, 0.5, 100)]
    assert taken == [1, 1, 255, 255, 255]
    said = [record.getMessage() for record in caplog.records]
    assert said == [f"intensity_scale is auto: took {scale} from the clouds" for scale in (1, 255)]


@pytest.mark.parametrize("intensity", [0, 40])
def test_a_constant_intensity_has_a_scale_too(intensity):
    found, intensities = divided(IntensityScale("auto"), [intensity] * 100)
    assert intensities * found == pytest.approx([intensity] * 100)
    assert intensities.max() <= 1


def test_a_number_is_taken_as_it_is():
    assert divided(IntensityScale(100), [0.5, 5000])[0] == 100


def test_a_tenth_of_infinities_is_no_scale():
    intensities = np.linspace(0, 200, 5000)
    intensities[::10], intensities[1::10] = np.inf, np.nan
    assert divided(IntensityScale("auto"), intensities)[0] == 255


@pytest.mark.parametrize(
    ("scale", "largest", "said"),
    [
        ("auto", 1, ""),
        ("auto", 140, ""),
        ("auto", 4000, ""),
        ("auto", 1000, "intensity reaches 1000, and intensity_scale auto took 4095: give the"),
        ("auto", 5100, "intensity reaches 5100, and intensity_scale auto took 65535: give the"),
        ("auto", 1e6, "intensity reaches 1e+06, beyond intensity_scale 65535: give the"),
        (255, 255, ""),
        (255, 1000, "intensity reaches 1000, beyond intensity_scale 255: give the"),
        (255, 1, "intensity reaches 1, far below intensity_scale 255: give the"),
        (1.0, 255, "intensity reaches 255, beyond intensity_scale 1: give the"),
        (1.0, 0.0, ""),
    ],
)
def test_a_scale_that_may_be_wrong_is_doubted(scale, largest, said):
    points = cloud(np.append(np.linspace(0, largest, 5000), np.nan))
    intensity = IntensityScale(scale)
    doubt = intensity.doubt(points, intensity.divide(points))
    assert doubt.startswith(said)
    assert bool(doubt) == bool(said)


def receive(points, **options):
    synchronizer = inputs.make_synchronizer(pose_source="none", **options)
    synchronizer.on_cloud(ros_messages.cloud(points, inputs.START), inputs.START)
    return inputs.next_sweep(synchronizer, 0), synchronizer.take_rejections()


def fields(*names):
    layout = np.zeros(20, [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), *names])
    for name, _ in names:
        layout[name] = np.arange(20) * (2 if name == "intensity" else 10)
    return layout


def test_another_field_can_be_the_intensity():
    points = fields(("intensity", "<f4"), ("reflectivity", "<u2"))
    for field, largest in (("intensity", 38), ("reflectivity", 190)):
        sweep, _ = receive(points, intensity_field=field)
        assert (sweep.points[:, 3] * sweep.intensity_scale).max() == pytest.approx(largest)
        assert sweep.missing_intensity == ""


def test_a_cloud_without_intensity_is_said_and_without_the_named_field_refused():
    sweep, _ = receive(fields(("reflectivity", "<u2")))
    assert (sweep.points[:, 3] == 0).all()
    assert sweep.missing_intensity.startswith("the cloud has no intensity among x, y, z, reflec")
    sweep, (rejection,) = receive(fields(("intensity", "<f4")), intensity_field="signal")
    assert sweep is None
    assert "cloud has no signal; its fields are x, y, z, intensity" in rejection.reason
    with pytest.raises(ValueError, match="intensity_field must name a field"):
        SyncOptions(intensity_field="")


@pytest.mark.parametrize("value", ["full", 0, -1.0, float("nan"), float("inf")])
def test_another_value_is_refused(value):
    with pytest.raises(ValueError, match="intensity_scale must be 'auto' or a positive number"):
        SyncOptions(intensity_scale=value)


def test_what_is_published_has_the_sensors_unit_though_the_scale_has_grown():
    synchronizer = inputs.make_synchronizer(pose_source="none")
    sent = [cloud([0.25, 1, 0]), cloud([3000, 17, 0])]
    for number, points in enumerate(sent):
        message = ros_messages.cloud(points, inputs.START + number * inputs.MS)
        synchronizer.on_cloud(message, inputs.START)
    sweeps = [inputs.next_sweep(synchronizer, 0), inputs.next_sweep(synchronizer, 0)]
    assert [sweep.intensity_scale for sweep in sweeps] == [1, 4095]
    for sweep, points in zip(sweeps, sent, strict=True):
        laid_out = labelled_cloud_array(FakeSegmenter().segment(sweep.sweep), sweep.intensity_scale)
        np.testing.assert_array_equal(laid_out["intensity"], points[:, 3])
