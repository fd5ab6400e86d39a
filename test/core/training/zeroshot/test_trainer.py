"""Points whose height determines their class: one class is seen, two are known to pixels only."""

import numpy as np
import pytest
import torch
from separable_samples import CLASSES, TEXT, SeparableSamples
from torch.utils.data import Dataset

from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.config.zeroshot import ClassSplitConfig, ZeroShotConfig
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.zeroshot.data.samples import ZeroShotSample
from clip2scene_core.training.zeroshot.trainer import ZeroShotTrainer

IS_UNSEEN = np.array([False, True, True])


class SeparableZeroShotSamples(Dataset):
    def __len__(self) -> int:
        return 2

    def __getitem__(self, key: tuple[int, int]) -> ZeroShotSample:
        paired, pixels = SeparableSamples(2)[key]
        labels = (np.arange(600) % 3).astype(np.uint8)
        paired.true_labels[:] = np.where(labels == 0, 0, IGNORE_LABEL)
        _, patch_index = np.unique(paired.superpixel_index, return_inverse=True)
        patches = torch.zeros(patch_index.max() + 1, pixels.shape[1])
        patches.index_add_(0, torch.from_numpy(patch_index), pixels)
        return ZeroShotSample(
            paired, pixels, patch_index, torch.nn.functional.normalize(patches, dim=1)
        )


def train(*assignments: str) -> tuple[ZeroShotTrainer, list]:
    config = ZeroShotConfig(
        classes=CLASSES,
        prompts=CLASSES,
        class_split=ClassSplitConfig("own", unseen=CLASSES[1:]),
        network=NetworkConfig("minkunet14", width=0.125, voxel_size_m=1.0),
    )
    basics = ("training.batch_size=1", "training.epochs=16", "training.learning_rate=1e-2")
    config = override(config, [*basics, *assignments])
    samples, steps = SeparableZeroShotSamples(), []
    trainer = ZeroShotTrainer(samples, TEXT, IS_UNSEEN, config, make_fabric(config))
    trainer.train(steps.append)
    return trainer, steps


def accuracies(trainer: ZeroShotTrainer) -> list[float]:
    """Share of right labels of each class."""
    points = torch.from_numpy(SeparableSamples(2)[0, 0][0].clouds[0])
    with torch.no_grad():
        student = trainer.student.eval()
        embeddings = student.embed_semantics(points, torch.zeros(600, dtype=torch.int64))
    predicted = (embeddings @ TEXT.T).argmax(dim=1).numpy()
    classes = np.arange(600) % 3
    return [float((predicted == classes)[classes == number].mean()) for number in range(3)]


def test_a_student_learns_seen_and_unseen_classes_in_two_phases():
    trainer, steps = train("losses={prototype_weight: 0.5, patch_weight: 0.25}")
    assert min(accuracies(trainer)) > 0.9
    assert [step.phase for step in steps] == [1] * 16 + [2] * 16
    assert {step.num_labelled for step in steps} == {200}
    # CLIP names all paired points that have no label, the student half of all of them.
    assert {step.num_pseudo for step in steps[:16]} == {100, 200}
    assert 0 < np.mean([step.num_pseudo for step in steps[16:]]) < 400
    for step in steps:
        losses = step.losses
        total = losses["semantic"] + 0.5 * losses["prototype"] + 0.25 * losses["patch"]
        assert losses["total"] == pytest.approx(total)
    for name in ("semantic", "prototype"):
        values = [step.losses[name] for step in steps]
        assert np.mean(values[-4:]) < 0.5 * np.mean(values[:4])


def test_without_pseudo_labels_and_alignment_not_every_class_is_known():
    off = "{pseudo_weight: 0, prototype_weight: 0, patch_weight: 0}"
    trainer, _ = train(f"losses={off}", "training.epochs=8")
    seen, *unseen = accuracies(trainer)
    assert seen > 0.9
    assert min(unseen) < 0.5  # one of two may be right by chance
