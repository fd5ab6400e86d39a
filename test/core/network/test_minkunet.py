import pytest
import torch
from small_clouds import as_voxels, cloud, count_parameters, used_network

from clip2scene_core.config.sections import NETWORK_NAMES
from clip2scene_core.network.minkunet import MINKUNET_PLANS, MinkUNet


def test_every_name_of_the_configuration_has_a_network() -> None:
    assert {"spvcnn", *MINKUNET_PLANS} == set(NETWORK_NAMES)


@pytest.mark.parametrize(
    ("name", "in_features", "head_features", "expected"),
    [
        # CLIP2Scene on ScanNet: three colours in, the semantic head's 512 numbers out. 8.06 M.
        ("minkunet14", 3, 512, 8_062_816),
        # One input feature and SLidR's head of 64 numbers. 37.85 M.
        ("minkunet34", 1, 64, 37_849_184),
    ],
)
def test_trunk_and_one_head_have_the_size_of_the_published_network(
    name: str, in_features: int, head_features: int, expected: int
) -> None:
    network = MinkUNet(in_features, MINKUNET_PLANS[name])
    head = torch.nn.Linear(network.out_features, head_features)
    assert network.out_features == 96
    assert count_parameters(network) + count_parameters(head) == expected


def test_the_eighteen_is_the_fourteen_with_two_blocks_a_stage() -> None:
    small, large = (MinkUNet(1, MINKUNET_PLANS[f"minkunet{n}"]) for n in (14, 18))
    # A block that keeps its number of features F has two 3x3x3 convolutions, each normalized.
    blocks = sum(2 * (27 * f * f + 2 * f) for f in (32, 64, 128, 256, 128, 128, 96, 96))
    assert count_parameters(large) == count_parameters(small) + blocks == 15_480_096


def test_points_of_one_voxel_share_their_features() -> None:
    network = used_network("minkunet14")
    points, features = cloud(300)
    points[1] = points[0] + torch.tensor([1e-4, 0, 0])
    voxels = as_voxels(points)
    assert voxels.point_to_voxel[0] == voxels.point_to_voxel[1]
    output = network(voxels, features)
    assert torch.equal(output[0], output[1])
    # Both had a say in them.
    features[1] += 1
    assert (network(voxels, features)[0] - output[0]).abs().max() > 1e-3


def test_a_width_without_features_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1/32"):
        MinkUNet(1, MINKUNET_PLANS["minkunet18"], width=0.03)
