"""Tiles on threads give what torch's products give; the contract itself is in `test_conv`."""

from __future__ import annotations

import multiprocessing
import sys
import threading
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor

from clip2scene_core.sparse import backend, tiled_conv
from clip2scene_core.sparse.conv import Finish, sparse_convolution
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.threads import run_in_parts
from clip2scene_core.sparse.tiles import TILE_ROWS, find_tiles
from clip2scene_core.sparse.voxelize import voxelize

KINDS = pytest.mark.parametrize("kind", ["neighbours", "downsample", "upsample"])


@pytest.fixture
def threads() -> Iterator[None]:
    """Give the number of threads back."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def map_of(kind: str, num_points: int = 6000) -> KernelMap:
    generator = torch.Generator().manual_seed(7)
    points = torch.randn(num_points, 3, generator=generator) * torch.tensor([9.0, 9.0, 2.0])
    level = voxelize(points, torch.zeros(num_points, dtype=torch.int64), 0.5).level
    if kind == "neighbours":
        return level.neighbors
    step = level.downsampling.kernel_map
    return step if kind == "downsample" else step.transposed


def convolve(pairs: KernelMap, num_in: int, num_out: int) -> tuple[Tensor, ...]:
    """Output and gradients, for numbers that are always the same."""
    generator = torch.Generator().manual_seed(8)
    features = torch.randn(pairs.num_inputs, num_in, generator=generator).requires_grad_()
    weight = torch.randn(len(pairs.num_pairs), num_in, num_out, generator=generator)
    direction = torch.randn(pairs.num_outputs, num_out, generator=generator)
    output = sparse_convolution(features, weight.requires_grad_(), pairs)
    return output, *torch.autograd.grad(output, (features, weight), direction)


@KINDS
@pytest.mark.parametrize(("num_in", "num_out"), [(5, 8), (24, 24), (64, 64)])
def test_many_tiles_give_what_products_of_torch_give(
    monkeypatch: pytest.MonkeyPatch, kind: str, num_in: int, num_out: int
) -> None:
    pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
    pairs = map_of(kind)
    assert pairs.num_outputs > 3 * TILE_ROWS
    found = convolve(pairs, num_in, num_out)
    monkeypatch.setattr(tiled_conv, "is_tiled", lambda *_, **__: False)
    for one, other in zip(found, convolve(pairs, num_in, num_out), strict=True):
        scale = other.abs().max()
        assert scale > 1
        torch.testing.assert_close(one / scale, other / scale, rtol=0, atol=2e-6)


@KINDS
@pytest.mark.parametrize("has_shortcut", [False, True])
@pytest.mark.parametrize("num_out", [24, 96])
def test_tiles_are_finished_as_torch_finishes_them(
    monkeypatch: pytest.MonkeyPatch, kind: str, has_shortcut: bool, num_out: int
) -> None:
    pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
    monkeypatch.setattr(tiled_conv, "_has_avx512", lambda: True)
    pairs = map_of(kind)
    generator = torch.Generator().manual_seed(9)
    features = torch.randn(pairs.num_inputs, 64, generator=generator)
    weight = torch.randn(len(pairs.num_pairs), 64, num_out, generator=generator)
    shift = torch.randn(num_out, generator=generator)
    shortcut = torch.randn(pairs.num_outputs, num_out, generator=generator)
    finish = Finish(shift, shortcut if has_shortcut else None)
    shortcut[5, 3], features[7, 1] = torch.inf, torch.nan  # they stay what they are in torch
    with torch.inference_mode():
        plain = sparse_convolution(features, weight, pairs)
        expected = torch.relu(plain + shift + (shortcut if has_shortcut else 0))
        found = sparse_convolution(features, weight, pairs, finish)
    assert 0.1 < float((expected == 0).float().mean()) < 0.9
    assert not expected.isfinite().all()
    torch.testing.assert_close(found, expected, rtol=0, atol=0, equal_nan=True)


@KINDS
def test_the_number_of_threads_changes_no_bit(threads: None, kind: str) -> None:
    pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
    pairs = map_of(kind, 20_000)
    torch.set_num_threads(1)
    alone = convolve(pairs, 48, 64)
    torch.set_num_threads(3)
    for one, other in zip(alone, convolve(pairs, 48, 64), strict=True):
        assert torch.equal(one, other)


def test_what_fails_on_another_thread_is_raised(threads: None) -> None:
    torch.set_num_threads(3)

    def fail(first: int, last: int) -> None:
        if first:
            raise MemoryError(f"tiles {first} to {last}")

    with pytest.raises(MemoryError, match="tiles"):
        run_in_parts(fail, [0, 2, 4, 6])


def _count_parts(done: multiprocessing.Queue[int]) -> None:
    parts = []
    both = threading.Barrier(2, timeout=30)

    def meet(first: int, last: int) -> None:
        both.wait()
        parts.append((first, last))

    run_in_parts(meet, [0, 1, 2])
    done.put(len(parts))


@pytest.mark.skipif(sys.platform == "win32", reason="no fork")
@pytest.mark.filterwarnings("ignore:This process.*multi-threaded:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own(threads: None) -> None:
    torch.set_num_threads(2)
    run_in_parts(lambda first, last: None, [0, 1, 2, 3])
    context = multiprocessing.get_context("fork")
    done: multiprocessing.Queue[int] = context.Queue()
    child = context.Process(target=_count_parts, args=(done,))
    child.start()
    try:
        assert done.get(timeout=60) == 2
    finally:
        child.kill()


def test_without_scipy_torch_convolves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "scipy.linalg.cython_blas", None)
    monkeypatch.delitem(sys.modules, "clip2scene_core.sparse.compiled_conv", raising=False)
    backend.compiled_module.cache_clear()
    try:
        assert not tiled_conv.is_tiled(torch.ones(27, 4, 4))
        pairs = map_of("neighbours", 50)
        pairs.build()
        assert "tiles" not in vars(pairs)
        assert convolve(pairs, 4, 4)[0].isfinite().all()
    finally:
        backend.compiled_module.cache_clear()


def test_wide_rounded_and_double_numbers_are_torchs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
    wide = torch.ones(27, 128, 128)
    for has_avx512 in (False, True):
        monkeypatch.setattr(tiled_conv, "_has_avx512", lambda has=has_avx512: has)
        assert tiled_conv.is_tiled(wide) == has_avx512
        assert not tiled_conv.is_tiled(wide, backward=True)
        assert not tiled_conv.is_tiled(torch.ones(27, 512, 256))
    for dtype in (torch.bfloat16, torch.float64):
        assert not tiled_conv.is_tiled(torch.ones(27, 4, 4, dtype=dtype))
    assert not tiled_conv.is_tiled(torch.ones(27, 4, 4, device="meta"))


@pytest.mark.parametrize(("num_out", "is_rounded"), [(24, False), (96, True)])
def test_few_numbers_stay_exact_under_autocast(num_out: int, is_rounded: bool) -> None:
    pytest.importorskip("clip2scene_core.sparse.compiled_conv", reason="needs numba and scipy")
    pairs = map_of("neighbours", 500)
    generator = torch.Generator().manual_seed(3)
    features = torch.randn(pairs.num_inputs, 64, generator=generator)
    weight = torch.randn(27, 64, num_out, generator=generator)
    shift, shortcut = torch.zeros(num_out), torch.ones(pairs.num_outputs, num_out)
    exact = sparse_convolution(features, weight, pairs)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        plain = sparse_convolution(features, weight, pairs)
        finish = Finish(shift, shortcut.bfloat16())
        finished = sparse_convolution(features.bfloat16(), weight, pairs, finish)
    assert plain.dtype == (torch.bfloat16 if is_rounded else torch.float32)
    assert torch.equal(plain.float(), exact) != is_rounded
    torch.testing.assert_close(finished.float(), torch.relu(exact + 1), rtol=0.05, atol=0.3)


def test_tiles_hold_each_pair_once_and_parts_are_alike() -> None:
    pairs = map_of("neighbours", 20_000)
    tiles = find_tiles(pairs.output_index.numpy(), pairs.num_pairs, pairs.num_outputs)
    begin = 0
    for offset, outputs in enumerate(pairs.split(pairs.output_index)):
        starts = tiles.starts[:, offset]
        assert starts[0] == begin
        assert starts[-1] == (begin := begin + len(outputs))
        for tile, (first, last) in enumerate(pairwise(starts)):
            inside = pairs.output_index[first:last] // TILE_ROWS
            assert (inside == tile).all()
    bounds = tiles.share(4)
    sizes = np.diff(np.array(tiles.pairs_before)[bounds])
    assert bounds[0] == 0
    assert bounds[-1] == len(tiles.starts) - 1
    assert sizes.sum() == len(pairs.output_index)
    assert sizes.max() < 1.5 * sizes.sum() / 4


def test_a_map_without_rows_has_no_tile() -> None:
    tiles = find_tiles(torch.zeros(0, dtype=torch.int64).numpy(), (0,) * 27, 0)
    assert tiles.share(4) == [0, 0]
