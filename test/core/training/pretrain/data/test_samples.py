import importlib.util

import numpy as np
import pytest
import torch

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import SwitchingConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.training.augmentation import crop_and_flip, rotate_and_flip
from clip2scene_core.training.loader import BatchOrder
from clip2scene_core.training.optim import learning_rate_factor, one_cycle
from clip2scene_core.training.pretrain.data import superpixels
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.paired_sample import (
    PairedSample,
    choose_sweeps,
    number_grids,
    pair_sample,
)
from clip2scene_core.training.pretrain.data.superpixels import SuperpixelMaps, find_superpixels
from clip2scene_core.training.pretrain.pseudo_labels import draw_switches

needs_scikit_image = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None,
    reason='superpixels need scikit-image: pip install -c constraints.txt ".[train]"',
)


def config_with(*assignments: str) -> PretrainConfig:
    return override(PretrainConfig(), ["sweeps.min_range_m=0", *assignments])


def test_nearest_sweeps_are_the_ones_just_before(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    generator = np.random.default_rng(0)
    assert choose_sweeps(dataset, 1, config_with("sweeps.count=3"), generator) == [1, 2]
    sample = dataset.load(1, [1, 2])
    stamps = [sweep.stamp_ns for sweep in sample.sweeps]
    assert np.diff(stamps).tolist() == [-100_000_000, -100_000_000]


def test_random_sweeps_are_drawn_from_those_that_there_are(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    config = config_with("sweeps.count=3", "sweeps.choice=random")
    generator = np.random.default_rng(0)
    drawn = [tuple(choose_sweeps(dataset, 1, config, generator)) for _ in range(60)]
    assert {step for pair in drawn for step in pair} == {1, 2, 3, 4, 5}
    assert all(first < second for first, second in drawn)
    assert choose_sweeps(dataset, 0, config, generator) == []  # the first of its scene
    stamps = [sweep.stamp_ns for sweep in dataset.load(1, [2, 5]).sweeps]
    assert np.diff(stamps).tolist() == [-200_000_000, -300_000_000]


def test_pairs_of_every_sweep_fall_on_the_keyframe_s_images(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [1, 2])
    config = config_with("sweeps.count=3", "augmentation.cloud=false")
    paired = pair_sample(sample, config, np.random.default_rng(0))
    assert [cloud.shape for cloud in paired.clouds] == [s.points.shape for s in sample.sweeps]
    assert set(paired.cloud_index.tolist()) == {0, 1, 2}
    for row in (0, len(paired.pixels) // 2, len(paired.pixels) - 1):
        sweep = sample.sweeps[paired.cloud_index[row]]
        camera = sample.cameras[paired.image_index[row]]
        T_camera_lidar = invert(camera.T_global_camera) @ sweep.T_global_lidar
        point = paired.clouds[paired.cloud_index[row]][paired.point_index[row], :3]
        x, y, z = transform_points(T_camera_lidar, point[None])[0]
        u, v, _ = camera.intrinsics @ [x / z, y / z, 1.0]
        np.testing.assert_allclose(paired.pixels[row], [u, v], atol=1e-3)


def test_grids_join_sweeps_where_they_stand_in_the_world(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [1])
    config = config_with("sweeps.count=2", "losses.grid_size_m=2.0")
    paired = pair_sample(sample, config, np.random.default_rng(0))
    T_keyframe_global = invert(sample.keyframe.T_global_lidar)
    cells = []
    for cloud, point in zip(paired.cloud_index, paired.point_index, strict=True):
        sweep = sample.sweeps[cloud]
        place = transform_points(
            T_keyframe_global @ sweep.T_global_lidar, sweep.points[point : point + 1, :3]
        )
        cells.append(tuple(np.floor(place[0] / 2.0)))
    numbers = dict(zip(cells, paired.grid_index.tolist(), strict=True))
    assert [numbers[cell] for cell in cells] == paired.grid_index.tolist()
    assert sorted(numbers.values()) == list(range(len(numbers)))
    assert any(
        len(set(paired.cloud_index[paired.grid_index == grid])) == 2 for grid in numbers.values()
    )


def test_merged_sweeps_are_one_cloud_in_the_keyframe_s_frame(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [1])
    separate = config_with("sweeps.count=2", "augmentation.cloud=false")
    apart = pair_sample(sample, separate, np.random.default_rng(0))
    merged = pair_sample(
        sample, override(separate, ["sweeps.is_merged=true"]), np.random.default_rng(0)
    )
    assert len(merged.clouds) == 1
    assert len(merged.clouds[0]) == sum(len(cloud) for cloud in apart.clouds)
    np.testing.assert_array_equal(merged.pixels, apart.pixels)
    earlier = np.flatnonzero(apart.cloud_index == 1)[0]
    # The car drove 1 m forward between the two, so what the earlier sweep saw has come nearer.
    now = merged.clouds[0][merged.point_index[earlier]]
    then = apart.clouds[1][apart.point_index[earlier]]
    np.testing.assert_allclose(now[:3] - then[:3], [0, -1, 0], atol=1e-3)


def test_without_a_pair_there_is_no_grid():
    assert number_grids(np.zeros((0, 3)), 0.1).shape == (0,)
    assert number_grids(np.array([[0.05, 0, 0], [-0.05, 0, 0], [0.01, 0, 0]]), 0.1).tolist() == [
        1, 0, 1,
    ]  # fmt: skip


def test_crops_and_flips_move_pixels_along():
    rows, columns = np.mgrid[0:64, 0:128]
    image = np.stack([columns * 2, rows * 4, np.zeros_like(rows)], axis=2).astype(np.uint8)
    pixels = np.random.default_rng(0).uniform([1, 1], [126, 62], (400, 2)).astype(np.float32)
    num_flipped = num_cropped = 0
    for seed in range(20):
        varied, moved, is_inside = crop_and_flip(image, pixels, np.random.default_rng(seed))
        assert varied.shape == image.shape
        assert is_inside.mean() > 0.5
        u, v = np.rint(moved[is_inside]).astype(int).T
        # What the picture shows there is what it showed before: its colour tells the place.
        np.testing.assert_allclose(varied[v, u, 0] / 2, pixels[is_inside, 0], atol=2)
        np.testing.assert_allclose(varied[v, u, 1] / 4, pixels[is_inside, 1], atol=2)
        num_flipped += int(varied[0, 0, 0] > varied[0, -1, 0])
        num_cropped += int(not is_inside.all())
    assert 4 < num_flipped < 16
    assert num_cropped > 5


def test_image_augmentation_drops_pairs_and_closes_the_gaps(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [])
    config = config_with("augmentation.image_crop=true", "augmentation.image_flip=true")
    whole = pair_sample(sample, config_with(), np.random.default_rng(3))
    sizes = []
    for seed in range(10):
        paired = pair_sample(sample, config, np.random.default_rng(seed))
        sizes.append(len(paired.pixels))
        grids = set(paired.grid_index.tolist())
        assert grids == set(range(len(grids)))
    assert min(sizes) < len(whole.pixels)


def test_superpixels_move_with_their_pairs(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [1, 2])
    height, width = sample.cameras[0].image.shape[:2]
    columns = np.broadcast_to(np.arange(width, dtype=np.uint16), (height, width))
    rows = np.broadcast_to(np.arange(height, dtype=np.uint16)[:, None], (height, width))
    for moving in ("false", "true"):
        config = config_with(
            "sweeps.count=3",
            f"augmentation.image_crop={moving}",
            f"augmentation.image_flip={moving}",
        )
        paired = pair_sample(sample, config, np.random.default_rng(1), [columns, rows])
        whole = pair_sample(sample, config_with("sweeps.count=3"), np.random.default_rng(1))
        where = {
            tuple(key): pixel
            for *key, pixel in zip(
                whole.cloud_index, whole.point_index, whole.image_index, whole.pixels, strict=True
            )
        }
        assert len(paired.pixels) > 20
        assert set(paired.image_index.tolist()) == {0, 1}
        pairs = zip(paired.cloud_index, paired.point_index, paired.image_index, strict=True)
        for key, number in zip(pairs, paired.superpixel_index, strict=True):
            u, v = np.rint(where[tuple(key)]).astype(int)
            assert number == (u if key[2] == 0 else width + v)
    none = pair_sample(sample, config_with(), np.random.default_rng(0))
    assert not none.superpixel_index.any()


@needs_scikit_image
def test_superpixels_are_made_once(tmp_path, tiny_nuscenes, monkeypatch):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [])
    maps = SuperpixelMaps(tmp_path, num_segments=9, compactness=6.0)
    made = maps.of(sample)
    for camera, numbers in zip(sample.cameras, made, strict=True):
        wanted = find_superpixels(camera.image, 9, 6.0, 3 * 32 / 900)
        np.testing.assert_array_equal(numbers, wanted)
    monkeypatch.setattr(superpixels, "find_superpixels", None)
    for one, other in zip(made, maps.of(sample), strict=True):
        np.testing.assert_array_equal(one, other)
    assert SuperpixelMaps(tmp_path, 10, 6.0).folder != maps.folder
    (path,) = maps.folder.rglob("*.npz")
    path.write_bytes(b"no numbers")
    with pytest.raises(ValueError, match="damaged superpixels"):
        maps.of(sample)


def test_augmentation_keeps_heights_distances_and_intensities():
    points = np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)
    turned = rotate_and_flip(points, np.random.default_rng(1))
    np.testing.assert_array_equal(turned[:, 2:], points[:, 2:])
    np.testing.assert_allclose(
        np.linalg.norm(turned[:, :2], axis=1), np.linalg.norm(points[:, :2], axis=1), rtol=1e-5
    )
    assert np.abs(turned[:, :2] - points[:, :2]).max() > 0.1


def paired(num_clouds: int, pairs: list[tuple[int, int]], grids: list[int]) -> PairedSample:
    clouds = tuple(np.full((number + 2, 4), number, np.float32) for number in range(num_clouds))
    return PairedSample(
        token="t",
        clouds=clouds,
        images=(),
        cloud_index=np.array([cloud for cloud, _ in pairs]),
        point_index=np.array([point for _, point in pairs]),
        image_index=np.zeros(len(pairs), np.int64),
        pixels=np.zeros((len(pairs), 2), np.float32),
        grid_index=np.array(grids),
        superpixel_index=np.array(grids) * 2,
        labels=np.concatenate([np.full(len(cloud), 3, np.uint8) for cloud in clouds]),
        confidences=np.concatenate([np.full(len(cloud), 0.5, np.float32) for cloud in clouds]),
    )


def test_pairs_point_into_the_joined_cloud():
    first = paired(2, [(0, 1), (1, 2)], [0, 1])
    second = paired(1, [(0, 0), (0, 1)], [0, 0])
    batch = collate([(first, torch.full((2, 3), 7.0)), (second, torch.full((2, 3), 8.0))])
    assert batch.batch_index.tolist() == [0, 0, 1, 1, 1, 2, 2]
    assert batch.point_index.tolist() == [1, 4, 5, 6]
    assert batch.sample_index.tolist() == [0, 0, 1, 1]
    assert batch.grid_index.tolist() == [0, 1, 2, 2]
    assert batch.superpixel_index.tolist() == [0, 2, 3, 3]
    assert batch.points[:, 3].tolist() == [0, 0, 1, 1, 1, 0, 0]
    assert batch.pixel_embeddings[:, 0].tolist() == [7, 7, 8, 8]
    assert batch.labels.tolist() == [3] * 7
    assert batch.confidences.tolist() == [0.5] * 7


def test_processes_share_the_batches_of_one_process():
    whole = list(BatchOrder(23, 4, seed=5, epoch=2))
    shares = [list(BatchOrder(23, 4, 5, 2, rank, 2)) for rank in (0, 1)]
    assert len(whole) == 5
    assert len({index for batch in whole for _, index in batch}) == 20
    for batch, one, other in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(one + other)
    assert list(BatchOrder(23, 4, 5, 2, first=3)) == whole[3:]
    assert list(BatchOrder(23, 4, 5, 3)) != whole
    with pytest.raises(ValueError, match="choose a batch_size that is a multiple of 3"):
        BatchOrder(23, 4, 5, 2, 0, 3)


@pytest.mark.parametrize("granularity", ["batch", "sample", "point"])
def test_labels_are_switched_together_or_one_by_one(granularity):
    config = SwitchingConfig(granularity=granularity, probability=0.5)
    sample_index = torch.arange(40) // 10
    drawn = [
        draw_switches(sample_index, config, torch.Generator().manual_seed(seed))
        for seed in range(50)
    ]
    assert torch.stack(drawn).float().mean() == pytest.approx(0.5, abs=0.15)
    groups = {"batch": (1, 40), "sample": (4, 10), "point": (40, 1)}[granularity]
    values = {tuple(labels.float().reshape(groups).mean(dim=1).tolist()) for labels in drawn}
    assert {value for labels in values for value in labels} == {0.0, 1.0}  # whole groups only
    assert len(values) > min(groups[0], 8)  # and groups by themselves


def test_the_learning_rate_rises_then_falls_to_zero():
    rates = [one_cycle(fraction) for fraction in (0, 0.05, 0.1, 0.55, 1.0)]
    np.testing.assert_allclose(rates, [0.1, 0.55, 1.0, 0.5, 0.0], atol=1e-12)


def test_a_cosine_by_epoch_stands_still_inside_an_epoch():
    training = override(
        PretrainConfig(),
        ["training.schedule=cosine", "training.epochs=4"],
    ).training
    rates = [learning_rate_factor(step, 3, training) for step in range(12)]
    half = 0.5**0.5
    wanted = [1.0, (1 + half) / 2, 0.5, (1 - half) / 2]
    np.testing.assert_allclose(rates, np.repeat(wanted, 3), atol=1e-12)
