"""Zero-shot training on the tiny data set: what its labels may change, and how it resumes."""

from pathlib import Path

import numpy as np
import pytest
from tiny_words import TINY_WORDS

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import NetworkConfig, TeacherConfig
from clip2scene_core.config.zeroshot import ClassSplitConfig, ZeroShotConfig
from clip2scene_core.datasets import NuScenesDataset, SemanticKittiDataset
from clip2scene_core.inference.segmenter import load_segmenter
from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES
from clip2scene_core.training.zeroshot.run import train_zeroshot

CLASSES = ("car", "driveable surface", "vegetation")
CAR, ROAD, TREE, NOISE, ANIMAL = 17, 24, 30, 0, 1
"""Raw labels; only cars are seen."""


class InterruptionError(Exception):
    pass


def make_config(clip: Path, *assignments: str) -> ZeroShotConfig:
    config = ZeroShotConfig(
        classes=CLASSES,
        prompts=TINY_WORDS,
        class_split=ClassSplitConfig("own", unseen=CLASSES[1:]),
        network=NetworkConfig("minkunet14", width=0.125, voxel_size_m=1.0),
        teacher=TeacherConfig(clip=f"small:{clip}"),
    )
    basics = ("training.epochs=2", "training.batch_size=1", "losses.min_confidence=0")
    return override(config, [*basics, *assignments])


def write_labels(root: Path, *raw: int) -> NuScenesDataset:
    """Label the 48 points of every keyframe with these raw labels in turn, and open them."""
    for path in (root / "lidarseg").rglob("*.bin"):
        np.resize(raw, 48).astype(np.uint8).tofile(path)
    return NuScenesDataset(root, with_labels=True)


def train(dataset, config: ZeroShotConfig, out: Path, **arguments) -> list:
    steps = []
    train_zeroshot(dataset, config, out, report=steps.append, **arguments)
    return steps


def assert_same_weights(one: Path, other: Path) -> None:
    others = load_checkpoint(other).student.state_dict()
    for key, value in load_checkpoint(one).student.state_dict().items():
        assert value.numpy().tobytes() == others[key].numpy().tobytes(), key


@pytest.mark.parametrize(
    "assignments",
    [
        ("consensus.voxel_size_m=2", "self_training.start=0.5"),
        ("class_split.protocol=inductive", "losses.aligned=embedding"),
    ],
)
def test_no_label_of_an_unseen_class_reaches_a_loss(
    tmp_path, tiny_nuscenes, tiny_clip, assignments
):
    config, cache = make_config(tiny_clip, *assignments), tmp_path / "cache"
    paths = [tmp_path / f"{name}.safetensors" for name in ("clean", "poisoned", "fewer")]
    labels = [(CAR, ROAD, TREE, NOISE), (CAR, NOISE, ROAD, TREE), (CAR, ROAD, TREE, CAR)]
    steps = []
    for path, raw in zip(paths, labels, strict=True):
        dataset = write_labels(tiny_nuscenes, *raw)
        steps += [train(dataset, config, path, cache=cache)]
    assert_same_weights(paths[0], paths[1])
    assert [step.losses for step in steps[0]] == [step.losses for step in steps[1]]
    assert min(step.num_labelled for step in steps[0]) > 0
    has_pseudo_labels = config.class_split.protocol == "transductive"
    assert (steps[0][0].num_pseudo > 0) == has_pseudo_labels
    with pytest.raises(AssertionError):  # the labels of seen classes do reach one
        assert_same_weights(paths[0], paths[2])


def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, cache = write_labels(tiny_nuscenes, CAR, ROAD, TREE, NOISE), tmp_path / "cache"
    config = make_config(
        tiny_clip, "training.epochs=3", "self_training={start: 0.3, keep: 0.7}",
        "losses.max_patches=3", "augmentation.beam_dropout=0.5",
    )  # fmt: skip
    unbroken, broken = tmp_path / "a.safetensors", tmp_path / "b.safetensors"
    steps = train(dataset, config, unbroken, cache=cache)
    assert [step.phase for step in steps] == [1, 1, 2, 2, 2, 2]
    assert steps[-1].num_pseudo > 0

    def interrupt(step) -> None:
        if step.step == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):  # in the middle of self-training
        train_zeroshot(dataset, config, broken, cache=cache, save_every=3, report=interrupt)
    with pytest.raises(ValueError, match="another configuration"):
        train(dataset, override(config, ["losses.patch_weight=0"]), broken, cache=cache)
    assert [step.step for step in train(dataset, config, broken, cache=cache)] == [4, 5, 6]
    assert_same_weights(unbroken, broken)


def test_the_result_is_an_ordinary_student_of_all_classes(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = write_labels(tiny_nuscenes, CAR, ROAD, TREE, NOISE)
    config = make_config(tiny_clip, "training.epochs=1")
    out = tmp_path / "s.safetensors"
    (first, *_) = train(dataset, config, out)
    assert set(first.losses) == {"semantic", "prototype", "patch", "total"}
    checkpoint = load_checkpoint(out)
    assert checkpoint.vocabulary.names == CLASSES
    assert checkpoint.scene_tokens == ("scene-a",)
    assert checkpoint.record["zeroshot"]["class_split"]["unseen"] == list(CLASSES[1:])
    assert sorted(path.name for path in tmp_path.glob("s.*")) == ["s.safetensors"]
    segmenter = load_segmenter(out)
    assert set(segmenter.segment(dataset[0].keyframe.points).labels) <= {0, 1, 2, 255}


def test_every_part_of_the_method_can_be_removed(tmp_path, tiny_nuscenes, tiny_clip):
    dataset, cache = write_labels(tiny_nuscenes, CAR, ROAD, TREE, NOISE), tmp_path / "cache"
    config = make_config(tiny_clip, "training.epochs=1", "self_training.start=1")
    for name, assignment in (("prototype", "prototype_weight"), ("patch", "patch_weight")):
        without = override(config, [f"losses.{assignment}=0"])
        (step, _) = train(dataset, without, tmp_path / f"{name}.safetensors", cache=cache)
        assert set(step.losses) == {"semantic", "prototype", "patch", "total"} - {name}
    without = override(config, ["losses.pseudo_weight=0"])
    (step, _) = train(dataset, without, tmp_path / "pseudo.safetensors", cache=cache)
    assert (step.num_pseudo, step.num_labelled > 0) == (0, True)


def test_without_annotation_no_label_is_opened(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "class_split={name: annotation_free, unseen: []}")
    with pytest.raises(ValueError, match="opened with labels, but no class is seen"):
        train(NuScenesDataset(tiny_nuscenes, with_labels=True), config, tmp_path / "a.safetensors")
    for path in (tiny_nuscenes / "lidarseg").rglob("*.bin"):
        path.unlink()
    steps = train(NuScenesDataset(tiny_nuscenes), config, tmp_path / "a.safetensors")
    assert all(step.num_labelled == 0 and step.num_pseudo > 0 for step in steps)


def test_labels_are_needed_where_classes_are_seen(tmp_path, tiny_nuscenes, tiny_clip):
    with pytest.raises(ValueError, match="opened without labels"):
        train(NuScenesDataset(tiny_nuscenes), make_config(tiny_clip), tmp_path / "a.safetensors")
    dataset = write_labels(tiny_nuscenes, ROAD, TREE, NOISE, ANIMAL)
    config = make_config(tiny_clip, "class_split.protocol=inductive")
    with pytest.raises(ValueError, match="no keyframe has a point to learn from"):
        train(dataset, config, tmp_path / "a.safetensors")
    without = override(config, ["class_split.protocol=transductive", "losses.pseudo_weight=0"])
    with pytest.raises(ValueError, match="no point has a label"):
        train(dataset, without, tmp_path / "b.safetensors")


def test_a_keyframe_that_lost_all_points_gives_way_to_the_next(tmp_path, tiny_nuscenes, tiny_clip):
    write_labels(tiny_nuscenes, CAR, ROAD)
    first, last = sorted((tiny_nuscenes / "lidarseg").rglob("*.bin"))
    config = make_config(
        tiny_clip, "class_split.protocol=inductive", "losses.aligned=embedding", "training.epochs=3"
    )
    for emptied in (first, last):
        write_labels(tiny_nuscenes, CAR, ROAD)
        np.full(48, ROAD, dtype=np.uint8).tofile(emptied)
        dataset = NuScenesDataset(tiny_nuscenes, with_labels=True)
        steps = train(dataset, config, tmp_path / f"{emptied.stem}.safetensors")
        assert len(steps) == 6
        assert min(step.num_labelled for step in steps) > 0
        assert all(np.isfinite(step.losses["total"]) for step in steps)


def test_semantic_kitti_s_classes_are_seen_and_unseen(tmp_path, tiny_kitti, tiny_clip):
    classes = SEMANTIC_KITTI_CLASSES
    texts = [TINY_WORDS[number % len(TINY_WORDS)] for number in range(len(classes))]
    config = override(
        make_config(tiny_clip, "training.epochs=1", "training.batch_size=2"),
        [
            f"classes={[one.name for one in classes]}",
            f"prompts={texts}",
            "class_split={name: semantickitti, unseen: []}",
        ],
    )
    out = tmp_path / "s.safetensors"
    dataset = SemanticKittiDataset(tiny_kitti, ["08"], with_labels=True)
    (step,) = train(dataset, config, out)
    labels = [dataset[index].keyframe.labels for index in range(2)]
    names = np.array([*(one.name for one in classes), ""])[np.minimum(np.concatenate(labels), 19)]
    assert step.num_labelled == np.isin(names, config.seen).sum()
    assert step.num_pseudo > 0
    assert load_checkpoint(out).vocabulary.names == tuple(one.name for one in classes)
    assert load_checkpoint(out).scene_tokens == ("semantic-kitti-08",)
