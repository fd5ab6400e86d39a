import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config import NetworkConfig, PretrainConfig, TeacherConfig, TrainingConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.teacher.small_clip import (
    SmallClipFile,
    SmallClipShape,
    build_small_clip,
    save_small_clip,
)
from clip2scene_core.teacher.text import PROMPT_TEMPLATES
from clip2scene_core.teacher.tokenizer import CompactBytePairTokenizer
from clip2scene_core.training.augmentation import rotate_and_flip
from clip2scene_core.training.batch import collate_pretrain
from clip2scene_core.training.pretrain import class_weights, one_cycle, pretrain, train_student
from clip2scene_core.training.pseudo_labels import PseudoLabelledSweep
from clip2scene_core.vocabulary import make_vocabulary

CLASSES = ("car", "road", "tree")


class InterruptionError(Exception):
    pass


@pytest.fixture
def tiny_clip(tmp_path: Path) -> Path:
    """An untrained small CLIP that knows three words."""
    shape = SmallClipShape(
        width=8, head_width=32, embedding_size=16, text_width=16, text_layers=1, text_heads=1,
        image_height=32,
    )  # fmt: skip
    words = CompactBytePairTokenizer.of_captions(CLASSES, PROMPT_TEMPLATES, shape.context_length)
    torch.manual_seed(0)
    model = build_small_clip(shape, words.size)
    path = tmp_path / "clip.safetensors"
    save_small_clip(path, SmallClipFile(model, shape, words, (0.5,) * 3, (0.5,) * 3, {}))
    return path


def make_config(clip: Path | str, **training) -> PretrainConfig:
    return PretrainConfig(
        classes=CLASSES,
        prompts=CLASSES,
        network=NetworkConfig(width=0.125, voxel_size_m=1.0),
        teacher=TeacherConfig(clip=f"small:{clip}"),
        training=TrainingConfig(**{"epochs": 3, "batch_size": 1, **training}),
    )


def separable_sweeps() -> list[PseudoLabelledSweep]:
    """Ground, things on it and crowns above: the height gives the class away."""
    generator = np.random.default_rng(0)
    sweeps = []
    for _ in range(2):
        points = generator.uniform(-8, 8, (600, 4)).astype(np.float32)
        labels = np.arange(600) % 3
        points[:, 2] = np.array([-1.5, -0.2, 2.0])[labels]
        seen = np.arange(0, 600, 2)
        sweeps.append(
            PseudoLabelledSweep(points, seen.astype(np.int32), labels[seen].astype(np.uint8))
        )
    return sweeps


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path).student.state_dict()


def test_pretraining_writes_a_checkpoint_that_names_its_scenes(tmp_path, tiny_nuscenes, tiny_clip):
    seen = []
    dataset = NuScenesDataset(tiny_nuscenes)
    out = pretrain(dataset, make_config(tiny_clip), tmp_path / "s.safetensors", seen.append)
    checkpoint = load_checkpoint(out)
    assert checkpoint.scene_tokens == ("scene-a",)
    assert checkpoint.vocabulary.names == CLASSES
    assert checkpoint.config == make_config(tiny_clip)
    assert [(p.stage, p.step) for p in seen] == [
        *[("teacher", step) for step in (1, 2)],
        *[("student", step) for step in range(1, 7)],
    ]
    assert all(p.num_pairs > 0 for p in seen)
    assert not (tmp_path / "s.state.safetensors").exists()
    assert not (tmp_path / "s.labels.safetensors").exists()


def test_runs_of_one_teacher_share_its_pseudo_labels(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, config = NuScenesDataset(tiny_nuscenes), make_config(tiny_clip)
    alone = pretrain(dataset, config, tmp_path / "a.safetensors")
    shared, stages = tmp_path / "labels.safetensors", []
    for name in ("b", "c"):
        pretrain(
            dataset, config, tmp_path / f"{name}.safetensors",
            lambda progress: stages.append(progress.stage), pseudo_labels=shared,
        )  # fmt: skip
    assert stages.count("teacher") == 2  # of the first run alone
    for name in ("b", "c"):
        weights = weights_of(tmp_path / f"{name}.safetensors")
        assert all(torch.equal(weights[key], v) for key, v in weights_of(alone).items())

    nearer = make_config(tiny_clip, max_range_m=20.0)
    with pytest.raises(ValueError, match="pseudo labels of another teacher, range"):
        pretrain(dataset, nearer, tmp_path / "d.safetensors", pseudo_labels=shared)
    shared.write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="damaged pseudo labels"):
        pretrain(dataset, config, tmp_path / "d.safetensors", pseudo_labels=shared)


def test_pretraining_cannot_see_labels(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip)
    with_labels = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "a.safetensors")
    shutil.rmtree(tiny_nuscenes / "lidarseg")
    without = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "b.safetensors")
    for key, value in weights_of(with_labels).items():
        assert torch.equal(weights_of(without)[key], value)


def test_a_data_set_opened_with_labels_is_refused(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(ValueError, match="opened with labels"):
        pretrain(dataset, make_config(tiny_clip), tmp_path / "a.safetensors")


def test_a_resumed_run_ends_where_an_unbroken_one_does(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, config = NuScenesDataset(tiny_nuscenes), make_config(tiny_clip)
    unbroken = pretrain(dataset, config, tmp_path / "a.safetensors")

    def interrupt(progress) -> None:
        if progress.stage == "student" and progress.step == 4:
            raise InterruptionError

    broken = tmp_path / "b.safetensors"
    with pytest.raises(InterruptionError):
        pretrain(dataset, config, broken, interrupt)
    assert broken.with_suffix(".state.safetensors").exists()
    assert not broken.exists()
    with pytest.raises(ValueError, match="another configuration"):
        pretrain(dataset, make_config(tiny_clip, seed=1), broken)
    pretrain(dataset, config, broken)
    for key, value in weights_of(unbroken).items():
        torch.testing.assert_close(weights_of(broken)[key], value, rtol=0, atol=0)


@pytest.mark.parametrize("loss", ["cross_entropy", "paper_eq1"])
def test_training_lowers_the_loss(tmp_path, loss):
    vocabulary = make_vocabulary(CLASSES, torch.eye(16)[:3])
    config = make_config("unused", epochs=15, learning_rate=1e-2, loss=loss)
    losses = []
    train_student(
        separable_sweeps(), vocabulary, config, tmp_path / "s.safetensors",
        lambda progress: losses.append(progress.loss),
    )  # fmt: skip
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.5


def test_a_student_learns_what_pseudo_labels_say(tmp_path):
    sweeps = separable_sweeps()
    vocabulary = make_vocabulary(CLASSES, torch.eye(16)[:3])
    config = make_config("unused", epochs=20, learning_rate=1e-2)
    student, _ = train_student(sweeps, vocabulary, config, tmp_path / "s.safetensors")
    points = torch.from_numpy(sweeps[0].points)
    with torch.no_grad():
        embeddings = student.eval().embed_semantics(points, torch.zeros(600, dtype=torch.int64))
    predicted = (embeddings @ vocabulary.embeddings.T).argmax(dim=1).numpy()
    assert (predicted == np.arange(600) % 3).mean() > 0.9


def test_batched_pairs_point_into_the_joined_cloud():
    first = PseudoLabelledSweep(np.full((2, 4), 1, np.float32), np.array([1], np.int32), b([7]))
    second = PseudoLabelledSweep(
        np.full((3, 4), 2, np.float32), np.array([0, 2], np.int32), b([8, 9])
    )
    batch = collate_pretrain([first, second], np.random.default_rng(0))
    assert batch.batch_index.tolist() == [0, 0, 1, 1, 1]
    assert batch.point_index.tolist() == [1, 2, 4]
    assert batch.pseudo_labels.tolist() == [7, 8, 9]
    assert batch.points[:, 3].tolist() == [1, 1, 2, 2, 2]


def test_augmentation_keeps_heights_distances_and_intensities():
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    turned = rotate_and_flip(points, np.random.default_rng(1))
    np.testing.assert_array_equal(turned[:, 2:], points[:, 2:])
    np.testing.assert_allclose(
        np.linalg.norm(turned[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-5
    )
    assert np.abs(turned[:, :2] - points[:, :2]).max() > 0.1


def test_rare_classes_weigh_more_and_absent_ones_nothing():
    sweep = PseudoLabelledSweep(
        np.zeros((1, 4), np.float32), np.zeros(5, np.int32), b([0, 0, 0, 0, 2])
    )
    weights = class_weights([sweep], 3)
    assert weights[1] == 0
    assert weights[2] / weights[0] == pytest.approx(2.0)
    assert (weights[0] + weights[2]) / 2 == pytest.approx(1.0)


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [one_cycle(fraction, 1.0) for fraction in (0, 0.05, 0.1, 0.55, 1.0)]
    np.testing.assert_allclose(rates, [0.1, 0.55, 1.0, 0.5, 0.0], atol=1e-12)


def b(labels: list[int]) -> np.ndarray:
    return np.array(labels, dtype=np.uint8)
