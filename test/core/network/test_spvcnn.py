import pytest
import torch
from small_clouds import VOXEL_SIZE_M, as_voxels, cloud, count_parameters, used_network
from torch import Tensor

from clip2scene_core.network.spvcnn import SPVCNN


@pytest.fixture
def network() -> SPVCNN:
    return used_network("spvcnn")


def test_full_width_has_the_size_of_the_published_network() -> None:
    network = SPVCNN(1)
    assert count_parameters(network) == 21_718_880 + 54_688
    assert network.out_features == 480


def test_points_of_one_voxel_get_features_of_their_own(network: SPVCNN) -> None:
    points, features = cloud(300)
    points[1] = points[0].div(VOXEL_SIZE_M).floor().add(0.9).mul(VOXEL_SIZE_M)
    voxels = as_voxels(points)
    assert voxels.point_to_voxel[0] == voxels.point_to_voxel[1]
    output = network(voxels, features)
    assert (output[0] - output[1]).abs().max() > 1e-3


@pytest.mark.parametrize(("point_layer", "up_stage"), [(0, 0), (1, 2)])
def test_the_point_branch_flows_back_into_the_voxels(
    network: SPVCNN, point_layer: int, up_stage: int
) -> None:
    points, features = cloud(300)
    received: list[Tensor] = []
    network.up[up_stage].register_forward_pre_hook(
        lambda _, inputs: received.append(inputs[0].features)
    )
    network(as_voxels(points), features)
    norm = network.point_layers[point_layer][1]
    torch.nn.init.constant_(norm.weight, 0)
    torch.nn.init.constant_(norm.bias, 100)  # the layer now says 100 for every point
    network(as_voxels(points), features)
    before, after = received
    assert (after - before).min() > 50


def test_a_width_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1/32"):
        SPVCNN(1, width=0.01)
