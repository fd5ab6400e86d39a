"""Every augmentation of the sensor, strong enough to be seen in a test."""

from clip2scene_core.config.augmentation import SensorAugmentationConfig

ANY_SENSOR = SensorAugmentationConfig(
    height_m=0.3, tilt_deg=3.0, scale=0.1, waves_m=0.1, jitter_m=0.01, own_robot=0.3,
    sector_dropout=0.2, beam_dropout=0.5, range_dropout=0.3, point_dropout=0.2, intensity_range=1.0,
    intensity_gamma=2.0, intensity_noise=0.1, intensity_dropout=0.2, mix="mix3d",
    mix_probability=0.3,
)  # fmt: skip
