from __future__ import annotations

import pytest
import torch
from torch import Tensor

from clip2scene_core.network.heads import SemanticHead, SpatialHead
from clip2scene_core.network.row_batch_norm import RowBatchNorm
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.sparse.voxelize import Voxels, voxelize

WIDTH = 0.125


def cloud(num_points: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points within a few metres and two features of each."""
    generator = torch.Generator().manual_seed(seed)
    points = 6 * torch.rand(num_points, 3, generator=generator) - 3
    return points, torch.rand(num_points, 2, generator=generator)


def as_voxels(points: Tensor, batch_index: Tensor | None = None) -> Voxels:
    if batch_index is None:
        batch_index = torch.zeros(len(points), dtype=torch.int64)
    return voxelize(points, batch_index, 0.2)


@pytest.fixture
def network() -> SPVCNN:
    """In evaluation mode, with running statistics that do something."""
    torch.manual_seed(0)
    network = SPVCNN(2, WIDTH)
    points, features = cloud(400, seed=9)
    with torch.no_grad():
        for _ in range(5):
            network(as_voxels(points), features)
    return network.eval()


def test_full_width_has_the_size_of_the_published_network() -> None:
    network = SPVCNN(1)
    assert sum(parameter.numel() for parameter in network.parameters()) == 21_718_880 + 54_688
    assert network.out_features == 480


def test_every_point_gets_finite_features(network: SPVCNN) -> None:
    points, features = cloud(300)
    output = network(as_voxels(points), features)
    assert output.shape == (300, network.out_features)
    assert output.isfinite().all()
    assert output.std(dim=0).max() > 0.01


def test_order_of_the_points_does_not_matter(network: SPVCNN) -> None:
    points, features = cloud(300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    output = network(as_voxels(points), features)
    permuted = network(as_voxels(points[order]), features[order])
    torch.testing.assert_close(permuted, output[order], rtol=1e-4, atol=1e-5)


def test_a_batch_of_clouds_equals_one_by_one(network: SPVCNN) -> None:
    (points, features), (other_points, other_features) = cloud(300), cloud(200, seed=1)
    batch_index = torch.cat([torch.zeros(300), torch.ones(200)]).long()
    together = network(
        as_voxels(torch.cat([points, other_points]), batch_index),
        torch.cat([features, other_features]),
    )
    torch.testing.assert_close(
        together[:300], network(as_voxels(points), features), rtol=1e-4, atol=1e-5
    )
    torch.testing.assert_close(
        together[300:], network(as_voxels(other_points), other_features), rtol=1e-4, atol=1e-5
    )


def test_points_of_one_voxel_get_features_of_their_own(network: SPVCNN) -> None:
    points, features = cloud(300)
    points[1] = points[0].div(0.2).floor().add(0.9).mul(0.2)
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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_what_the_cpu_computes(network: SPVCNN) -> None:
    points, features = cloud(300)
    expected = network(as_voxels(points), features)
    voxels = voxelize(points.cuda(), torch.zeros(300, dtype=torch.int64).cuda(), 0.2)
    output = network.cuda()(voxels, features.cuda())
    output.sum().backward()
    torch.testing.assert_close(output.cpu(), expected, rtol=1e-2, atol=1e-2)


def test_far_away_points_do_not_change_the_others(network: SPVCNN) -> None:
    points, features = cloud(300)
    far_points, far_features = cloud(50, seed=1)
    output = network(as_voxels(points), features)
    more = network(
        as_voxels(torch.cat([points, far_points + 1000])), torch.cat([features, far_features])
    )
    torch.testing.assert_close(more[:300], output, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("num_points", [0, 1, 2])
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_almost_no_points_pass_through(
    network: SPVCNN, num_points: int, training: bool, dtype: torch.dtype
) -> None:
    network.train(training).to(dtype)
    points, features = cloud(num_points)
    output = network(as_voxels(points), features)
    output.sum().backward()
    assert output.shape == (num_points, network.out_features)
    assert output.dtype == dtype
    assert output.isfinite().all()


def test_bfloat16_stays_close_to_float32(network: SPVCNN) -> None:
    points, features = cloud(300)
    expected = network(as_voxels(points), features)
    output = network.to(torch.bfloat16)(as_voxels(points), features).float()
    assert (output - expected).abs().max() < 0.05 * expected.abs().max()


def test_every_parameter_gets_a_gradient(network: SPVCNN) -> None:
    points, features = cloud(300)
    output = network.train()(as_voxels(points), features)
    output.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def test_a_few_steps_teach_the_height_of_the_points() -> None:
    torch.manual_seed(0)
    points, features = cloud(300)
    network = SPVCNN(2, WIDTH)
    layer = torch.nn.Linear(network.out_features, 1)
    parameters = [*network.parameters(), *layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    losses = []
    for _ in range(30):
        loss = (layer(network(as_voxels(points), features)) - points[:, 2:]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_features_that_do_not_fit_are_refused(network: SPVCNN) -> None:
    points, features = cloud(10)
    with pytest.raises(ValueError, match=r"must be \(10, 2\)"):
        network(as_voxels(points), features[:, :1])
    with pytest.raises(ValueError, match=r"must be \(10, 2\)"):
        network(as_voxels(points), features[:9])


def test_a_width_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1/32"):
        SPVCNN(1, width=0.01)


def test_a_single_row_is_normalised_by_the_running_statistics_and_leaves_them_alone() -> None:
    norm = RowBatchNorm(1)
    norm(torch.tensor([[0.0], [2.0]]))  # mean 1, unbiased variance 2, momentum 0.1
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.1]))
    torch.testing.assert_close(norm.running_var, torch.tensor([1.1]))
    output = norm(torch.tensor([[3.1]]))
    torch.testing.assert_close(output, torch.tensor([[3.0 / (1.1 + 1e-5) ** 0.5]]))
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.1]))


def test_the_two_heads_are_different_linear_layers() -> None:
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    semantic, spatial = SemanticHead(6, 4), SpatialHead(6, 4)
    assert semantic(features).shape == spatial(features).shape == (5, 4)
    assert semantic(torch.zeros(0, 6)).shape == (0, 4)
    assert not torch.equal(semantic(features), spatial(features))
