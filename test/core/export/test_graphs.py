"""Both graphs, before they are traced, find what the eager path finds."""

import numpy as np
import pytest
import torch

from clip2scene_core.config.sections import INTENSITIES, NetworkConfig, VoxelsConfig
from clip2scene_core.export.blocked_conv import BLOCK_ROWS, BlockedMap
from clip2scene_core.export.layout import list_tensors
from clip2scene_core.export.map_builder import MapBuilder
from clip2scene_core.export.point_input import move_points, tell_intensity
from clip2scene_core.export.point_scorer import PointScorer
from clip2scene_core.inference.embedder import PointEmbedder
from clip2scene_core.network.point_features import count_point_features
from clip2scene_core.network.student import Student
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.intensity import normalize_intensity
from clip2scene_core.preprocessing.levelling import level, level_transform

TEMPERATURE = 0.07


def cloud(num_points, seed=0, size_m=(12.0, 12.0, 3.0)):
    generator = torch.Generator().manual_seed(seed)
    points = torch.rand(num_points, 4, generator=generator)
    points[:, :3] = (points[:, :3] - 0.5) * torch.tensor(size_m)
    return points


def texts(count, size=16):
    generator = torch.Generator().manual_seed(1)
    return torch.nn.functional.normalize(torch.randn(count, size, generator=generator))


def graphs_of(student, point_strides):
    specs = list_tensors(count_point_features(student.config.features), point_strides)
    return MapBuilder(student.config, "raw", specs), PointScorer(student, TEMPERATURE, specs)


@pytest.mark.parametrize(
    ("config", "point_strides"),
    [
        (NetworkConfig("spvcnn", 0.125, 0.3, ("intensity", "offsets")), (1, 4, 16)),
        (NetworkConfig("spvcnn", 0.2, 0.3, voxels=VoxelsConfig(weights="corner")), (1, 4, 16)),
        (NetworkConfig("minkunet14", 0.125, 0.3, ("height", "position", "density")), ()),
        (NetworkConfig("minkunet34", 0.1, 0.3, voxels=VoxelsConfig("cylindrical", "minimum")), ()),
    ],
    ids=lambda value: value.name if isinstance(value, NetworkConfig) else "",
)
@torch.no_grad()
def test_the_graphs_say_what_the_student_says(config, point_strides):
    torch.manual_seed(0)
    student = Student(config, 16).eval()
    builder, scorer = graphs_of(student, point_strides)
    embedder = PointEmbedder(student, torch.device("cpu"))
    one_voxel = cloud(5, size_m=(0.1, 0.1, 0.1)) + 0.1
    for points in (cloud(1), cloud(2), one_voxel, cloud(700), cloud(3000, 1)):
        expected = embedder.logits(points.numpy(), texts(3), TEMPERATURE)
        got = scorer(*builder(points, torch.eye(4)), texts(3))
        torch.testing.assert_close(got, expected, rtol=0, atol=1e-5)


def test_the_tensors_have_the_sizes_that_the_layout_says():
    student = Student(NetworkConfig("spvcnn", 0.125, 0.3), 16)
    builder, _ = graphs_of(student, (1, 4, 16))
    sizes = {}
    specs = list_tensors(1, (1, 4, 16))
    for spec, tensor in zip(specs, builder(cloud(500), torch.eye(4)), strict=True):
        assert tensor.dtype == spec.dtype, spec.name
        assert tensor.ndim == len(spec.dims), spec.name
        for dim, size in zip(spec.dims, tensor.shape, strict=True):
            assert size == (dim if isinstance(dim, int) else sizes.setdefault(dim, size)), spec.name
    assert len({spec.name for spec in specs}) == len(specs)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, 1e8])
def test_a_point_without_a_place_is_refused(bad):
    builder, _ = graphs_of(Student(NetworkConfig("spvcnn", 0.125, 0.3), 16), (1, 4, 16))
    points = cloud(50)
    points[7, 1] = bad
    with pytest.raises(RuntimeError, match="not finite or too far away"):
        builder(points, torch.eye(4))


def test_a_blocked_convolution_sums_the_products_of_its_pairs():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(90, 3, generator=generator)
    weight = torch.randn(4, 3, 5, generator=generator)
    counts = (70, 0, 64, 1)  # two blocks, none, one that is full, one that is nearly empty
    rows, offsets, places, outputs = [], [], [], []
    expected = torch.zeros(10, 5)
    for offset, count in enumerate(counts):
        inputs = torch.randint(90, (count,), generator=generator)
        to = torch.randint(9, (count,), generator=generator)  # nothing comes to the last output
        for row, output in zip(inputs, to, strict=True):
            expected[output] += features[row] @ weight[offset]
        num_blocks = -(-count // BLOCK_ROWS)
        first = len(offsets) * BLOCK_ROWS
        places += range(first, first + count)
        outputs += to.tolist()
        rows += inputs.tolist() + [0] * (num_blocks * BLOCK_ROWS - count)
        offsets += [offset] * num_blocks
    by_output = np.argsort(outputs, kind="stable")
    starts = np.searchsorted(np.sort(outputs), np.arange(10))
    blocked = BlockedMap(
        torch.tensor(rows).view(-1, BLOCK_ROWS),
        torch.tensor(offsets),
        torch.tensor(places)[by_output],
        torch.from_numpy(starts),
    )
    torch.testing.assert_close(blocked.convolve(features, weight), expected)


@pytest.mark.parametrize("how", INTENSITIES)
@pytest.mark.parametrize("count", [1, 2, 500, 4097, 9000])
def test_intensities_are_told_as_before_any_network(how, count):
    generator = np.random.default_rng(count)
    intensity = np.round(generator.random(count), 2).astype(np.float32)
    intensity[generator.random(count) < 0.1] = np.nan
    got = tell_intensity(torch.from_numpy(intensity), how)
    np.testing.assert_array_equal(got.numpy(), normalize_intensity(intensity, how))


def test_intensities_that_are_all_unknown_are_one_half():
    assert tell_intensity(torch.full((3,), torch.nan), "rank").tolist() == [0.5] * 3


def test_points_are_levelled_as_before_any_network():
    points = cloud(300).numpy()
    ground = Ground(np.array([0.1, 0.0, np.sqrt(0.99)]), 0.6)
    T_level_lidar = torch.from_numpy(level_transform(1.84, ground)).float()
    moved = move_points(torch.from_numpy(points), T_level_lidar).numpy()
    np.testing.assert_allclose(moved, level(points, 1.84, ground), atol=1e-6)
