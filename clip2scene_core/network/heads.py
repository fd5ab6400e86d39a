"""Linear layers from point features to CLIP's space, one for each loss."""

from __future__ import annotations

from torch import nn


class SemanticHead(nn.Linear):
    """Point features (N, in_features) -> raw point embeddings (N, embedding_size).

    The embeddings are not normalised: the loss and the segmenter bring them to unit length.

    Source: CLIP2Scene (CVPR 2023), section 3.2.3: the two losses work together only if each has a
    linear layer of its own.
    """

    def __init__(self, in_features: int, embedding_size: int) -> None:
        super().__init__(in_features, embedding_size)


class SpatialHead(nn.Linear):
    """Point features (N, in_features) -> embeddings (N, embedding_size) to be fused over space.

    Source: CLIP2Scene (CVPR 2023), section 3.2.3.
    """

    def __init__(self, in_features: int, embedding_size: int) -> None:
        super().__init__(in_features, embedding_size)
