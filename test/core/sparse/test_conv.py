"""The contract of a sparse convolution: it is dense `conv3d` on the occupied voxels.

Every way to compute it passes all of these tests: tile by tile, by torch's products on maps that
compiled loops found, and by torch alone.
"""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.sparse import conv, kernel_map, tiled_conv
from clip2scene_core.sparse import voxelize as voxelize_module
from clip2scene_core.sparse.conv import (
    DownsampleConv3d,
    SubmanifoldConv3d,
    UpsampleConv3d,
    sparse_convolution,
)
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel
from clip2scene_core.sparse.voxelize import voxelize

SIZE = 8  # of the dense cube; coordinates run from -4 to 3
NUM_BATCHES = 2
TOLERANCES = {torch.float64: 1e-12, torch.float32: 1e-5, torch.bfloat16: 3e-2}
DTYPES = pytest.mark.parametrize("dtype", list(TOLERANCES))


@pytest.fixture(params=["tiles", "compiled maps", "torch operations"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "tiles":
        pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
        return
    monkeypatch.setattr(tiled_conv, "is_tiled", lambda *_, **__: False)
    if request.param == "compiled maps":
        pytest.importorskip("clip2scene_core.sparse.compiled", reason="needs numba")
        return
    monkeypatch.setattr(kernel_map, "compiled_for", lambda _: None)
    monkeypatch.setattr(voxelize_module, "compiled_for", lambda _: None)


def random_level(seed: int = 0, num_points: int = 150) -> VoxelLevel:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(-SIZE // 2, SIZE // 2, (num_points, 3), generator=generator) + 0.5
    batch_index = torch.randint(NUM_BATCHES, (num_points,), generator=generator)
    return voxelize(points, batch_index, 1.0).level


def map_of(kind: str, level: VoxelLevel) -> KernelMap:
    if kind == "neighbours":
        return level.neighbors
    step = level.downsampling.kernel_map
    return step if kind == "downsample" else step.transposed


def random_numbers(*shape: int, dtype: torch.dtype, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)


def dense_index(level: VoxelLevel) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    batch, x, y, z = level.coordinates.long().unbind(1)
    half = SIZE // 2 // level.stride
    return batch, x + half, y + half, z + half


def to_dense(level: VoxelLevel, features: Tensor) -> Tensor:
    """(M, F) -> (B, F, X, Y, Z)."""
    size = SIZE // level.stride
    dense = features.new_zeros(NUM_BATCHES, size, size, size, features.shape[1])
    return dense.index_put(dense_index(level), features).permute(0, 4, 1, 2, 3)


def to_sparse(level: VoxelLevel, dense: Tensor) -> Tensor:
    return dense.permute(0, 2, 3, 4, 1)[dense_index(level)]


def dense_weight(weight: Tensor) -> Tensor:
    """(K, C_in, C_out) -> (C_out, C_in, k, k, k)."""
    edge = round(len(weight) ** (1 / 3))
    return weight.permute(2, 1, 0).unflatten(2, (edge, edge, edge))


def dense_submanifold(level: VoxelLevel, features: Tensor, weight: Tensor) -> Tensor:
    return to_sparse(level, F.conv3d(to_dense(level, features), dense_weight(weight), padding=1))


def dense_downsample(level: VoxelLevel, features: Tensor, weight: Tensor) -> Tensor:
    dense = F.conv3d(to_dense(level, features), dense_weight(weight), stride=2)
    return to_sparse(level.downsampling.coarse, dense)


def dense_upsample(level: VoxelLevel, features: Tensor, weight: Tensor) -> Tensor:
    kernel = dense_weight(weight).transpose(0, 1)
    dense = F.conv_transpose3d(to_dense(level.downsampling.coarse, features), kernel, stride=2)
    return to_sparse(level, dense)


def assert_equal_with_gradients(
    sparse_output: Tensor, dense_output: Tensor, leaves: tuple[Tensor, ...], tolerance: float
) -> None:
    scale = dense_output.abs().max()
    torch.testing.assert_close(
        sparse_output.double() / scale, dense_output / scale, rtol=0, atol=tolerance
    )
    direction = random_numbers(*dense_output.shape, dtype=torch.float64, seed=5)
    sparse_gradients = torch.autograd.grad((sparse_output.double() * direction).sum(), leaves)
    dense_gradients = torch.autograd.grad((dense_output * direction).sum(), leaves)
    for sparse_gradient, dense_gradient in zip(sparse_gradients, dense_gradients, strict=True):
        scale = dense_gradient.abs().max()
        torch.testing.assert_close(
            sparse_gradient / scale, dense_gradient / scale, rtol=0, atol=tolerance
        )


@DTYPES
def test_submanifold_convolution_equals_the_dense_one(dtype: torch.dtype) -> None:
    level = random_level()
    layer = SubmanifoldConv3d(3, 5).to(dtype)
    features = random_numbers(len(level), 3, dtype=dtype).requires_grad_()
    output = layer(SparseTensor(level, features))
    expected = dense_submanifold(level, features.double(), layer.weight.double())
    assert output.level is level
    assert_equal_with_gradients(
        output.features, expected, (features, layer.weight), TOLERANCES[dtype]
    )


@DTYPES
def test_downsampling_equals_the_dense_strided_convolution(dtype: torch.dtype) -> None:
    level = random_level()
    layer = DownsampleConv3d(3, 5).to(dtype)
    features = random_numbers(len(level), 3, dtype=dtype).requires_grad_()
    output = layer(SparseTensor(level, features))
    expected = dense_downsample(level, features.double(), layer.weight.double())
    assert output.stride == 2
    assert_equal_with_gradients(
        output.features, expected, (features, layer.weight), TOLERANCES[dtype]
    )


@DTYPES
def test_upsampling_equals_the_dense_transposed_convolution(dtype: torch.dtype) -> None:
    level = random_level()
    coarse = level.downsampling.coarse
    layer = UpsampleConv3d(3, 5).to(dtype)
    features = random_numbers(len(coarse), 3, dtype=dtype).requires_grad_()
    output = layer(SparseTensor(coarse, features), level)
    expected = dense_upsample(level, features.double(), layer.weight.double())
    assert output.level is level
    assert_equal_with_gradients(
        output.features, expected, (features, layer.weight), TOLERANCES[dtype]
    )


@DTYPES
@pytest.mark.parametrize("kind", ["neighbours", "downsample", "upsample"])
def test_sums_and_gradients_agree_with_and_without_the_buffer(
    monkeypatch: pytest.MonkeyPatch, kind: str, dtype: torch.dtype
) -> None:
    pairs = map_of(kind, random_level())
    num_offsets = len(pairs.num_pairs)
    features = random_numbers(pairs.num_inputs, 16, dtype=dtype).requires_grad_()
    weight = random_numbers(num_offsets, 16, 8, dtype=dtype, seed=2).requires_grad_()
    direction = random_numbers(pairs.num_outputs, 8, dtype=dtype, seed=3)

    def convolve() -> tuple[Tensor, ...]:
        output = sparse_convolution(features, weight, pairs)
        return output, *torch.autograd.grad(output, (features, weight), direction)

    buffered = convolve()
    monkeypatch.setattr(conv, "_MAX_BUFFERED_OUTPUT", 0)
    for found, looped in zip(buffered, convolve(), strict=True):
        scale = looped.abs().max()
        assert scale > 1
        torch.testing.assert_close(
            found.double() / scale, looped.double() / scale, rtol=0, atol=TOLERANCES[dtype]
        )


@pytest.mark.parametrize("kind", ["neighbours", "downsample", "upsample"])
def test_gradients_agree_with_finite_differences(kind: str) -> None:
    pairs = map_of(kind, random_level(num_points=12))
    features = random_numbers(pairs.num_inputs, 2, dtype=torch.float64).requires_grad_()
    weight = random_numbers(len(pairs.num_pairs), 2, 3, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(sparse_convolution, (features, weight, pairs))


def test_autocast_computes_in_its_own_dtype() -> None:
    level = random_level()
    features = random_numbers(len(level), 72, dtype=torch.float32).requires_grad_()
    layer = SubmanifoldConv3d(72, 72)  # fewer numbers stay float32 where there are tiles
    with torch.autocast("cpu", torch.bfloat16):
        output = layer(SparseTensor(level, features)).features
    output.float().sum().backward()
    assert output.dtype == torch.bfloat16
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == torch.float32


@pytest.mark.parametrize("num_points", [0, 1])
@DTYPES
def test_almost_no_voxels_pass_through_all_convolutions(
    num_points: int, dtype: torch.dtype
) -> None:
    level = random_level(num_points=num_points)
    features = torch.ones(len(level), 2, dtype=dtype, requires_grad=True)
    tensor = SparseTensor(level, features)
    output = SubmanifoldConv3d(2, 3).to(dtype)(tensor)
    output = UpsampleConv3d(4, 5).to(dtype)(DownsampleConv3d(3, 4).to(dtype)(output), level)
    output.features.sum().backward()
    assert output.features.shape == (num_points, 5)
    assert features.grad is not None
    assert features.grad.shape == (num_points, 2)


def test_upsampling_to_a_foreign_level_is_refused() -> None:
    coarse = random_level().downsampling.coarse
    tensor = SparseTensor(coarse, torch.ones(len(coarse), 2))
    with pytest.raises(ValueError, match="downsampled to this tensor"):
        UpsampleConv3d(2, 2)(tensor, random_level())


def test_features_without_a_voxel_are_refused() -> None:
    level = random_level()
    with pytest.raises(ValueError, match="one row per voxel"):
        SparseTensor(level, torch.ones(len(level) + 1, 2))


def test_bfloat16_meets_few_numbers_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each one costs the CPU library a compilation, and memory for ever."""
    rows: dict[torch.dtype, set[int]] = {torch.float64: set(), torch.bfloat16: set()}
    mm = torch.mm

    def listen(one: Tensor, other: Tensor, *, out: Tensor) -> Tensor:
        rows[one.dtype].add(max(one.shape))  # turned round for the gradient of the weight
        return mm(one, other, out=out)

    monkeypatch.setattr(torch, "mm", listen)
    for seed in range(12):
        level = random_level(num_points=150 + 40 * seed, seed=seed)
        for dtype in rows:
            features = random_numbers(len(level), 4, dtype=dtype).requires_grad_()
            weight = random_numbers(27, 4, 4, dtype=dtype).requires_grad_()
            sparse_convolution(features, weight, level.neighbors).sum().backward()
    assert len(rows[torch.bfloat16]) <= 10 < len(rows[torch.float64])
    spared = {count + conv._spare_rows(count) for count in range(1, 1_000_000, 7)}
    assert len(spared) < 100
    assert all(conv._spare_rows(count) <= max(64, count / 4) for count in range(1, 100_000, 7))
