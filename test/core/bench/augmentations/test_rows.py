"""Ablations of augmentations and of the network's input."""

from dataclasses import replace

from checkout import CONFIGS

from clip2scene_core.bench.augmentations.rows import rows_of
from clip2scene_core.config.augmentation import AugmentationConfig
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig, load_config
from clip2scene_core.config.sections import InputConfig, NetworkConfig


def differences(one: PretrainConfig, other: PretrainConfig) -> set[str]:
    both = [config_to_dict(config) for config in (one, other)]
    return {
        f"{section}.{key}"
        for section in ("augmentation", "input")
        for key, value in both[0][section].items()
        if value != both[1][section][key]
    }


def test_each_option_is_taken_away_and_left_alone():
    config = load_config(CONFIGS / "pretrain_other_sensors.yaml")
    named = rows_of(config)
    assert named["all"] == config
    none = named["none"]
    assert none.augmentation == AugmentationConfig()
    assert none.input == InputConfig()
    options = differences(config, none) - {"augmentation.mix_probability"}
    assert len(named) == 5 + 2 * len(options)
    both = named.pop("only level and rank")
    assert (both.input, both.augmentation) == (config.input, none.augmentation)
    assert named["with density"].network.features == (*config.network.features, "density")
    assert named["with polarmix"].augmentation.mix == "polarmix"
    for name, ablated in named.items():
        if name.startswith("without "):
            assert len(differences(config, ablated)) == 1
        if name.startswith("only "):
            assert len(differences(none, ablated) - {"augmentation.mix_probability"}) == 1
    assert named["without level"].input == InputConfig(level=False, intensity="rank")
    assert named["only beam_dropout"].augmentation.beam_dropout == 0.25


def test_what_a_configuration_does_not_use_is_not_ablated():
    named = rows_of(PretrainConfig())
    assert set(named) == {"all", "none", "with density", "with polarmix"}
    has_density = replace(PretrainConfig(), network=NetworkConfig(features=("density",)))
    assert set(rows_of(has_density)) == {"all", "none", "with polarmix"}
