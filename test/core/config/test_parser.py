import json

import pytest
from checkout import CONFIGS

from clip2scene_core.config.parser import config_to_dict, override
from clip2scene_core.config.pretrain import PretrainConfig, config_from_dict, load_config
from clip2scene_core.config.sections import ConfigError


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
        ("losses: {class_balance: 1}", "'losses.class_balance' must be like True, got 1"),
        ("teacher: {occlusion_margin_m: near}", "must be a number or null, got 'near'"),
        ("losses: {semantic: ce}", "semantic must be one of cross_entropy, paper_eq1,"),
        ("losses: {semantic: none}", "spatial_temporal and contrastive are all none"),
        ("losses: {contrastive: moco}", "contrastive must be one of none, ppkt, slidr"),
        ("losses: {contrastive_temperature: 0}", "contrastive_temperature and superpixel_compact"),
        ("losses: {contrastive_pairs: 0}", "contrastive_pairs and superpixels must be at least 1"),
        ("training: {epochs: 0}", "epochs, batch_size and accumulate must be at least 1"),
        ("network: {name: resnet}", "network.name must be one of spvcnn, minkunet14, minkunet18,"),
        ("network: {width: 0}", "network.width must be positive and at most 16"),
        ("network: {features: intensity}", "'network.features' must be like ('intensity',"),
        ("network: {features: [range]}", "network.features must be some of intensity, height, "),
        ("network: {features: []}", "each once, got []"),
        ("network: {features: [height, height]}", "each once, got ['height', 'height']"),
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


def test_single_values_are_overridden():
    config = override(PretrainConfig(), ["training.epochs=3", "losses.semantic=paper_eq1"])
    assert (config.training.epochs, config.losses.semantic) == (3, "paper_eq1")
    assert override(config, ["training.learning_rate=1e-3"]).training.learning_rate == 1e-3
    assert override(config, ["classes=[a, b]", "prompts=[c, d]"]).classes == ("a", "b")
    nearer = override(PretrainConfig(), ["teacher.occlusion_margin_m=0.5", "consensus.movable=[]"])
    assert override(nearer, ["teacher.occlusion_margin_m=null"]).teacher.occlusion_margin_m is None
    assert override(nearer, ["consensus.movable=[car]"]).consensus.movable == ("car",)
    for assignment, message in (
        ("training.epochs", "an override is KEY=VALUE"),
        ("training.epoch=3", "unknown key 'training.epoch'"),
        ("training.epochs.x=3", "'epochs' is a value"),
    ):
        with pytest.raises(ConfigError, match=message):
            override(config, [assignment])


def test_a_prompt_may_be_several_texts():
    config = override(PretrainConfig(), ["classes=[a, b]", "prompts=[car | small car|van, road]"])
    assert config.texts_of_label == (("car", "small car", "van"), ("road",))
    assert config.texts == ("car", "small car", "van", "road")
    assert config.class_of_text == ("a", "a", "a", "b")


def test_labels_are_bytes_so_texts_are_not_too_many():
    texts = " | ".join(map(str, range(254)))
    assert len(PretrainConfig(("a",), (texts,)).texts) == 254
    with pytest.raises(ConfigError, match="at most 254 texts, got 255"):
        PretrainConfig(("a",), (f"{texts} | more",))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: cannot be read"):
        load_config(tmp_path / "none.yaml")


def test_a_missing_file_that_has_another_name_now_is_named_by_it(tmp_path):
    with pytest.raises(ConfigError, match=r"pretrain_embedded\.yaml: .*/pretrain_synthetic\.yaml"):
        load_config(tmp_path / "config" / "pretrain_embedded.yaml")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("training.optimiser", "training.optimizer"),
        ("losses.normalise", "losses.normalize"),
        ("losses.spatial_normalise", "losses.spatial_normalize"),
        ("losses.detach_centres", "losses.detach_centers"),
    ],
)
def test_keys_of_former_versions_are_errors_that_say_the_new_ones(tmp_path, old, new):
    message = f"unknown key '{old}'; did you mean '{new}'"
    with pytest.raises(ConfigError, match=message):
        override(PretrainConfig(), [f"{old}=true"])
    section, key = old.split(".")
    path = tmp_path / "old.yaml"
    path.write_text(f"{section}: {{{key}: true}}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(path)


def test_the_resolved_config_survives_json():
    config = config_from_dict({"training": {"epochs": 2}, "classes": ["a"], "prompts": ["b"]}, "x")
    assert config_from_dict(json.loads(json.dumps(config_to_dict(config))), "x") == config


def profile(name: str) -> PretrainConfig:
    return load_config(CONFIGS / f"pretrain_{name}.yaml")


def differences(one: PretrainConfig, other: PretrainConfig) -> set[str]:
    """Keys of all sections but the schedule that differ."""
    ones, others = config_to_dict(one), config_to_dict(other)
    sections = set(ones) - {"classes", "prompts", "training"}
    return {
        f"{section}.{key}"
        for section in sections
        for key, value in ones[section].items()
        if others[section][key] != value
    }


def test_the_paper_and_its_code_differ_where_they_are_known_to():
    paper, code = config_to_dict(profile("paper")), config_to_dict(profile("official_code"))
    assert differences(profile("paper"), profile("official_code")) == {
        "network.intensity_scale",
        "network.voxels",
        "sweeps.choice",  # D11
        "losses.semantic",  # D1
        "losses.temperature",  # D2
        "losses.normalize",  # D3
        "losses.spatial_temporal",  # D4 to D8
        "switching.granularity",  # D10
        "switching.start_epoch",  # D10
    }
    assert code["training"] == paper["training"]
    assert [c for c, p in zip(code["prompts"], paper["prompts"], strict=True) if c != p] == [
        "traffic_cone", "other_flat",  # D14
    ]  # fmt: skip


def test_the_recommended_profile_leaves_the_paper_where_it_says_so():
    paper, recommended = profile("paper"), profile("recommended")
    assert differences(paper, recommended) == {
        "teacher.key_smoothing",
        "teacher.occlusion_margin_m",
        "consensus.voxel_size_m",
        "sweeps.count",
        "augmentation.image_flip",
        "augmentation.image_crop",
        "losses.semantic",  # D1
        "losses.temperature",  # D2
        "losses.class_balance",
        "losses.spatial_temporal",  # D4 to D8
        "switching.granularity",  # D10
    }
    training = [config_to_dict(config)["training"] for config in (paper, recommended)]
    assert {key for key, value in training[0].items() if training[1][key] != value} == {
        "optimizer",
        "learning_rate",
        "dampening",
        "weight_decay",
        "schedule",
    }
    assert recommended.prompts == PretrainConfig().prompts != paper.prompts  # D14


def test_the_recommended_profile_differs_from_the_defaults_in_the_teacher_alone():
    assert differences(PretrainConfig(), profile("recommended")) == {
        "teacher.image_height",
        "teacher.key_smoothing",
        "teacher.occlusion_margin_m",
        "consensus.voxel_size_m",
    }
    assert profile("recommended").training == PretrainConfig().training


def not_of_the_sensor(keys: set[str]) -> set[str]:
    return {key for key in keys if key.split(".")[0] not in ("input", "augmentation")}


def test_the_synthetic_profile_is_the_recommended_one_made_small():
    changed = differences(profile("recommended"), profile("synthetic"))
    assert {"input.level", "input.intensity"} <= changed
    assert not_of_the_sensor(changed) == {
        "network.width",
        "network.voxel_size_m",
        "network.features",  # the shipped student's
        "teacher.clip",
        "teacher.image_height",
    }


@pytest.mark.parametrize("run", ["second", "third", "fourth"])
def test_later_runs_learn_the_same_classes_by_more_words(run):
    first, later = profile("synthetic"), profile(f"synthetic_{run}")
    assert later.classes == first.classes
    assert [texts[0] for texts in later.texts_of_label] == list(first.prompts)
    assert later.texts == profile("synthetic_fourth").texts
    assert len(later.texts) > len(first.texts)
