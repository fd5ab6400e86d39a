"""The compiled loops find what torch operations find."""

from __future__ import annotations

import sys
from dataclasses import fields
from types import ModuleType

import pytest
import torch

from clip2scene_core.sparse import backend, kernel_map, voxelize
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.voxelize import PointsOnLevel, Voxels

STRIDES = (1, 2, 4, 8, 16)


@pytest.fixture
def compiled() -> ModuleType:
    return pytest.importorskip("clip2scene_core.sparse.compiled", reason="needs numba")


def cloud(num_points: int, weights: str) -> Voxels:
    """Two batches around the origin, dense near it, far apart elsewhere."""
    generator = torch.Generator().manual_seed(num_points)
    points = torch.randn(num_points, 3, generator=generator) * torch.tensor([9.0, 9.0, 2.0])
    batch_index = torch.randint(2, (num_points,), generator=generator)
    return voxelize.voxelize(points, batch_index, 0.4, weights=weights)


def maps_of(voxels: Voxels) -> list[KernelMap | PointsOnLevel | tuple[torch.Tensor, ...]]:
    """All that a network asks for."""
    found: list[KernelMap | PointsOnLevel | tuple[torch.Tensor, ...]] = []
    level = voxels.level
    for stride in STRIDES:
        step = level.downsampling.kernel_map
        found += [level.neighbors, level.neighbors.pairs_by_output, (level.neighbor_table,)]
        found += [step.pairs_by_output, step.transposed.pairs_by_output, voxels.points_on(stride)]
        found += [voxels.points_on(stride).points_by_corner]
        level = level.downsampling.coarse
    return found


def without_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kernel_map, voxelize):
        monkeypatch.setattr(module, "compiled_for", lambda _: None)


@pytest.mark.parametrize("weights", ["center", "corner"])
@pytest.mark.parametrize("num_points", [0, 1, 2, 50, 3000])
def test_both_find_the_same_pairs_corners_and_weights(
    monkeypatch: pytest.MonkeyPatch, compiled: ModuleType, num_points: int, weights: str
) -> None:
    found = maps_of(cloud(num_points, weights))
    without_compiled(monkeypatch)
    for got, expected in zip(found, maps_of(cloud(num_points, weights)), strict=True):
        names = [] if isinstance(expected, tuple) else [one.name for one in fields(expected)]
        pairs = [(getattr(got, name), getattr(expected, name)) for name in names if name != "level"]
        for one, other in pairs or zip(got, expected, strict=True):
            if not isinstance(other, torch.Tensor):
                assert one == other
            else:
                assert one.dtype == other.dtype
                torch.testing.assert_close(one, other, rtol=0, atol=1e-6)


@pytest.mark.parametrize("failure", ["no numba", "no folder for its code"])
def test_torch_does_it_where_nothing_can_be_compiled(
    monkeypatch: pytest.MonkeyPatch, failure: str
) -> None:
    if failure == "no numba":
        monkeypatch.setitem(sys.modules, "numba", None)
    else:
        numba = pytest.importorskip("numba", reason="needs numba")

        def refuse(**_: object) -> None:
            raise RuntimeError("cannot cache function: no locator available")

        monkeypatch.setattr(numba, "njit", refuse)
    monkeypatch.delitem(sys.modules, "clip2scene_core.sparse.compiled", raising=False)
    backend.compiled_module.cache_clear()
    try:
        assert backend.compiled_for(torch.zeros(0)) is None
        assert len(cloud(50, "center").level.neighbors.num_pairs) == 27
    finally:
        backend.compiled_module.cache_clear()


def test_a_gpu_has_its_own_operations() -> None:
    assert backend.compiled_for(torch.zeros(0, device="meta")) is None
