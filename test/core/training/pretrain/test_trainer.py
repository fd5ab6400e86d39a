import numpy as np
import pytest
import torch
from separable_samples import TEXT, SeparableSamples, make_config

from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.trainer import StudentTrainer


@pytest.mark.parametrize(
    ("losses", "least_fall"),
    [
        ("semantic: cross_entropy", 0.5),
        ("semantic: cross_entropy, normalize: false, temperature: 1.0", 0.5),
        ("semantic: paper_eq1", 0.5),
        ("semantic: bounded_eq1", 0.5),
        ("semantic: kl", 0.5),
        ("semantic: none, feature: cosine", 0.5),
        ("feature: cosine, feature_weight: 2.0", 0.5),
        ("semantic: none, feature: cosine, spatial_temporal: paper", 0.5),
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
    names = {"semantic", "feature", "spatial_temporal", "contrastive"}
    names -= {"semantic"} if "semantic: none" in losses else set()
    optional = ("feature", "spatial_temporal", "contrastive")
    names -= {name for name in optional if f"{name}:" not in losses}
    assert set(steps[0]) == {*names, "total"}
    factors = {
        "semantic": 1.0,
        "feature": config.losses.feature_weight,
        "spatial_temporal": config.losses.spatial_temporal_weight,
        "contrastive": config.losses.contrastive_weight,
    }
    assert steps[3]["total"] == pytest.approx(sum(factors[n] * steps[3][n] for n in names))
    totals = [step["total"] for step in steps]
    assert np.mean(totals[-4:]) < np.mean(totals[:4]) - least_fall


def test_the_official_spatial_loss_is_soon_nothing_but_its_filling():
    # Grids of four pairs leave four of eight places empty, at 0.5 each; products of embeddings at
    # their length push the other four to 0 within a step or two.
    official = "losses={semantic: none, spatial_temporal: official_code}"
    config = make_config("unused", official, "network.name=spvcnn")
    losses = []
    trainer = StudentTrainer(SeparableSamples(2), TEXT, config, make_fabric(config))
    trainer.train(lambda step: losses.append(step.losses["spatial_temporal"]))
    assert min(losses) > 0.2499
    assert losses[-1] < 0.26


@pytest.mark.parametrize(
    "losses",
    [
        "semantic: cross_entropy",
        "semantic: none, feature: cosine",
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
