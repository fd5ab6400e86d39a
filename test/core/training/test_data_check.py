"""What would end a training late is found before it begins."""

import json
import shutil
from collections import namedtuple

import numpy as np
import pytest
import torch
from PIL import Image
from separable_samples import make_config

from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import override
from clip2scene_core.datasets import DatasetError, NuScenesDataset
from clip2scene_core.training.data_check import check_files, check_room, check_writable
from clip2scene_core.training.finetune.run import finetune
from clip2scene_core.training.pretrain.run import pretrain

Disk = namedtuple("Disk", "total used free")


def never(done: int, total: int) -> None:
    raise AssertionError("the teacher was asked")


def test_missing_sweeps_are_found_before_the_teacher_is_asked(tmp_path, tiny_nuscenes, tiny_clip):
    shutil.rmtree(tiny_nuscenes / "sweeps" / "LIDAR_TOP")
    dataset = NuScenesDataset(tiny_nuscenes)
    check_files(dataset)
    config = make_config(tiny_clip, "sweeps.count=3")
    with pytest.raises(DatasetError, match=r"sweeps/LIDAR_TOP/4.pcd.bin and 1 other files are"):
        pretrain(dataset, config, tmp_path / "s.safetensors", report_teacher=never)


def test_a_missing_blob_counts_the_scenes_that_are_whole(tiny_nuscenes):
    (tiny_nuscenes / "samples/CAM_BACK/1.jpg").unlink(missing_ok=True)
    next((tiny_nuscenes / "samples" / "CAM_BACK").iterdir()).unlink()
    with pytest.raises(DatasetError, match=r"0 of 1 scenes have all their files; complete"):
        check_files(NuScenesDataset(tiny_nuscenes))


def test_a_data_set_that_no_camera_sees_is_refused(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = NuScenesDataset(tiny_nuscenes)
    for assignment, message in (
        ("sweeps.min_range_m=79", "no keyframe has a point to learn from"),
        ("losses.class_balance=false", None),
    ):
        config = make_config(tiny_clip, assignment, "training.epochs=1")
        if message is None:
            dataset = NuScenesDataset(tiny_nuscenes, with_images=False)
            message = "no camera sees any point.*no keyframe has an image"
        with pytest.raises(DatasetError, match=message):
            pretrain(dataset, config, tmp_path / "s.safetensors", report_teacher=never)


def drop_images_of(root, sample: str) -> None:
    path = root / "v1.0-tiny" / "sample_data.json"
    rows = json.loads(path.read_text())
    rows = [r for r in rows if not (r["sample_token"] == sample and r["token"].startswith("CAM"))]
    path.write_text(json.dumps(rows))


@pytest.mark.parametrize(
    "assignment",
    ["training.batch_size=1", "consensus.voxel_size_m=2", "augmentation.image_crop=true"],
)
def test_a_keyframe_without_images_has_no_pairs(tmp_path, tiny_nuscenes, tiny_clip, assignment):
    drop_images_of(tiny_nuscenes, "sample-0")
    pairs = []
    config = make_config(tiny_clip, assignment, "training.epochs=1")
    pretrain(
        NuScenesDataset(tiny_nuscenes),
        config,
        tmp_path / "s.safetensors",
        report=lambda step: pairs.append(step.num_pairs),
    )
    assert sorted(pairs)[0] == 0 < sorted(pairs)[-1]


def test_cameras_may_have_different_sizes(tmp_path, tiny_nuscenes, tiny_clip):
    path = tiny_nuscenes / "v1.0-tiny" / "sample_data.json"
    rows = json.loads(path.read_text())
    for row in rows:
        if row["token"].startswith("CAM_BACK"):
            row["height"], row["width"] = 48, 48
            with Image.open(tiny_nuscenes / row["filename"]) as picture:
                larger = picture.resize((48, 48))
            larger.save(tiny_nuscenes / row["filename"])
    path.write_text(json.dumps(rows))
    config, pairs = make_config(tiny_clip, "training.epochs=1"), []
    for number, extra in enumerate(([], ["augmentation.image_flip=true"])):
        pretrain(
            NuScenesDataset(tiny_nuscenes),
            override(config, extra),
            tmp_path / f"{number}.safetensors",
            report=lambda step: pairs.append(step.num_pairs),
        )
    assert all(pairs)


def test_a_share_without_labels_is_refused(tmp_path, tiny_nuscenes):
    for path in tiny_nuscenes.glob("lidarseg/**/*.bin"):
        np.zeros(48, np.uint8).tofile(path)
    config = override(FinetuneConfig(), ["labels={percent: 100, sampler: clip2scene_keyframe}"])
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    with pytest.raises(ValueError, match="none of the 2 keyframes has a point"):
        finetune(dataset, config, tmp_path / "f.safetensors", None)


def test_a_folder_that_cannot_be_written_is_refused(tmp_path, tiny_nuscenes, tiny_clip):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file/out cannot be written to: Not a directory"):
        check_writable([tmp_path / "file" / "out"])
    out = tmp_path / "file" / "s.safetensors"
    with pytest.raises(OSError, match="cannot be written to"):
        pretrain(NuScenesDataset(tiny_nuscenes), make_config(tiny_clip), out, report_teacher=never)


def test_a_full_disk_is_refused_with_what_is_missing(
    tmp_path, tiny_nuscenes, tiny_clip, monkeypatch
):
    check_room(tmp_path, 1000, "a file")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(10**7, 10**7 - 1000, 1000))
    with pytest.raises(OSError, match=r"0.0 MB free, so 3.0 MB are missing"):
        check_room(tmp_path, 3_001_000, "a file")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Disk(10**7, 10**7 - 10, 10))
    with pytest.raises(OSError, match=r"space left for 1 more pictures of the teacher"):
        pretrain(NuScenesDataset(tiny_nuscenes), make_config(tiny_clip), tmp_path / "s.safetensors")


def test_a_device_that_is_not_there_is_refused_in_one_line():
    from clip2scene_core.training.fabric import make_fabric

    for device in ("gpu", "tpu:0", *(() if torch.cuda.is_available() else ("cuda", "cuda:0"))):
        with pytest.raises(ValueError, match=rf"device '{device}' cannot be used"):
            make_fabric(make_config("x"), device)
