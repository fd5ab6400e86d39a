"""The second graph: from maps and text embeddings to one logit per point and text."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clip2scene_core.export.blocked_conv import BlockedMap, MappedLevel, block_convolutions
from clip2scene_core.export.layout import STRIDES, TensorSpec
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.network.student import Student
from clip2scene_core.sparse.voxelize import PointsOnLevel, Voxels


class PointScorer(nn.Module):
    """A student on maps that were built before; it computes what `PointEmbedder.logits` computes.

    Args:
        student: It stays as it is.
        temperature: Divides the cosines.
        tensors: What the map builder returns, from `list_tensors`.
    """

    def __init__(
        self, student: Student, temperature: float, tensors: tuple[TensorSpec, ...]
    ) -> None:
        super().__init__()
        folded = fold_norms(student)
        self.network = block_convolutions(folded.network)
        self.head = folded.semantic_head
        self._temperature = temperature
        self._config = student.config
        self._names = tuple(spec.name for spec in tensors)

    def forward(self, *tensors: Tensor) -> Tensor:
        """Compare every point with every text.

        Args:
            tensors: What the map builder returned, in its order, then the text embeddings, (C, D)
                float32 of unit length.

        Returns:
            (N, C) float32, cosines over the temperature of training.
        """
        *built, texts = tensors
        maps = dict(zip(self._names, built, strict=True))
        features = self.network(self._voxels(maps), maps["features"])
        embeddings = self.head(features)
        lengths = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True).clamp(min=1e-12)
        logits: Tensor = embeddings @ (texts.T / self._temperature) / lengths
        return logits

    def _voxels(self, maps: dict[str, Tensor]) -> Voxels:
        level: MappedLevel | None = None
        points_on = {}
        for stride in reversed(STRIDES):
            level = _level(maps, stride, level)
            if f"voxel_index_{stride}" in maps:
                points_on[stride] = _points_on(maps, level)
        assert level is not None
        index = maps["voxel_index_1"]
        # Positions only serve to find corners, which are there already.
        no_positions = maps["features"].new_empty((0, 3))
        size_m, weights = self._config.voxel_size_m, self._config.voxels.weights
        return Voxels(level, index, no_positions, size_m, weights, points_on)


def _level(maps: dict[str, Tensor], stride: int, coarse: MappedLevel | None) -> MappedLevel:
    def blocked(kind: str, offsets: str, starts: Tensor) -> BlockedMap:
        rows, order = maps[f"{kind}_rows_{stride}"], maps[f"{kind}_order_{stride}"]
        return BlockedMap(rows, maps[f"{offsets}_offsets_{stride}"], order, starts)

    keys = maps[f"keys_{stride}"]
    same = blocked("pair", "pair", maps[f"pair_starts_{stride}"])
    if coarse is None:
        return MappedLevel(keys, stride, same)
    down = blocked("down", "down", maps[f"down_starts_{stride}"])
    # Every voxel has one parent, so its one pair begins at its own row.
    up = blocked("up", "down", torch.arange(keys.shape[0], device=keys.device))
    return MappedLevel(keys, stride, same, down, up, coarse)


def _points_on(maps: dict[str, Tensor], level: MappedLevel) -> PointsOnLevel:
    index = maps[f"voxel_index_{level.stride}"]
    # A network without a point branch does not interpolate.
    nowhere = index.new_empty((0, 8))
    return PointsOnLevel(
        level,
        index,
        maps[f"num_points_{level.stride}"],
        maps.get(f"corner_index_{level.stride}", nowhere),
        maps.get(f"corner_weight_{level.stride}", nowhere),
    )
