import pytest
import torch
from torch import Tensor

from clip2scene_core.network.point_features import count_point_features, describe_points
from clip2scene_core.sparse.voxelize import Voxels, voxel_mean, voxelize

# Two points in the voxel from (0.4, -0.8, 1.2) to (0.8, -0.4, 1.6), whose centre is
# (0.6, -0.6, 1.4), and one in the voxel from (-0.4, 0, -2) to (0, 0.4, -1.6), at its centre.
POINTS = torch.tensor([[0.5, -0.6, 1.5, 0.1], [0.7, -0.5, 1.5, 0.3], [-0.2, 0.2, -1.8, 0.8]])
OFFSETS = [[-0.25, 0.0, 0.25], [0.25, 0.25, 0.25], [0.0, 0.0, 0.0]]
HEIGHTS = [0.375, 0.375, -0.45]


@pytest.fixture
def voxels() -> Voxels:
    return voxelize(POINTS[:, :3], torch.zeros(3, dtype=torch.int64), 0.4)


def columns(*features: list[float] | list[list[float]]) -> Tensor:
    return torch.cat([torch.tensor(f).reshape(3, -1) for f in features], dim=1)


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (("intensity",), columns([0.1, 0.3, 0.8])),
        (("height",), columns(HEIGHTS)),
        (("offsets",), columns(OFFSETS)),
        (("intensity", "height", "offsets"), columns([0.1, 0.3, 0.8], HEIGHTS, OFFSETS)),
        (("offsets", "intensity"), columns(OFFSETS, [0.1, 0.3, 0.8])),
        (("position", "intensity"), POINTS),
        (("density", "intensity"), columns([0.25, 0.25, 0.0], [0.1, 0.3, 0.8])),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, tuple) else "",
)
def test_the_columns_are_what_a_hand_computes(
    voxels: Voxels, features: tuple[str, ...], expected: Tensor
) -> None:
    described = describe_points(POINTS, voxels, features)
    assert described.shape == (3, count_point_features(features))
    torch.testing.assert_close(described, expected, rtol=0, atol=1e-6)


def test_a_voxel_sees_the_offset_of_its_points_mean(voxels: Voxels) -> None:
    mean = voxel_mean(describe_points(POINTS, voxels, ("offsets",)), voxels)
    row = voxels.point_to_voxel[0]
    # The mean point is (0.6, -0.55, 1.5).
    torch.testing.assert_close(
        mean.features[row], torch.tensor([0.0, 0.125, 0.25]), rtol=0, atol=1e-6
    )


def test_offsets_lie_in_the_point_s_own_voxel() -> None:
    generator = torch.Generator().manual_seed(0)
    points = 200 * torch.rand(1000, 4, generator=generator) - 100
    voxels = voxelize(points[:, :3], torch.zeros(1000, dtype=torch.int64), 0.2)
    offsets = describe_points(points, voxels, ("offsets",))
    centers = 0.2 * (voxels.coordinates[voxels.point_to_voxel][:, 1:] + 0.5)
    torch.testing.assert_close(0.2 * offsets, points[:, :3] - centers, rtol=0, atol=1e-4)


def test_no_points_have_no_features() -> None:
    points = torch.zeros(0, 4)
    voxels = voxelize(points[:, :3], torch.zeros(0, dtype=torch.int64), 0.2)
    described = describe_points(points, voxels, ("intensity", "offsets", "density"))
    assert described.shape == (0, 5)


def test_colors_are_centered(voxels: Voxels) -> None:
    colored = torch.cat([POINTS, torch.tensor([[0.0, 0.5, 1.0]] * 3)], dim=1)
    described = describe_points(colored, voxels, ("color", "intensity"))
    torch.testing.assert_close(described, columns([[-1.0, 0.0, 1.0]] * 3, [0.1, 0.3, 0.8]))
    # Who does not ask for colors gets none.
    torch.testing.assert_close(describe_points(colored, voxels, ("position", "intensity")), POINTS)
    with pytest.raises(ValueError, match="but the points have no color"):
        describe_points(POINTS, voxels, ("color",))
