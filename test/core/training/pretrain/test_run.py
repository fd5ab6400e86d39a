import csv
import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from separable_samples import CLASSES, TEXT, SeparableSamples, make_config
from torch import Tensor

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.class_weights import class_weights
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.run import pretrain
from clip2scene_core.training.pretrain.trainer import StudentTrainer
from clip2scene_core.training.run_log import RunLog

needs_scikit_image = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None,
    reason='superpixels need scikit-image: pip install -c constraints.txt ".[train]"',
)


class InterruptionError(Exception):
    pass


def weights_of(path: Path) -> dict[str, Tensor]:
    return load_checkpoint(path).student.state_dict()


def assert_same_weights(one: Path, other: Path) -> None:
    others = weights_of(other)
    for key, value in weights_of(one).items():
        torch.testing.assert_close(others[key], value, rtol=0, atol=0, msg=key)


def test_pretraining_writes_a_checkpoint_that_names_its_scenes(tmp_path, tiny_nuscenes, tiny_clip):
    embedded, steps = [], []
    out = pretrain(
        NuScenesDataset(tiny_nuscenes),
        make_config(tiny_clip),
        tmp_path / "s.safetensors",
        report_teacher=lambda done, total: embedded.append((done, total)),
        report=steps.append,
    )
    checkpoint = load_checkpoint(out)
    assert checkpoint.scene_tokens == ("scene-a",)
    assert checkpoint.vocabulary.names == CLASSES
    assert checkpoint.config == make_config(tiny_clip)
    assert embedded == [(1, 2), (2, 2)]
    assert [(step.step, step.num_steps) for step in steps] == [(n, 6) for n in range(1, 7)]
    assert all(step.num_pairs > 0 and step.losses["total"] > 0 for step in steps)
    assert sorted(path.name for path in tmp_path.glob("s.*")) == ["s.safetensors"]


@pytest.mark.parametrize("voxel_size_m", [0, 2])
def test_pretraining_cannot_see_labels(tmp_path, tiny_nuscenes, tiny_clip, voxel_size_m):
    config = make_config(tiny_clip, f"consensus.voxel_size_m={voxel_size_m}")
    with_labels = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "a.safetensors")
    shutil.rmtree(tiny_nuscenes / "lidarseg")
    without = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "b.safetensors")
    assert_same_weights(with_labels, without)


def test_a_data_set_opened_with_labels_is_refused(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(ValueError, match="opened with labels"):
        pretrain(dataset, make_config(tiny_clip), tmp_path / "a.safetensors")


@pytest.mark.parametrize(
    "assignments",
    [
        ("training.optimizer=adamw",),
        ("training.optimizer=sgd", "training.momentum=0.9", "training.dampening=0.1"),
        ("switching={granularity: point, start_epoch: 1, source: ema, unseen_points: true}",),
        ("losses={semantic: none, contrastive: ppkt, contrastive_pairs: 8}",),
        ("consensus.voxel_size_m=2.0", "losses.weigh_by_confidence=true", "sweeps.count=2"),
        pytest.param(("losses={contrastive: slidr, superpixels: 9}",), marks=needs_scikit_image),
    ],
)
def test_a_killed_run_ends_where_an_unbroken_one_does(
    tmp_path, tiny_nuscenes, tiny_clip, assignments
):
    dataset, config = NuScenesDataset(tiny_nuscenes), make_config(tiny_clip, *assignments)
    unbroken = pretrain(dataset, config, tmp_path / "a.safetensors")

    def interrupt(step) -> None:
        if step.step == 4:
            raise InterruptionError

    broken = tmp_path / "b.safetensors"
    with pytest.raises(InterruptionError):
        pretrain(dataset, config, broken, save_every=3, report=interrupt)  # inside an epoch
    assert broken.with_suffix(".state.safetensors").exists()
    assert not broken.exists()
    with pytest.raises(ValueError, match="another configuration"):
        pretrain(dataset, override(config, ["training.seed=1"]), broken)
    steps = []
    pretrain(dataset, config, broken, report=lambda step: steps.append(step.step))
    assert steps == [4, 5, 6]
    assert_same_weights(unbroken, broken)


def test_runs_share_what_the_teacher_said(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, cache = NuScenesDataset(tiny_nuscenes), tmp_path / "cache"
    config = make_config(tiny_clip)
    alone = pretrain(dataset, config, tmp_path / "a.safetensors")
    for name in ("b", "c"):
        pretrain(dataset, config, tmp_path / f"{name}.safetensors", cache=cache)
        assert_same_weights(alone, tmp_path / f"{name}.safetensors")
    files = sorted(cache.rglob("*.npy"))
    assert len(files) == 2
    files[0].write_bytes(b"no numbers")
    with pytest.raises(ValueError, match="damaged cache"):
        pretrain(dataset, config, tmp_path / "d.safetensors", cache=cache)


def test_runs_share_the_weights_of_classes(tmp_path, tiny_nuscenes, tiny_clip, monkeypatch):
    dataset, cache = NuScenesDataset(tiny_nuscenes), tmp_path / "cache"
    config = make_config(tiny_clip)
    one = pretrain(dataset, config, tmp_path / "a.safetensors", cache=cache)
    monkeypatch.setattr("clip2scene_core.training.pretrain.class_weights.class_weights", None)
    other = pretrain(dataset, config, tmp_path / "b.safetensors", cache=cache)
    assert_same_weights(one, other)
    voted = override(config, ["consensus.voxel_size_m=2.0"])
    with pytest.raises(TypeError):  # other points are named, so they are counted anew
        pretrain(dataset, voted, tmp_path / "c.safetensors", cache=cache)


def test_consensus_teaches_where_images_are_varied_too(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, consensus = NuScenesDataset(tiny_nuscenes), []
    config = make_config(
        tiny_clip, "consensus.voxel_size_m=2.0", "augmentation.image_crop=true", "training.epochs=1"
    )
    out = pretrain(
        dataset,
        config,
        tmp_path / "a.safetensors",
        report_consensus=lambda done, total: consensus.append((done, total)),
    )
    assert load_checkpoint(out).config.consensus.voxel_size_m == 2.0
    assert consensus == [(1, 1)]
    assert sorted(path.name for path in tmp_path.glob("a.*")) == ["a.safetensors"]


def test_another_teacher_has_another_cache(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, cache = NuScenesDataset(tiny_nuscenes), tmp_path / "cache"
    for number, scales in enumerate(("[1.0]", "[1.0, 2.0]")):
        config = make_config(tiny_clip, f"teacher.scales={scales}", "training.epochs=1")
        pretrain(dataset, config, tmp_path / f"{number}.safetensors", cache=cache)
    assert len(list(cache.iterdir())) == 2


def test_loading_in_other_processes_changes_nothing(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = NuScenesDataset(tiny_nuscenes)
    config = make_config(tiny_clip, "sweeps.count=3", "sweeps.choice=random")
    here = pretrain(dataset, config, tmp_path / "a.safetensors")
    elsewhere = pretrain(dataset, config, tmp_path / "b.safetensors", num_workers=1)
    assert_same_weights(here, elsewhere)


@pytest.mark.parametrize(
    ("losses", "least_fall"),
    [
        ("semantic: cross_entropy", 0.5),
        ("semantic: cross_entropy, normalize: false, temperature: 1.0", 0.5),
        ("semantic: paper_eq1", 0.5),
        ("semantic: bounded_eq1", 0.5),
        ("semantic: kl", 0.5),
        ("spatial_temporal: paper, spatial_temporal_weight: 0.5", 0.5),
        ("semantic: none, spatial_temporal: paper, spatial_normalize: true", 0.1),
        ("semantic: none, contrastive: ppkt, contrastive_pairs: 100", 0.5),
        ("semantic: none, contrastive: slidr", 0.5),
        ("contrastive: slidr, contrastive_weight: 0.5", 0.5),
        ("semantic: none, spatial_temporal: paper, contrastive: ppkt", 0.5),
    ],
)
def test_training_lowers_every_loss(losses, least_fall):
    config = make_config(
        "unused", "training.epochs=15", "training.learning_rate=1e-2", f"losses={{{losses}}}"
    )
    steps = []
    trainer = StudentTrainer(SeparableSamples(2), TEXT, config, make_fabric(config))
    trainer.train(lambda step: steps.append(step.losses))
    names = {"semantic", "spatial_temporal", "contrastive"}
    names -= {"semantic"} if "semantic: none" in losses else set()
    names -= {name for name in ("spatial_temporal", "contrastive") if f"{name}:" not in losses}
    assert set(steps[0]) == {*names, "total"}
    factors = {
        "semantic": 1.0,
        "spatial_temporal": config.losses.spatial_temporal_weight,
        "contrastive": config.losses.contrastive_weight,
    }
    assert steps[3]["total"] == pytest.approx(sum(factors[n] * steps[3][n] for n in names))
    totals = [step["total"] for step in steps]
    assert np.mean(totals[-4:]) < np.mean(totals[:4]) - least_fall


def test_the_official_spatial_loss_is_soon_nothing_but_its_filling():
    # Grids of four pairs leave four of eight places empty, at 0.5 each; products of embeddings at
    # their length push the other four to 0 within a step or two.
    config = make_config("unused", "losses={semantic: none, spatial_temporal: official_code}")
    losses = []
    trainer = StudentTrainer(SeparableSamples(2), TEXT, config, make_fabric(config))
    trainer.train(lambda step: losses.append(step.losses["spatial_temporal"]))
    assert min(losses) > 0.2499
    assert losses[-1] < 0.26


@pytest.mark.parametrize(
    "losses",
    [
        "semantic: cross_entropy",
        "semantic: none, contrastive: ppkt",
        "semantic: none, contrastive: slidr",
    ],
)
def test_a_student_learns_what_pixels_are_called(losses):
    config = make_config(
        "unused", "training.epochs=20", "training.learning_rate=1e-2", f"losses={{{losses}}}"
    )
    samples = SeparableSamples(2)
    trainer = StudentTrainer(samples, TEXT, config, make_fabric(config))
    trainer.train(lambda step: None)
    points = torch.from_numpy(samples[0, 0][0].clouds[0])
    with torch.no_grad():
        student = trainer.student.eval()
        embeddings = student.embed_semantics(points, torch.zeros(600, dtype=torch.int64))
    predicted = (embeddings @ TEXT.T).argmax(dim=1).numpy()
    assert (predicted == np.arange(600) % 3).mean() > 0.9


def test_rare_classes_weigh_more_and_absent_ones_nothing():
    class Uneven(SeparableSamples):
        def __getitem__(self, key):
            sample, _ = super().__getitem__(key)
            labels = torch.zeros(len(sample.point_index), dtype=torch.int64)
            labels[: len(labels) // 5] = 2
            return sample, TEXT[labels]

    weights = class_weights(Uneven(1), TEXT)
    assert weights[1] == 0
    assert weights[2] / weights[0] == pytest.approx(2.0)
    assert (weights[0] + weights[2]) / 2 == pytest.approx(1.0)


@pytest.mark.parametrize(("semantic", "weighs"), [("cross_entropy", True), ("bounded_eq1", False)])
def test_only_the_cross_entropy_weighs_classes(
    tmp_path, tiny_nuscenes, tiny_clip, semantic, weighs
):
    config = make_config(tiny_clip, f"losses.semantic={semantic}", "losses.class_balance=true")
    data = prepare_distillation(
        NuScenesDataset(tiny_nuscenes), config, tmp_path, make_fabric(config)
    )
    assert (data.class_weights is not None) == weighs


def test_own_labels_are_freed_of_the_weights_of_classes():
    config = make_config(
        "unused", "switching={granularity: point, probability: 1.0, start_epoch: 0}"
    )
    weights, switched = torch.tensor([1.0, 0.0, 0.0]), []
    trainer = StudentTrainer(SeparableSamples(2), TEXT, config, make_fabric(config), weights)
    trainer.train(lambda step: switched.append(step.switched))
    # A class that never occurs is no student's own label, so all points are the first class: that
    # is another label than the teacher's for two points of three.
    assert switched == pytest.approx([2 / 3] * len(switched))


def test_a_run_is_logged_step_by_step(tmp_path):
    config = make_config("unused", "training.epochs=1")
    log, totals = RunLog(tmp_path, every=3), []

    def report(step) -> None:
        log.add(step)
        totals.append(step.losses["total"])

    StudentTrainer(SeparableSamples(4), TEXT, config, make_fabric(config)).train(report)
    log.close()
    with (tmp_path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "4"]
    assert float(rows[1]["loss/total"]) == totals[3]
