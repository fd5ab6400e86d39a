import csv
import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from checkout import CONFIGS
from torch.utils.data import Dataset

from clip2scene_core.checkpoint import (
    CheckpointError,
    FinetunedCheckpoint,
    load_checkpoint,
    load_finetuned,
    save_checkpoint,
    save_finetuned,
)
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import override, read_config
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.inference.segmenter import ClassifierSegmenter
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.data import (
    LabelledKeyframe,
    LabelledKeyframes,
    collate_labelled,
)
from clip2scene_core.training.finetune.run import finetune, load_pretrained, make_classifier
from clip2scene_core.training.finetune.trainer import FinetuneTrainer
from clip2scene_ros.cli.main import main

NETWORK = NetworkConfig(width=0.125, voxel_size_m=0.5)
NAMES = tuple(c.name for c in NUSCENES_CLASSES)


class InterruptionError(Exception):
    pass


class SeparableClouds(Dataset):
    """The height gives the class away; every tenth point has no label."""

    def __init__(self, num_keyframes: int = 2) -> None:
        self.num_keyframes = num_keyframes

    def __len__(self) -> int:
        return self.num_keyframes

    def __getitem__(self, key: tuple[int, int]) -> LabelledKeyframe:
        points = np.random.default_rng(key[1]).uniform(-8, 8, (120, 4)).astype(np.float32)
        labels = (np.arange(120) % 3).astype(np.uint8)
        points[:, 2] = np.array([-1.5, -0.2, 2.0])[labels]
        labels[::10] = IGNORE_LABEL
        return LabelledKeyframe(points, labels)


def make_config(*assignments: str) -> FinetuneConfig:
    config = FinetuneConfig(network=NETWORK)
    basics = ["labels.percent=100", "training.epochs=3", "training.batch_size=1"]
    return override(config, [*basics, *assignments])


def train(config: FinetuneConfig, after_step=lambda step: None) -> Classifier:
    classifier = make_classifier(config, None)
    FinetuneTrainer(SeparableClouds(), classifier, config, make_fabric(config)).train(after_step)
    return classifier


def moved_by_one_step(head_rate: float, trunk_rate: float) -> tuple[torch.Tensor, torch.Tensor]:
    """How far the first step moves the head and the first weights of the trunk."""
    config = make_config(
        f"head.learning_rate={head_rate}", f"training.learning_rate={trunk_rate}",
        "training.epochs=1", "training.batch_size=2", "training.weight_decay=0",
    )  # fmt: skip
    before, after = make_classifier(config, None), train(config)
    trunks = [next(iter(classifier.network.parameters())) for classifier in (before, after)]
    return after.head.weight - before.head.weight, trunks[1] - trunks[0]


def test_each_learning_rate_reaches_its_own_part():
    head, trunk = moved_by_one_step(0.01, 0.02)
    assert min(head.abs().max(), trunk.abs().max()) > 1e-6
    other_head, other_trunk = moved_by_one_step(0.05, 0.02)
    torch.testing.assert_close(other_head, 5 * head, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(other_trunk, trunk)
    other_head, other_trunk = moved_by_one_step(0.01, 0.1)
    torch.testing.assert_close(other_head, head)
    torch.testing.assert_close(other_trunk, 5 * trunk, rtol=1e-3, atol=1e-6)


def test_both_rates_fall_along_the_schedule():
    steps = []
    train(make_config("head.learning_rate=2.0", "training.learning_rate=0.02"), steps.append)
    shares = [1, 1, 0.75, 0.75, 0.25, 0.25]  # half a cosine over three epochs of two steps
    np.testing.assert_allclose([step.head_learning_rate for step in steps], np.multiply(2, shares))
    np.testing.assert_allclose([step.learning_rate for step in steps], np.multiply(0.02, shares))
    assert {step.num_labelled for step in steps} == {108}


def test_a_linear_probe_leaves_the_trunk_and_its_statistics_alone():
    config = make_config("head.linear_probe=true", "head.learning_rate=0.1")
    before, steps = make_classifier(config, None), []
    after = train(config, steps.append)
    assert before.network.state_dict().keys() == after.network.state_dict().keys()
    for key, value in before.network.state_dict().items():
        assert torch.equal(after.network.state_dict()[key], value), key
    assert not torch.equal(before.head.weight, after.head.weight)
    assert {step.learning_rate for step in steps} == {0.0}
    statistics = train(make_config()).network.state_dict()
    moved = [key for key, value in statistics.items() if key.endswith("running_mean")]
    assert any(not torch.equal(statistics[key], before.network.state_dict()[key]) for key in moved)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_classifier_learns_its_labels(accumulate):
    config = make_config(
        "training={epochs: 20, batch_size: 2, optimizer: adamw, learning_rate: 1e-2}",
        f"training.accumulate={accumulate}", "head.learning_rate=1e-2",
    )  # fmt: skip
    losses = []
    classifier = train(config, lambda step: losses.append(step.loss)).eval()
    assert losses[0] > 2.5  # ln 16 and most of a Lovász loss of 1
    assert losses[-1] < 1
    cloud = SeparableClouds()[0, 0]
    checkpoint = FinetunedCheckpoint(classifier, NAMES, config, (), {})
    predicted = ClassifierSegmenter(checkpoint).segment(cloud.points).labels
    assert (predicted == np.arange(120) % 3).mean() > 0.9


def test_scores_are_the_softmax_of_the_logits_and_lost_points_have_no_label():
    classifier = make_classifier(make_config(), None).eval()
    torch.nn.init.zeros_(classifier.head.weight)
    with torch.no_grad():
        classifier.head.bias.copy_(torch.arange(16) * np.log(2))
    segmenter = ClassifierSegmenter(FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    points = np.array([[1, 2, 3, 0.5], [np.nan, 0, 0, 0]], np.float32)
    segmentation = segmenter.segment(points)
    assert segmentation.labels.tolist() == [15, IGNORE_LABEL]
    np.testing.assert_allclose(segmentation.scores, [2**15 / (2**16 - 1), 0], rtol=1e-6)
    assert len(segmenter.segment(points[:0]).labels) == 0
    with pytest.raises(ValueError, match=r"points must be \(N, 4\)"):
        segmenter.segment(points[:, :3])


def test_clouds_keep_their_range_and_chance_is_the_keys_own(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    whole = dataset[1].keyframe
    range_m = np.linalg.norm(whole.points[:, :3], axis=1)
    limits = ("clouds.min_range_m=8", "clouds.max_range_m=20", "clouds.augment=false")
    used = (range_m >= 8) & (range_m <= 20)
    assert 0 < used.sum() < 48
    cloud = LabelledKeyframes(dataset, [1], make_config(*limits))[0, 0]
    np.testing.assert_array_equal(cloud.points, whole.points[used])
    np.testing.assert_array_equal(cloud.labels, whole.labels[used])
    clouds = LabelledKeyframes(dataset, [1], make_config())
    np.testing.assert_array_equal(clouds[3, 0].points, clouds[3, 0].points)
    assert not np.array_equal(clouds[3, 0].points, clouds[4, 0].points)
    batch = collate_labelled([clouds[0, 0], cloud])
    assert torch.bincount(batch.batch_index).tolist() == [len(clouds[0, 0].points), used.sum()]
    assert batch.labels[-int(used.sum()) :].tolist() == cloud.labels.tolist()


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path, tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config, broken = make_config(), tmp_path / "b.safetensors"
    unbroken = load_finetuned(finetune(dataset, config, tmp_path / "a.safetensors", None))

    def interrupt(step) -> None:
        if step.step == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        finetune(dataset, config, broken, None, save_every=3, report=interrupt)
    with pytest.raises(ValueError, match="another configuration"):  # other keyframes
        finetune(dataset, override(config, ["labels.percent=50", "labels.sampler="
                 "clip2scene_keyframe"]), broken, None)  # fmt: skip
    steps = []
    finetune(dataset, config, broken, None, report=lambda step: steps.append(step.step))
    assert steps == [4, 5, 6]
    resumed = load_finetuned(broken).classifier.state_dict()
    for key, value in unbroken.classifier.state_dict().items():
        assert torch.equal(resumed[key], value), key


def test_the_checkpoint_says_what_it_learned_from(tmp_path, tiny_nuscenes, tiny_checkpoint):
    student = tmp_path / "student.safetensors"
    save_checkpoint(student, tiny_checkpoint)
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config = make_config("labels={percent: 50, sampler: clip2scene_keyframe}")
    out = finetune(dataset, config, tmp_path / "out.safetensors", load_pretrained(str(student)))
    checkpoint = load_finetuned(out)
    tokens = tmp_path / "out.tokens.txt"
    assert tokens.read_text() == "sample-0\n"  # the first of two keyframes
    assert checkpoint.record["tokens"] == {
        "file": "out.tokens.txt",
        "sha256": hashlib.sha256(b"sample-0\n").hexdigest(),
    }
    assert checkpoint.record["from"] == {
        "weights": str(student),
        "sha256": hashlib.sha256(student.read_bytes()).hexdigest(),
    }
    assert checkpoint.record["num_keyframes"] == 1
    assert checkpoint.scene_tokens == ("a", "b", "scene-a")
    assert (checkpoint.config, checkpoint.class_names) == (config, NAMES)
    assert sorted(path.name for path in tmp_path.glob("out.*")) == [
        "out.safetensors",
        "out.tokens.txt",
    ]


def test_the_first_process_alone_writes(tmp_path, tiny_nuscenes, monkeypatch):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config = make_config()
    fabric = make_fabric(config)
    monkeypatch.setattr(type(fabric), "is_global_zero", property(lambda fabric: False))
    finetune(dataset, config, tmp_path / "new" / "out.safetensors", None, fabric, save_every=1)
    assert not (tmp_path / "new").exists()


def test_training_begins_with_the_students_trunk(tiny_checkpoint):
    classifier = make_classifier(make_config(), tiny_checkpoint)
    for key, value in tiny_checkpoint.student.network.state_dict().items():
        assert torch.equal(classifier.network.state_dict()[key], value), key
    with pytest.raises(ValueError, match=r"the student's is NetworkConfig.*leave 'network' out"):
        make_classifier(make_config("network.width=0.25"), tiny_checkpoint)


def test_labels_are_needed(tmp_path, tiny_nuscenes):
    with pytest.raises(ValueError, match="opened without labels"):
        finetune(NuScenesDataset(tiny_nuscenes), make_config(), tmp_path / "a.safetensors", None)


def test_checkpoints_are_not_mistaken_for_students(tmp_path, tiny_checkpoint):
    student, finetuned = tmp_path / "s.safetensors", tmp_path / "f.safetensors"
    save_checkpoint(student, tiny_checkpoint)
    classifier = make_classifier(make_config(), None)
    save_finetuned(finetuned, FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    with pytest.raises(CheckpointError, match=r"not a clip2scene student.*classifier-1"):
        load_checkpoint(finetuned)
    with pytest.raises(CheckpointError, match=r"not a fine-tuned network.*clip2scene finetune"):
        load_finetuned(student)
    wider = FinetunedCheckpoint(classifier, NAMES, make_config("network.width=0.25"), (), {})
    save_finetuned(finetuned, wider)
    with pytest.raises(CheckpointError, match="weights do not fit their configuration"):
        load_finetuned(finetuned)


@pytest.mark.parametrize(
    "path",
    sorted(CONFIGS.glob("finetune_*.yaml")),
    ids=lambda path: path.name,
)
def test_shipped_configurations_load(path):
    assert read_config(path, FinetuneConfig()).training.epochs > 0


def test_the_defaults_are_slidrs():
    assert read_config(CONFIGS / "finetune_nuscenes.yaml", FinetuneConfig()) == FinetuneConfig()


def test_the_command_trains_from_scratch(tmp_path, tiny_nuscenes, capsys):
    out = tmp_path / "out.safetensors"
    command = [
        "finetune", str(tiny_nuscenes), "--from", "scratch", "--percent", "50", "--sampler",
        "clip2scene_keyframe", "--out", str(out), "--log", str(tmp_path / "log"),
        "--set", "network={width: 0.125, voxel_size_m: 0.5}", "--set", "training.epochs=2",
    ]  # fmt: skip
    assert main(command) == 0
    assert str(out) in capsys.readouterr().out
    checkpoint = load_finetuned(out)
    assert checkpoint.record["from"] == "scratch"
    assert checkpoint.record["num_keyframes"] == 1
    with (tmp_path / "log" / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], float(row["head_learning_rate"])) for row in rows] == [("2", 1.0)]
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err


def test_the_command_resolves_its_configuration(capsys):
    assert main(["finetune", "--percent", "5", "--linear-probe", "--print-config"]) == 0
    resolved = yaml.safe_load(capsys.readouterr().out)
    assert resolved["labels"] == {"percent": 5, "sampler": "slidr_scene"}
    assert resolved["head"] == {"learning_rate": 2.0, "linear_probe": True}
    assert resolved["network"]["width"] == 0.25  # the shipped student's
    assert main(["finetune", "--set", "head.lr=1", "--print-config"]) == 1
    assert "unknown key 'head.lr'" in capsys.readouterr().err


def test_evaluation_scores_a_fine_tuned_network(tmp_path, tiny_nuscenes, capsys):
    classifier = make_classifier(make_config(), None).eval()
    torch.nn.init.zeros_(classifier.head.weight)
    with torch.no_grad():
        classifier.head.bias.copy_(torch.arange(16) == 6)  # pedestrians everywhere
    path, report = tmp_path / "f.safetensors", tmp_path / "report"
    save_finetuned(path, FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    command = ["evaluate", str(tiny_nuscenes), "--weights", str(path)]
    assert main([*command, "--report", str(report)]) == 0
    # The union of pedestrians and of what is called so is every point with a class.
    ground_truth = np.concatenate([sample.keyframe.labels for sample in labelled(tiny_nuscenes)])
    share = (ground_truth == 6).sum() / (ground_truth != IGNORE_LABEL).sum()
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith("pedestrian"))
    assert f"{100 * share:.1f}" in line
    (written,) = report.glob("*.json")
    assert yaml.safe_load(written.read_text())
    for options in (["--modes", "camera"], ["--prompts", "config/prompts_nuscenes.yaml"]):
        assert main([*command, *options]) == 1
        assert "is fine-tuned: it labels in mode lidar" in capsys.readouterr().err
    seen = FinetunedCheckpoint(classifier, NAMES, make_config(), ("scene-a",), {})
    save_finetuned(path, seen)
    assert main(command) == 1
    assert "was trained on 1 of these scenes" in capsys.readouterr().err


def labelled(root: Path) -> NuScenesDataset:
    return NuScenesDataset(root, with_labels=True, with_images=False)
