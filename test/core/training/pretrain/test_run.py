import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from separable_samples import CLASSES, make_config
from torch import Tensor

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.datasets import JoinedDataset, NuScenesDataset
from clip2scene_core.inference.segmenter import load_segmenter
from clip2scene_core.training.pretrain.run import pretrain

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


def test_a_student_learns_from_several_data_sets(
    tmp_path, tiny_nuscenes, other_nuscenes, tiny_clip
):
    joined = JoinedDataset([NuScenesDataset(tiny_nuscenes), NuScenesDataset(other_nuscenes)])
    config, steps = make_config(tiny_clip, "consensus.voxel_size_m=2"), []
    out = pretrain(joined, config, tmp_path / "s.safetensors", report=steps.append)
    checkpoint = load_checkpoint(out)
    assert checkpoint.scene_tokens == ("scene-a", "scene-b")
    assert checkpoint.record["num_keyframes"] == 4
    assert [(step.step, step.num_steps) for step in steps] == [(n, 12) for n in range(1, 13)]


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
        ("training.optimizer=adamw", "network.name=spvcnn"),
        ("training.optimizer=sgd", "training.momentum=0.9", "training.dampening=0.1"),
        ("switching={granularity: point, start_epoch: 1, source: ema, unseen_points: true}",),
        ("losses={semantic: none, contrastive: ppkt, contrastive_pairs: 8}",),
        ("consensus.voxel_size_m=2.0", "losses.weigh_by_confidence=true", "sweeps.count=2"),
        ("augmentation={beam_dropout: 1, mix: polarmix, mix_probability: 1}", "sweeps.count=2"),
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
    monkeypatch.setattr("clip2scene_core.training.pretrain.class_weights.count_labels", None)
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


def test_a_student_of_many_texts_labels_with_its_classes(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(
        tiny_clip, "classes=[car, plant]", "prompts=[car | road, tree]",
        "consensus={voxel_size_m: 2.0, movable: [car]}", "losses.feature=cosine",
    )  # fmt: skip
    dataset, steps = NuScenesDataset(tiny_nuscenes), []
    out = pretrain(dataset, config, tmp_path / "a.safetensors", report=steps.append)
    assert set(steps[0].losses) == {"semantic", "feature", "total"}
    assert steps[-1].losses["feature"] < steps[0].losses["feature"]
    vocabulary = load_checkpoint(out).vocabulary
    assert vocabulary.texts_of_label == (("car", "road"), ("tree",))
    segmenter = load_segmenter(out)
    points = dataset[0].keyframe.points
    labels = segmenter.segment(points).labels
    assert segmenter.class_names == ("car", "plant")
    assert set(labels) <= {0, 1}
    texts = segmenter.compare(segmenter.embed(points), vocabulary.embeddings).numpy()
    np.testing.assert_array_equal(labels, texts[:, 2] > texts[:, :2].sum(axis=1))
    segmenter.set_prompts(["road", "tree"])  # from memory: no CLIP is asked
    assert segmenter.vocabulary.embeddings.equal(vocabulary.embeddings[1:])


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
