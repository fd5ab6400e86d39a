"""Caches and stopped runs belong to the data that they were made of."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from separable_samples import make_config

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import override
from clip2scene_core.datasets import NuScenesDataset, SemanticKittiDataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.run import finetune
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.run import pretrain


def repaint(root: Path) -> None:
    """Other pictures of the same size in pixels and bytes, and of the same time."""
    for path in root.rglob("CAM_FRONT/*.jpg"):
        before = path.stat()
        with Image.open(path) as picture:
            pixels = 255 - np.array(picture)
        Image.fromarray(pixels).save(path, quality=60)
        content = path.read_bytes()[: before.st_size]
        path.write_bytes(content + bytes(before.st_size - len(content)))
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size


def edit(root: Path, table: str, field: str, change) -> None:
    path = root / "v1.0-tiny" / f"{table}.json"
    rows = json.loads(path.read_text())
    for row in rows:
        row[field] = change(row[field]) if row[field] else row[field]
    path.write_text(json.dumps(rows))


def move_points(root: Path) -> None:
    for path in root.rglob("LIDAR_TOP/*.bin"):
        points = np.fromfile(path, "<f4").reshape(-1, 5)
        points[:, 2] += 1
        points.tofile(path)


CHANGES = {
    "pictures": repaint,
    "points": move_points,
    "intrinsics": lambda root: edit(
        root,
        "calibrated_sensor",
        "camera_intrinsic",
        lambda k: [[30, 0, 20], [0, 30, 9], [0, 0, 1]],
    ),
    "extrinsics": lambda root: edit(
        root, "calibrated_sensor", "translation", lambda t: [t[0], t[1], t[2] + 1.5]
    ),
    "poses": lambda root: edit(root, "ego_pose", "translation", lambda t: [1.1 * t[0], *t[1:]]),
}


def whole(root: Path, reach: int = 0) -> str:
    return KeyframeDigests(NuScenesDataset(root), reach).whole()


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_what_changed_has_another_digest_and_a_copy_has_the_same(tmp_path, tiny_nuscenes, change):
    copy = shutil.copytree(tiny_nuscenes, tmp_path / "copied" / "elsewhere")
    assert whole(copy) == whole(tiny_nuscenes)
    assert whole(copy, 2) == whole(tiny_nuscenes, 2) != whole(copy)
    change(copy)
    assert whole(copy) != whole(tiny_nuscenes)


def test_sweeps_before_keyframes_count_as_far_as_they_are_read(tmp_path, tiny_nuscenes):
    copy = shutil.copytree(tiny_nuscenes, tmp_path / "copy")
    move_points(copy / "sweeps")
    assert whole(copy) == whole(tiny_nuscenes)
    assert whole(copy, 1) != whole(tiny_nuscenes, 1)


def test_scans_of_kitti_have_digests(tiny_kitti):
    def digest() -> str:
        return KeyframeDigests(SemanticKittiDataset(tiny_kitti, with_labels=True), 1).whole()

    first = digest()
    assert first == digest()
    path = next(tiny_kitti.rglob("*.label"))
    labels = np.fromfile(path, "<u4")
    labels[0] = 50 if labels[0] == 40 else 40
    labels.tofile(path)
    assert digest() != first


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_kept_cache_teaches_what_a_new_one_does(tmp_path, tiny_nuscenes, tiny_clip, change):
    config = make_config(tiny_clip, "consensus.voxel_size_m=2.0", "sweeps.min_range_m=0")

    def prepare(folder: str):
        dataset = NuScenesDataset(tiny_nuscenes)
        data = prepare_distillation(dataset, config, tmp_path / folder, make_fabric(config))
        sample, embeddings = data.samples[0, 1]
        return data.source, sample.labels, embeddings.numpy(), data.class_weights.numpy()

    before = prepare("kept")
    change(tiny_nuscenes)
    with_kept, with_new = prepare("kept"), prepare("new")
    assert before[0] != with_kept[0]
    for one, other in zip(with_kept, with_new, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_cache_serves_a_copy_of_the_data_set(tmp_path, tiny_nuscenes, tiny_clip, monkeypatch):
    config, cache = make_config(tiny_clip, "consensus.voxel_size_m=2.0"), tmp_path / "cache"
    one = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "a.safetensors", cache=cache)
    copy = shutil.copytree(tiny_nuscenes, tmp_path / "copy")
    monkeypatch.setattr("clip2scene_core.teacher.cache.embed_image", None)
    other = pretrain(NuScenesDataset(copy), config, tmp_path / "b.safetensors", cache=cache)
    assert load_checkpoint(one).scene_tokens == load_checkpoint(other).scene_tokens


def stop_at_3(step) -> None:
    if step.step == 3:
        raise KeyboardInterrupt


def test_a_stopped_run_goes_on_with_its_own_keyframes_only(
    tmp_path, tiny_nuscenes, other_nuscenes, tiny_clip
):
    config, out = make_config(tiny_clip), tmp_path / "s.safetensors"
    with pytest.raises(KeyboardInterrupt):
        pretrain(NuScenesDataset(tiny_nuscenes), config, out, save_every=2, report=stop_at_3)
    copy = shutil.copytree(tiny_nuscenes, tmp_path / "copy")
    repaint(copy)
    for root in (other_nuscenes, copy):
        with pytest.raises(ValueError, match="other keyframes, teacher or words; delete it"):
            pretrain(NuScenesDataset(root), config, out)
    steps = []
    pretrain(NuScenesDataset(tiny_nuscenes), config, out, report=lambda s: steps.append(s.step))
    assert steps[0] == 3


def test_a_stopped_fine_tuning_goes_on_with_its_own_labels_only(tmp_path, tiny_nuscenes):
    config = override(
        FinetuneConfig(),
        [
            "network={name: minkunet14, width: 0.125, voxel_size_m: 1.0}",
            "training={epochs: 3, batch_size: 1}",
            "labels={percent: 100, sampler: clip2scene_keyframe}",
        ],
    )
    out = tmp_path / "f.safetensors"

    def train(report) -> None:
        dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
        finetune(dataset, config, out, None, save_every=2, report=report)

    with pytest.raises(KeyboardInterrupt):
        train(stop_at_3)
    for path in tiny_nuscenes.glob("lidarseg/**/*.bin"):
        labels = np.fromfile(path, np.uint8)
        labels[::2] = 17
        labels.tofile(path)
    with pytest.raises(ValueError, match="other keyframes"):
        train(lambda step: None)
