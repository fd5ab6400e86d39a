from dataclasses import replace

import numpy as np
import pytest
from street_sweep import spin

from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.geometry.se3 import invert, transform_points
from clip2scene_core.preprocessing.intensity import normalize_intensity
from clip2scene_core.training.pretrain.data.paired_sample import (
    choose_sweeps,
    number_grids,
    pair_sample,
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


ANY_SENSOR = (
    "{cloud: true, height_m: 0.3, tilt_deg: 3, scale: 0.1, waves_m: 0.1, jitter_m: 0.01, "
    "sector_dropout: 0.5, beam_dropout: 0.5, range_dropout: 0.5, point_dropout: 0.5}"
)


@pytest.mark.parametrize("merged", ["false", "true"])
def test_pairs_labels_and_grids_follow_the_points_that_survive(tiny_nuscenes, merged):
    dataset = NuScenesDataset(tiny_nuscenes)
    loaded = dataset.load(1, [1, 2])
    # An intensity of its own for every point of every sweep tells where it came from.
    for number, sweep in enumerate(loaded.sweeps):
        count = len(sweep.points)
        sweep.points[:, 3] = (number * count + np.arange(count)) / (3 * count)
    identify = ConsensusOfIntensity(loaded)
    off = config_with("sweeps.count=3", f"sweeps.is_merged={merged}", "losses.grid_size_m=2.0")
    on = override(off, [f"augmentation={ANY_SENSOR}"])
    whole = pair_sample(loaded, off, np.random.default_rng(0), consensus=identify)
    all_pairs = describe_pairs(whole)
    num_dropped = 0
    for seed in range(20):
        paired = pair_sample(loaded, on, np.random.default_rng(seed), consensus=identify)
        assert len(paired.labels) == sum(len(cloud) for cloud in paired.clouds)
        everything = np.concatenate(paired.clouds)
        np.testing.assert_array_equal(paired.labels, label_of(everything[:, 3]))
        np.testing.assert_array_equal(paired.confidences, everything[:, 3])
        survivors = set(everything[:, 3].tolist())
        expected = [pair for pair in all_pairs if pair[0] in survivors]
        assert [pair[:-1] for pair in describe_pairs(paired)] == [pair[:-1] for pair in expected]
        grids = {
            (new[-1], old[-1]) for new, old in zip(describe_pairs(paired), expected, strict=True)
        }
        assert sorted(new for new, _ in grids) == list(range(len(grids)))
        assert len({old for _, old in grids}) == len(grids)
        num_dropped += len(all_pairs) - len(expected)
    assert num_dropped > 0


def label_of(intensity):
    return (intensity * 200).astype(np.uint8)


class ConsensusOfIntensity:
    """Labels the points of one keyframe by their intensities, in the order of the sweeps."""

    def __init__(self, sample):
        self._sweeps = {sweep.stamp_ns: sweep.points[:, 3] for sweep in sample.sweeps}

    def label(self, points, stamp_ns, agree=None):
        intensity = self._sweeps[stamp_ns]
        assert len(points) == len(intensity)
        return label_of(intensity), intensity


def describe_pairs(paired):
    """(intensity of the point, image, pixel, grid) of every pair, in their order."""
    return [
        (float(paired.clouds[cloud][point, 3]), int(image), tuple(pixel.tolist()), int(grid))
        for cloud, point, image, pixel, grid in zip(
            paired.cloud_index, paired.point_index, paired.image_index, paired.pixels,
            paired.grid_index, strict=True,
        )
    ]  # fmt: skip


def test_clouds_are_told_as_the_input_says(tiny_nuscenes):
    sample = NuScenesDataset(tiny_nuscenes).load(1, ())
    low = replace(sample.keyframe, points=spin(0.9))
    sample = replace(sample, sweeps=(low,))
    plain = pair_sample(sample, config_with(), np.random.default_rng(0))
    config = config_with("input.level=true", "input.intensity=rank")
    told = pair_sample(sample, config, np.random.default_rng(0))
    (before,), (after,) = plain.clouds, told.clouds
    is_road = np.abs(before[:, 2] + 0.9) < 0.1
    assert np.median(after[is_road, 2]) == pytest.approx(-1.84, abs=0.02)
    np.testing.assert_allclose(after[:, :2], before[:, :2], atol=0.05)  # turned and mirrored alike
    assert after[:, 3].mean() == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(told.pixels, plain.pixels)


@pytest.mark.parametrize("told", ["raw", "rank"])
@pytest.mark.parametrize("gain", ["0", "6"])
def test_an_unknown_intensity_costs_no_point_and_reaches_no_network(tiny_nuscenes, told, gain):
    sample = NuScenesDataset(tiny_nuscenes).load(1, [1])
    config = config_with(f"input.intensity={told}", f"augmentation.intensity_gain={gain}")
    for sweep in sample.sweeps:
        sweep.points[::2, 3], sweep.points[1::4, 3] = np.nan, np.inf
    paired = pair_sample(sample, config, np.random.default_rng(0))
    assert [len(cloud) for cloud in paired.clouds] == [len(s.points) for s in sample.sweeps]
    for cloud in paired.clouds:
        assert np.isfinite(cloud).all()
        without = normalize_intensity(np.zeros(1), told)
        assert (cloud[::2, 3] == without).all()
        assert (cloud[1::4, 3] == without).all()
