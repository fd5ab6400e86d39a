from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clip2scene_core.sparse.tensor import SparseTensor
from clip2scene_core.sparse.voxelize import Voxels, devoxelize, voxel_mean, voxelize


def one_cloud(points: Tensor, voxel_size: float = 1.0) -> Voxels:
    return voxelize(points, torch.zeros(len(points), dtype=torch.int64), voxel_size)


def full_block() -> Tensor:
    """The centres of all 4x4x4 voxels from -2 to 2."""
    return torch.cartesian_prod(*[torch.arange(-2, 2) + 0.5] * 3)


def test_points_fall_into_the_voxel_below_them() -> None:
    points = torch.tensor([[0.05, 0.0, 0.19], [-0.05, 0.0, 0.0], [0.09, 0.02, 0.11]])
    voxels = voxelize(points, torch.tensor([0, 0, 0]), 0.1)
    assert voxels.coordinates.tolist() == [[0, -1, 0, 0], [0, 0, 0, 1]]
    assert voxels.coordinates.dtype == torch.int32
    assert voxels.point_to_voxel.tolist() == [1, 0, 1]
    torch.testing.assert_close(voxels.positions, points * 10)


def test_clouds_of_a_batch_share_no_voxel() -> None:
    points = torch.full((2, 3), 0.5)
    voxels = voxelize(points, torch.tensor([7, 2]), 1.0)
    assert voxels.coordinates.tolist() == [[2, 0, 0, 0], [7, 0, 0, 0]]
    assert voxels.point_to_voxel.tolist() == [1, 0]


def test_voxel_mean_by_hand() -> None:
    points = torch.tensor([[0.1, 0.1, 0.1], [0.9, 0.9, 0.9], [1.5, 0.5, 0.5], [-0.5, 0.5, 0.5]])
    features = torch.tensor([[1.0, 10.0], [3.0, 30.0], [5.0, 50.0], [7.0, 70.0]])
    voxels = one_cloud(points)
    assert voxel_mean(features, voxels).features.tolist() == [[7, 70], [2, 20], [5, 50]]
    coarse = voxel_mean(features, voxels, stride=2)
    assert coarse.coordinates.tolist() == [[0, -1, 0, 0], [0, 0, 0, 0]]
    assert coarse.features.tolist() == [[7, 70], [3, 30]]


def test_voxel_mean_of_bfloat16_keeps_small_numbers_beside_large_sums() -> None:
    features = torch.ones(1000, 1, dtype=torch.bfloat16)
    mean = voxel_mean(features, one_cloud(torch.full((1000, 3), 0.5)))
    assert mean.features.item() == 1


@pytest.mark.parametrize("stride", [1, 2])
def test_linear_field_is_interpolated_exactly_inside_full_cells(stride: int) -> None:
    generator = torch.Generator().manual_seed(0)
    inner = (2 - stride / 2) * (2 * torch.rand(200, 3, generator=generator) - 1)
    voxels = one_cloud(torch.cat([full_block(), inner]))
    level = voxels.points_on(stride).level
    slope = torch.tensor([[2.0, -3.0, 0.5]], dtype=torch.float64).T
    centers = (level.coordinates[:, 1:] + 0.5) * stride
    values = devoxelize(SparseTensor(level, centers.double() @ slope + 7), voxels)
    torch.testing.assert_close(values[64:], inner.double() @ slope + 7, rtol=0, atol=1e-5)


def test_interpolation_leaves_empty_voxels_out() -> None:
    # Along x only two voxels exist; the point is a quarter of the way from the first centre to
    # the second, and half-way to empty voxels along y and z, which must not dilute the result.
    points = torch.tensor([[0.75, 0.99, 0.01], [1.5, 0.5, 0.5]])
    voxels = one_cloud(points)
    tensor = SparseTensor(voxels.level, torch.tensor([[10.0], [20.0]]))
    torch.testing.assert_close(devoxelize(tensor, voxels), torch.tensor([[12.5], [20.0]]))


def test_isolated_point_gets_the_features_of_its_voxel() -> None:
    voxels = one_cloud(torch.tensor([[3.01, -7.99, 2.3]]))
    tensor = voxel_mean(torch.tensor([[4.0, -2.0]]), voxels)
    torch.testing.assert_close(devoxelize(tensor, voxels), torch.tensor([[4.0, -2.0]]))


def test_interpolation_and_mean_have_correct_gradients() -> None:
    generator = torch.Generator().manual_seed(0)
    voxels = one_cloud(3 * torch.rand(12, 3, generator=generator))
    features = torch.randn(12, 2, generator=generator, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda rows: devoxelize(voxel_mean(rows, voxels), voxels), (features,)
    )


@pytest.mark.parametrize("stride", [1, 2, 16])
def test_no_points_make_no_voxels(stride: int) -> None:
    voxels = one_cloud(torch.zeros(0, 3))
    tensor = voxel_mean(torch.zeros(0, 5), voxels, stride)
    assert voxels.coordinates.shape == (0, 4)
    assert tensor.features.shape == (0, 5)
    assert devoxelize(tensor, voxels).shape == (0, 5)


@pytest.mark.parametrize(
    ("points", "batch_index", "voxel_size", "message"),
    [
        (torch.zeros(2, 4), [0, 0], 0.1, r"\(N, 3\), got \(2, 4\)"),
        (torch.zeros(2, 3), [0], 0.1, r"batch_index must be \(2,\)"),
        (torch.zeros(2, 3), [0, -1], 0.1, r"got -1 to 0"),
        (torch.zeros(2, 3), [0, 512], 0.1, r"\[0, 512\), got 0 to 512"),
        (torch.zeros(2, 3), [0, 0], 0.0, "positive metres, got 0"),
        (torch.tensor([[0, 0, torch.nan], [0, 0, 0]]), [0, 0], 0.1, "1 of 2 points are not finite"),
        (torch.tensor([[0, 0, 0], [-torch.inf, 0, 0]]), [0, 0], 0.1, "not finite"),
        (torch.tensor([[0, 0, 0], [0, -2e4, 0]]), [0, 0], 0.1, "20000 m from the origin"),
        (torch.tensor([[0, 0, 0], [0, 3e38, 0]]), [0, 0], 0.1, "from the origin"),
    ],
)
def test_bad_input_is_refused(
    points: Tensor, batch_index: list[int], voxel_size: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        voxelize(points, torch.tensor(batch_index), voxel_size)


def test_tensor_of_other_voxels_is_refused() -> None:
    voxels, other = one_cloud(torch.zeros(1, 3)), one_cloud(torch.ones(1, 3))
    with pytest.raises(ValueError, match="pass the voxels it came from"):
        devoxelize(voxel_mean(torch.zeros(1, 2), other), voxels)


def test_features_without_a_point_are_refused() -> None:
    with pytest.raises(ValueError, match="one row per point"):
        voxel_mean(torch.zeros(2, 2), one_cloud(torch.zeros(1, 3)))


def test_a_grid_may_begin_at_the_lowest_voxel_of_each_cloud() -> None:
    points = torch.tensor([[-3.5, 2.2, 9.0], [-2.5, 4.7, 9.9], [0.5, 0.5, 0.5], [2.5, 0.1, -7.0]])
    voxels = voxelize(points, torch.tensor([0, 0, 3, 3]), 1.0, origin="minimum")
    assert voxels.coordinates.tolist() == [[0, 0, 0, 0], [0, 1, 2, 0], [3, 0, 0, 7], [3, 2, 0, 0]]
    # The first cloud begins in voxel -4, 2, 9.
    torch.testing.assert_close(voxels.positions[1], torch.tensor([1.5, 2.7, 0.9]))
    # From the sensor, -4 and -3 have one parent; so have 0 and 1.
    assert len(voxels.points_on(2).level) == 4
    empty = voxelize(points[:0], torch.zeros(0, dtype=torch.int64), 1.0, origin="minimum")
    assert len(empty.level) == 0


def test_the_origin_decides_which_voxels_make_a_coarser_one() -> None:
    points = torch.tensor([[1.5, 0.5, 0.5], [2.5, 0.5, 0.5]])
    batch_index = torch.zeros(2, dtype=torch.int64)
    assert len(voxelize(points, batch_index, 1.0).points_on(2).level) == 2
    lowest = voxelize(points, batch_index, 1.0, origin="minimum")
    assert len(lowest.points_on(2).level) == 1


def test_cylindrical_voxels_by_hand() -> None:
    points = torch.tensor([[3.0, 4.0, -0.25], [-0.6, 0.0, 1.0], [0.0, -2.0, 0.0]])
    batch_index = torch.zeros(3, dtype=torch.int64)
    voxels = voxelize(points, batch_index, 0.5, coordinates="cylindrical")
    # Distances of 5, 0.6 and 2 m at 53.13, 180 and -90 degrees.
    expected = torch.tensor([[10.0, 53.1301, -0.5], [1.2, 180.0, 2.0], [4.0, -90.0, 0.0]])
    torch.testing.assert_close(voxels.positions, expected, rtol=0, atol=1e-4)
    found = voxels.coordinates[voxels.point_to_voxel, 1:].tolist()
    assert found[:2] == [[10, 53, -1], [1, 180, 2]]


def test_the_first_point_of_a_voxel() -> None:
    points = torch.tensor([[5.5, 0.5, 0.5], [0.2, 0.5, 0.5], [5.1, 0.5, 0.5], [0.9, 0.5, 0.5]])
    voxels = one_cloud(points)
    assert voxels.first_points().tolist() == [1, 0]
    assert one_cloud(points[:0]).first_points().tolist() == []


def test_voxels_become_points_at_their_lowest_corners() -> None:
    points = torch.tensor([[5.5, 0.5, -0.5], [0.2, 0.5, 0.5], [5.1, 0.5, -0.1]])
    corners = one_cloud(points).as_points()
    assert corners.positions.tolist() == [[0, 0, 0], [5, 0, -1]]
    assert corners.point_to_voxel.tolist() == [0, 1]
    assert corners.points_on(4).num_points.tolist() == [1, 1]


def test_features_at_corners_are_interpolated_from_the_own_voxel_up() -> None:
    points = torch.tensor([[0.25, 0.0, 0.0], [1.5, 0.0, 0.0], [-0.5, 0.0, 0.0]])
    voxels = voxelize(points, torch.zeros(3, dtype=torch.int64), 1.0, weights="corner")
    tensor = SparseTensor(voxels.level, torch.tensor([[100.0], [0.0], [8.0]]))  # at -1, 0, 1
    # 3/4 of 0 and 1/4 of 8; nothing above 1; half of 100 and half of 0.
    expected = torch.tensor([[2.0], [8.0], [50.0]])
    torch.testing.assert_close(devoxelize(tensor, voxels), expected)
