"""Embeddings of pixels, from whole images and from tiles of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from separable_samples import make_config

from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.teacher.cache import TeacherCache, embed_image
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.sampling import sample_at
from clip2scene_core.teacher.tiles import WHOLE, TilePyramid
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data.paired_sample import pair_points
from clip2scene_core.training.pretrain.data.pixel_embeddings import (
    CachedTeacher,
    LiveTeacher,
    fill_cache,
)
from clip2scene_core.training.pretrain.prepare import prepare_distillation


@pytest.fixture
def paired(tiny_nuscenes, tiny_clip):
    """A keyframe of which half of the pairs are near and the others far."""
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    sample = pair_points(NuScenesDataset(tiny_nuscenes).load(0, ()), config)
    far = np.where(np.arange(len(sample.pixels)) % 2, 0.01, np.inf).astype(np.float32)
    return replace(sample, metre_px=far)


def test_a_far_pixel_is_read_from_its_tile_and_a_near_one_from_the_image(paired, tiny_clip):
    dense_clip = DenseClip(load_clip(f"small:{tiny_clip}"))
    pyramid = TilePyramid(2, dense_clip.image_height)
    embeddings = LiveTeacher(dense_clip, pyramid).embed_pairs(paired)
    assert len(set(np.isinf(paired.metre_px).tolist())) == 2
    for row, pixel in enumerate(paired.pixels):
        image = paired.images[paired.image_index[row]]
        left = top = 0
        if np.isfinite(paired.metre_px[row]):
            side = image.shape[0] // 2
            top = min(int((pixel[1] + 0.5) // side) * side, image.shape[0] - side)
            left = min(int((pixel[0] + 0.5) // side) * side, image.shape[1] - side)
            image = image[top : top + side, left : left + side]
        alone = sample_at(
            embed_image(dense_clip, image)[None].float(),
            torch.zeros(1, dtype=torch.int64),
            torch.from_numpy(pixel - np.array([left, top], dtype=np.float32))[None],
            image.shape[:2],
        )
        torch.testing.assert_close(embeddings[row], alone[0])


def test_a_cache_holds_what_a_live_teacher_sees(tmp_path, paired, tiny_nuscenes, tiny_clip):
    dataset, clip = NuScenesDataset(tiny_nuscenes), load_clip(f"small:{tiny_clip}")
    pyramid = TilePyramid(3, 32, metre_px=40.0)
    cache = TeacherCache(tmp_path, DenseClip(clip, 32), pyramid)
    fill_cache(cache, dataset, range(2), lambda done, total: None)
    files = sorted(cache.folder.rglob("*.npy"))
    assert len(files) > 2 * len(paired.images)
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    sample = pair_points(dataset.load(0, ()), config)
    kept = CachedTeacher(cache, clip.embedding_size, KeyframeDigests(dataset))
    live = LiveTeacher(DenseClip(clip, 32), pyramid)
    torch.testing.assert_close(kept.embed_pairs(sample), live.embed_pairs(sample))
    assert not torch.equal(
        kept.embed_pairs(sample),
        LiveTeacher(DenseClip(clip, 32), TilePyramid(1, 32)).embed_pairs(sample),
    )


def test_a_lost_tile_is_embedded_again_and_nothing_else(
    tmp_path, tiny_nuscenes, tiny_clip, monkeypatch
):
    dataset = NuScenesDataset(tiny_nuscenes)
    dense_clip = DenseClip(load_clip(f"small:{tiny_clip}"), 32)
    cache = TeacherCache(tmp_path, dense_clip, TilePyramid(3, 32, metre_px=40.0))
    fill_cache(cache, dataset, range(2), lambda done, total: None)
    lost = next(path for path in sorted(cache.folder.rglob("*.npy")) if "-2-" in path.name)
    lost.unlink()
    added = []
    add = cache.add
    monkeypatch.setattr(
        cache, "add", lambda picture, image, tile: added.append(tile) or add(picture, image, tile)
    )
    fill_cache(cache, dataset, range(2), lambda done, total: None)
    assert len(added) == 1
    assert added[0] != WHOLE
    assert lost.is_file()


def test_a_damaged_list_of_tiles_is_named(tmp_path, tiny_nuscenes, tiny_clip):
    dataset = NuScenesDataset(tiny_nuscenes)
    dense_clip = DenseClip(load_clip(f"small:{tiny_clip}"), 32)
    cache = TeacherCache(tmp_path, dense_clip, TilePyramid(2, 32, metre_px=40.0))
    fill_cache(cache, dataset, range(1), lambda done, total: None)
    (kept,) = cache.folder.rglob("*.json")
    for damage in ("", "[[1]]", "3"):
        kept.write_text(damage)
        with pytest.raises(ValueError, match=f"{kept.name}: damaged list of tiles .*delete"):
            fill_cache(cache, dataset, range(1), lambda done, total: None)


@pytest.mark.parametrize(
    "setting", ["levels=0", "levels=7", "metre_px=0.0", "metre_px=.inf", "precision=fp16"]
)
def test_tiles_and_precision_that_cannot_be_are_refused(tiny_clip, setting):
    with pytest.raises(ConfigError, match=f"teacher.{setting.split('=')[0]}"):
        make_config(tiny_clip, f"teacher.{setting}")
    if setting.startswith("precision"):
        with pytest.raises(ValueError, match="precision must be fp32 or bf16, got 'fp16'"):
            DenseClip(load_clip(f"small:{tiny_clip}"), precision="fp16")


def test_other_tiles_or_another_precision_are_another_teacher(tmp_path, tiny_clip):
    clip = load_clip(f"small:{tiny_clip}")
    folders = {
        TeacherCache(tmp_path, DenseClip(clip, 32), pyramid).folder
        for pyramid in (None, TilePyramid(2, 32), TilePyramid(2, 32, 50.0), TilePyramid(3, 32))
    }
    folders.add(TeacherCache(tmp_path, DenseClip(clip, 32, precision="bf16")).folder)
    assert len(folders) == 5
    whole = TeacherCache(tmp_path, DenseClip(clip, 32), TilePyramid(1, 32, 50.0))
    assert whole.folder == TeacherCache(tmp_path, DenseClip(clip, 32)).folder


def test_sweeps_before_a_keyframe_find_their_tiles(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(
        tiny_clip, "sweeps.count=3", "sweeps.choice=random", "sweeps.reach=3",
        "sweeps.min_range_m=0", "teacher.levels=3", "teacher.metre_px=60.0",
        "consensus.voxel_size_m=2.0", "losses.feature=cosine",
    )  # fmt: skip
    dataset = NuScenesDataset(tiny_nuscenes)
    samples = prepare_distillation(dataset, config, tmp_path, make_fabric(config)).samples
    for epoch in range(4):
        sample, embeddings = samples[epoch, 1]
        assert len(embeddings) == len(sample.pixels) > 0
        torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(len(embeddings)))


def test_a_training_of_tiles_is_told_far_things(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "sweeps.min_range_m=0")
    tiled = override(config, ["teacher.levels=3", "teacher.metre_px=60.0"])
    dataset = NuScenesDataset(tiny_nuscenes)
    of_both = [
        prepare_distillation(dataset, one, tmp_path, make_fabric(one)).samples[0, 0]
        for one in (config, tiled)
    ]
    (sample, whole), (_, parts) = of_both
    height = load_clip(config.teacher.clip).image_height
    differs = (whole - parts).abs().amax(dim=1) > 1e-3
    assert differs.any()
    near = torch.from_numpy(sample.metre_px) >= 60 * sample.images[0].shape[0] / height
    torch.testing.assert_close(whole[near], parts[near])
