import json

import pytest

from clip2scene_core.config import (
    ConfigError,
    PretrainConfig,
    config_from_dict,
    config_to_dict,
    load_config,
)


def test_yaml_overrides_defaults_and_keeps_the_rest(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("network: {width: 1}\ntraining: {epochs: 3}\nteacher: {image_height: 224}\n")
    config = load_config(path)
    assert (config.network.width, config.training.epochs) == (1.0, 3)
    assert config.teacher.image_height == 224
    assert config.network.voxel_size_m == PretrainConfig().network.voxel_size_m


def test_an_empty_file_is_all_defaults(tmp_path):
    path = tmp_path / "a.yaml"
    path.write_text("")
    assert load_config(path) == PretrainConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("training: {epoch: 3}", "unknown key 'training.epoch'; did you mean 'training.epochs'"),
        ("trainin: {}", "unknown key 'trainin'; did you mean 'training'"),
        ("training: {epochs: many}", "'training.epochs' must be like 20, got 'many'"),
        ("training: {class_balance: 1}", "'training.class_balance' must be like True, got 1"),
        ("teacher: {occlusion_margin_m: near}", "must be a number or null, got 'near'"),
        ("training: {loss: kl}", "loss must be cross_entropy or paper_eq1, got 'kl'"),
        ("training: {epochs: 0}", "epochs and batch_size must be at least 1"),
        ("training: 3", "training must be a mapping, got 3"),
        ("classes: [car, 3]", "'classes' must be like"),
        ("[1, 2]", "the file must be a mapping"),
        ("a: [", "not valid YAML"),
    ],
)
def test_bad_values_are_named(tmp_path, text, message):
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"bad\.yaml: ") as raised:
        load_config(path)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_the_resolved_config_survives_json():
    config = config_from_dict({"training": {"epochs": 2}, "classes": ["a"], "prompts": ["b"]}, "x")
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config))), "x") == config
