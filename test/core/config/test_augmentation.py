import math
from dataclasses import replace

import pytest
from checkout import CONFIGS

from clip2scene_core.config.augmentation import AugmentationConfig, SensorAugmentationConfig
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import config_to_dict, override
from clip2scene_core.config.pretrain import PretrainConfig, load_config
from clip2scene_core.config.sections import ConfigError


def test_every_sensor_option_is_off_by_default():
    values = config_to_dict(SensorAugmentationConfig())
    assert (values.pop("mix"), values.pop("mix_probability")) == ("none", 0.5)
    assert set(values.values()) == {0.0}
    assert FinetuneConfig().augmentation == SensorAugmentationConfig()


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("elevation_dropout", -0.1, r"elevation_dropout must be in \[0, 1\], got -0.1"),
        ("beam_dropout", 1.5, r"beam_dropout must be in \[0, 1\], got 1.5"),
        ("mix_probability", -0.1, r"mix_probability must be in \[0, 1\], got -0.1"),
        ("sector_dropout", math.nan, r"sector_dropout must be in \[0, 1\], got nan"),
        ("height_m", -1.0, "height_m must be 0 .off. or positive, got -1.0"),
        ("jitter_m", math.inf, "jitter_m must be 0 .off. or positive, got inf"),
        (
            "intensity_gain",
            0.5,
            "intensity_gain must be 0 .off. or a factor of at least 1, got 0.5",
        ),
        ("tilt_deg", 90.0, r"tilt_deg must be in \[0, 45\], got 90.0"),
        ("beam_range_m", -0.1, "beam_range_m must be 0 .off. or positive, got -0.1"),
        ("beam_elevation_deg", 6.0, r"beam_elevation_deg must be in \[0, 5\], got 6.0"),
        ("beam_gain", 0.9, "beam_gain must be 0 .off. or a factor of at least 1, got 0.9"),
        ("scale", 1.0, r"scale must be in \[0, 0.9\], got 1.0"),
        ("point_dropout", 1.0, r"point_dropout must be in \[0, 0.99\], got 1.0"),
        ("mix", "cutmix", "augmentation.mix must be one of none, mix3d, polarmix, got 'cutmix'"),
    ],
)
def test_values_that_cannot_be_are_named(key, value, message):
    with pytest.raises(ConfigError, match=message):
        SensorAugmentationConfig(**{key: value})


def test_both_trainings_take_the_options():
    assignment = ["augmentation.tilt_deg=3"]
    for config in (PretrainConfig(), FinetuneConfig()):
        assert override(config, assignment).augmentation.tilt_deg == 3.0
    with pytest.raises(ConfigError, match=r"unknown key 'augmentation\.image_flip'"):
        override(FinetuneConfig(), ["augmentation.image_flip=true"])


def test_the_profiles_of_the_synthetic_world_differ_in_what_varies_the_sensor():
    recommended = load_config(CONFIGS / "pretrain_recommended.yaml")
    synthetic = load_config(CONFIGS / "pretrain_synthetic.yaml")
    varied = load_config(CONFIGS / "pretrain_other_sensors.yaml")
    for config in (recommended, synthetic):
        assert config.augmentation == config.augmentation.without_sensors()
    assert varied.augmentation.mix == "mix3d"
    assert varied.augmentation != varied.augmentation.without_sensors()
    assert replace(varied, augmentation=synthetic.augmentation) == synthetic
    assert synthetic.input.level
    assert synthetic.input.intensity == "rank"


def test_without_sensors_only_turns_and_images_are_left():
    config = AugmentationConfig(cloud=False, image_crop=True, tilt_deg=3.0, mix="polarmix")
    assert config.without_sensors() == AugmentationConfig(cloud=False, image_crop=True)
