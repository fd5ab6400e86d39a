"""What every 3D network does."""

import pytest
import torch
from small_clouds import VOXEL_SIZE_M, as_voxels, cloud, new_network, used_network
from torch import nn

from clip2scene_core.config.sections import NETWORK_NAMES
from clip2scene_core.sparse.voxelize import voxelize


@pytest.fixture(params=NETWORK_NAMES)
def network(request: pytest.FixtureRequest) -> nn.Module:
    return used_network(request.param)


def test_every_point_gets_finite_features(network: nn.Module) -> None:
    points, features = cloud(300)
    output = network(as_voxels(points), features)
    assert output.shape == (300, network.out_features)
    assert output.isfinite().all()
    assert output.std(dim=0).max() > 0.01


def test_order_of_the_points_does_not_matter(network: nn.Module) -> None:
    points, features = cloud(300)
    order = torch.randperm(300, generator=torch.Generator().manual_seed(1))
    output = network(as_voxels(points), features)
    permuted = network(as_voxels(points[order]), features[order])
    torch.testing.assert_close(permuted, output[order], rtol=1e-4, atol=1e-5)


def test_a_batch_of_clouds_equals_one_by_one(network: nn.Module) -> None:
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


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_cuda_computes_what_the_cpu_computes(network: nn.Module) -> None:
    points, features = cloud(300)
    expected = network(as_voxels(points), features)
    voxels = voxelize(points.cuda(), torch.zeros(300, dtype=torch.int64).cuda(), VOXEL_SIZE_M)
    output = network.cuda()(voxels, features.cuda())
    output.sum().backward()
    torch.testing.assert_close(output.cpu(), expected, rtol=1e-2, atol=1e-2)


def test_far_away_points_do_not_change_the_others(network: nn.Module) -> None:
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
    network: nn.Module, num_points: int, training: bool, dtype: torch.dtype
) -> None:
    network.train(training).to(dtype)
    points, features = cloud(num_points)
    output = network(as_voxels(points), features)
    output.sum().backward()
    assert output.shape == (num_points, network.out_features)
    assert output.dtype == dtype
    assert output.isfinite().all()


def test_bfloat16_stays_close_to_float32(network: nn.Module) -> None:
    points, features = cloud(300)
    expected = network(as_voxels(points), features)
    output = network.to(torch.bfloat16)(as_voxels(points), features).float()
    assert (output - expected).abs().max() < 0.05 * expected.abs().max()


def test_every_parameter_gets_a_gradient(network: nn.Module) -> None:
    points, features = cloud(300)
    output = network.train()(as_voxels(points), features)
    output.square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().sum() > 0, name


def height_loss(network: nn.Module, layer: nn.Linear) -> torch.Tensor:
    """Of predicting a point's height from its features."""
    points, features = cloud(300)
    return (layer(network(as_voxels(points), features)) - points[:, 2:]).square().mean()


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_one_step_against_the_gradient_lowers_the_loss(name: str) -> None:
    network = new_network(name)
    layer = nn.Linear(network.out_features, 1)
    optimizer = torch.optim.SGD([*network.parameters(), *layer.parameters()], lr=1e-3)
    before = height_loss(network, layer)
    before.backward()
    optimizer.step()
    assert height_loss(network, layer) < before


@pytest.mark.parametrize("name", ["spvcnn", "minkunet14"])
def test_a_few_steps_teach_the_height_of_the_points(name: str) -> None:
    network = new_network(name)
    layer = nn.Linear(network.out_features, 1)
    optimizer = torch.optim.Adam([*network.parameters(), *layer.parameters()], lr=1e-2)
    losses = []
    for _ in range(30):
        loss = height_loss(network, layer)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.1 * losses[0]


def test_features_that_do_not_fit_are_refused(network: nn.Module) -> None:
    points, features = cloud(10)
    with pytest.raises(ValueError, match=r"must be \(10, 2\)"):
        network(as_voxels(points), features[:, :1])
    with pytest.raises(ValueError, match=r"must be \(10, 2\)"):
        network(as_voxels(points), features[:9])
