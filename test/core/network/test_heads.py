import torch

from clip2scene_core.network.student import SemanticHead, SpatialHead


def test_the_two_heads_are_different_linear_layers() -> None:
    features = torch.randn(5, 6, generator=torch.Generator().manual_seed(0))
    semantic, spatial = SemanticHead(6, 4), SpatialHead(6, 4)
    assert semantic(features).shape == spatial(features).shape == (5, 4)
    assert semantic(torch.zeros(0, 6)).shape == (0, 4)
    assert not torch.equal(semantic(features), spatial(features))
