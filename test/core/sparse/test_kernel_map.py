from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from clip2scene_core.sparse import packed_keys
from clip2scene_core.sparse.kernel_map import KernelMap
from clip2scene_core.sparse.tensor import VoxelLevel
from clip2scene_core.sparse.voxelize import voxelize


def random_level(num_points: int, seed: int = 0) -> VoxelLevel:
    generator = torch.Generator().manual_seed(seed)
    points = torch.randint(-4, 4, (num_points, 3), generator=generator) + 0.5
    batch_index = torch.randint(3, (num_points,), generator=generator)
    return voxelize(points, batch_index, 1.0).level


def pairs(kernel_map: KernelMap) -> list[tuple[int, int, int]]:
    """(offset, input row, output row) of every pair."""
    inputs = kernel_map.split(kernel_map.input_index)
    outputs = kernel_map.split(kernel_map.output_index)
    return [
        (offset, i, o)
        for offset, (rows_in, rows_out) in enumerate(zip(inputs, outputs, strict=True))
        for i, o in zip(rows_in.tolist(), rows_out.tolist(), strict=True)
    ]


def rows_by_coordinates(coordinates: Tensor) -> dict[tuple[int, ...], int]:
    return {tuple(row): index for index, row in enumerate(coordinates.tolist())}


@pytest.mark.parametrize("num_points", [0, 1, 2, 40, 600])
def test_neighbour_map_equals_brute_force(num_points: int) -> None:
    level = random_level(num_points)
    rows = rows_by_coordinates(level.coordinates)
    expected = [
        (offset, rows[batch, x + dx, y + dy, z + dz], output)
        for offset, (dx, dy, dz) in enumerate(product((-1, 0, 1), repeat=3))
        for (batch, x, y, z), output in rows.items()
        if (batch, x + dx, y + dy, z + dz) in rows
    ]
    found = pairs(level.neighbors)
    assert len(found) == len(set(found))
    assert sorted(found) == sorted(expected)


def test_neighbour_table_lists_every_pair_and_nothing_else() -> None:
    level = random_level(100)
    expected = torch.full((len(level), 27), -1)
    for offset, input_row, output_row in pairs(level.neighbors):
        expected[output_row, offset] = input_row
    assert torch.equal(level.neighbor_table, expected)


@pytest.mark.parametrize("num_points", [0, 1, 40, 600])
def test_downsampling_halves_coordinates_towards_minus_infinity(num_points: int) -> None:
    level = random_level(num_points)
    step = level.downsampling
    parents = rows_by_coordinates(step.coarse.coordinates)
    expected = sorted(
        (4 * (x % 2) + 2 * (y % 2) + z % 2, row, parents[batch, x // 2, y // 2, z // 2])
        for (batch, x, y, z), row in rows_by_coordinates(level.coordinates).items()
    )
    assert sorted(pairs(step.kernel_map)) == expected
    assert {parent for _, _, parent in expected} == set(range(len(step.coarse)))
    assert step.coarse.stride == 2


def test_voxels_of_other_clouds_are_no_neighbours() -> None:
    points = torch.tensor([[0.5, 0.5, 0.5], [0.5, 0.5, 1.5]])
    apart = voxelize(points, torch.tensor([0, 1]), 1.0).level
    together = voxelize(points, torch.tensor([1, 1]), 1.0).level
    assert len(apart.neighbors.input_index) == 2
    assert len(together.neighbors.input_index) == 4


def test_maps_are_built_once() -> None:
    level = random_level(40)
    assert level.neighbors is level.neighbors
    assert level.downsampling.coarse is level.downsampling.coarse


def test_keys_unpack_to_the_coordinates_and_sort_like_them() -> None:
    edge = packed_keys.MAX_COORDINATE
    coordinates = torch.tensor(
        [
            [0, -edge, 5, -7],
            [0, 0, -edge, edge],
            [0, 0, 0, -1],
            [0, 0, 0, 0],
            [3, -edge, -edge, -edge],
            [packed_keys.MAX_BATCHES - 1, edge, edge, edge],
        ],
        dtype=torch.int32,
    )
    keys = packed_keys.pack(coordinates)
    assert torch.equal(packed_keys.unpack(keys), coordinates)
    assert (keys.diff() > 0).all()
    assert (keys >= 0).all()


def test_a_step_leads_to_the_key_of_the_neighbour() -> None:
    own = packed_keys.pack(torch.tensor([[2, -5, 0, -1]]))
    neighbor = packed_keys.pack(torch.tensor([[2, -6, 1, 0]]))
    assert int(neighbor - own) == packed_keys.key_step(-1, 1, 1)
