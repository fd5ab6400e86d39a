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


@pytest.mark.parametrize("value", ["full", 0, -1.0, float("nan")])
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
