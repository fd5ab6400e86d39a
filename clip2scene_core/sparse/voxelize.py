"""Find the voxels of points, average features of points in voxels, and interpolate them back."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from clip2scene_core.sparse import packed_keys
from clip2scene_core.sparse.backend import compiled_for
from clip2scene_core.sparse.kernel_map import CENTER_OFFSET, NUM_NEIGHBORS, order_by_output
from clip2scene_core.sparse.tensor import SparseTensor, VoxelLevel

# Index steps along x, y and z in a row of the neighbour table.
_TABLE_STEPS = (9, 3, 1)
# Keeps the released code's division by the sum of the weights of corners from a division by 0.
_CORNER_EPSILON = 1e-8


@dataclass(frozen=True, eq=False)
class PointsOnLevel:
    """The voxels of N points on one level.

    Attributes:
        level: The M voxels.
        voxel_index: (N,) int64 row of the voxel that holds each point.
        num_points: (M,) int64 number of points in each voxel, at least 1.
        corner_index: (N, 8) int64 rows of the voxels whose centres (or lowest corners) surround
            each point.
        corner_weight: (N, 8) float32 trilinear weights; 0 for empty voxels, each row sums to 1.
    """

    level: VoxelLevel
    voxel_index: Tensor
    num_points: Tensor
    corner_index: Tensor
    corner_weight: Tensor

    @cached_property
    def points_by_corner(self) -> tuple[Tensor, Tensor, Tensor]:
        """The points around each voxel: what the gradient of an interpolation adds up.

        Returns:
            Q pairs of a point and a voxel with a weight, by voxel: points (Q,) int64 and weights
            (Q,) float32, and the start of each voxel in them, (M,) int64.
        """
        weights = self.corner_weight.view(-1)
        pairs = weights.nonzero()[:, 0]
        voxels = self.corner_index.view(-1).index_select(0, pairs)
        order, starts = order_by_output(voxels, len(self.level))
        pairs = pairs.index_select(0, order)
        return pairs // self.corner_index.shape[1], weights.index_select(0, pairs), starts


@dataclass(frozen=True, eq=False)
class Voxels:
    """The voxels of a batch of point clouds with N points in all.

    Attributes:
        level: The finest level; coarser levels are built from it.
        point_to_voxel: (N,) int64 row in `coordinates` of the voxel of each point.
        positions: (N, 3) float32 points, in units of the voxels and from their origin.
        voxel_size: Edge of a voxel of the finest level, metres.
        weights: Where the features of a voxel lie when they are interpolated: at its "center", or
            at its lowest "corner".
    """

    level: VoxelLevel
    point_to_voxel: Tensor
    positions: Tensor
    voxel_size: float
    weights: str = "center"
    _points_on_level: dict[int, PointsOnLevel] = field(default_factory=dict, repr=False)
    _as_points: dict[str, Voxels] = field(default_factory=dict, repr=False)

    @property
    def coordinates(self) -> Tensor:
        """(M, 4) int32 [batch, x, y, z], sorted by packed key."""
        return self.level.coordinates

    def points_on(self, stride: int) -> PointsOnLevel:
        """Find the voxels of the points at this stride (1, 2, 4, ...); computed once and kept.

        Raises:
            ValueError: If the stride is not a power of 2.
        """
        if stride not in self._points_on_level:
            level, voxel_index = self.level, self.point_to_voxel
            while level.stride < stride:
                voxel_index = level.downsampling.parent_index[voxel_index]
                level = level.downsampling.coarse
            if level.stride != stride:
                raise ValueError(f"stride must be a power of 2, got {stride}")
            self._points_on_level[stride] = _locate(
                self.positions, level, voxel_index, self.weights
            )
        return self._points_on_level[stride]

    def first_points(self) -> Tensor:
        """(M,) int64 index of the first point in each voxel."""
        rows = torch.arange(len(self.point_to_voxel), device=self.point_to_voxel.device)
        first = rows.new_full((len(self.level),), len(rows))
        return first.scatter_reduce_(0, self.point_to_voxel, rows, "amin")

    def as_points(self, place: str = "corner") -> Voxels:
        """Make a point of every voxel: the voxels of these M points, found once and kept.

        Args:
            place: The point is at the lowest "corner" of its voxel, or at the "mean" of its points.
        """
        if place not in self._as_points:
            rows = torch.arange(len(self.level), device=self.point_to_voxel.device)
            is_mean = place == "mean"
            at = self.means(self.positions) if is_mean else self.coordinates[:, 1:].float()
            self._as_points[place] = Voxels(self.level, rows, at, self.voxel_size, self.weights)
        return self._as_points[place]

    def means(self, of_points: Tensor) -> Tensor:
        """Average over the points of each voxel, (N, F) float32 -> (M, F).

        Unlike `voxel_mean` it does not look for the voxels around the points.
        """
        sums = of_points.new_zeros(len(self.level), of_points.shape[1])
        sums.index_add_(0, self.point_to_voxel, of_points)
        return sums / torch.bincount(self.point_to_voxel, minlength=len(self.level))[:, None]


def voxelize(
    points: Tensor,
    batch_index: Tensor,
    voxel_size: float,
    *,
    coordinates: str = "cartesian",
    origin: str = "sensor",
    weights: str = "center",
) -> Voxels:
    """Find the occupied voxels of a batch of point clouds.

    Args:
        points: (N, 3) float32, metres; N may be 0.
        batch_index: (N,) int64 index of the cloud of each point, 0 <= batch_index < 512.
        voxel_size: Edge of a voxel, metres.
        coordinates: "cartesian" or "cylindrical", see `VoxelsConfig`.
        origin: "sensor" or "minimum".
        weights: See `Voxels`.

    Returns:
        The voxels. A point at p lies in the voxel floor(p / voxel_size), less the lowest such
        number of its cloud on each axis if the origin is the minimum.

    Raises:
        ValueError: If a shape is wrong, the voxel size is not positive, a coordinate is not finite
            or is 131,070 voxels or more from the origin, or a batch index is out of range.
    """
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(
            f"points must be (N, 3), got {tuple(points.shape)}; pass xyz without intensity"
        )
    if batch_index.shape != (len(points),):
        raise ValueError(
            f"batch_index must be ({len(points)},) like the points, got {tuple(batch_index.shape)}"
        )
    if not voxel_size > 0:
        raise ValueError(f"voxel_size must be positive metres, got {voxel_size}")
    positions = place_points(points, voxel_size, coordinates)
    _check_range(points, positions, batch_index, voxel_size)
    cells = positions.floor()
    if origin == "minimum" and len(cells):
        lowest = _lowest_of_clouds(cells, batch_index)
        positions, cells = positions - lowest, cells - lowest
        _check_range(points, positions, batch_index, voxel_size)
    placed = torch.cat([batch_index[:, None], cells.long()], dim=1)
    keys, point_to_voxel = torch.unique(packed_keys.pack(placed), return_inverse=True)
    return Voxels(VoxelLevel(keys, 1), point_to_voxel, positions, voxel_size, weights)


def place_points(points: Tensor, voxel_size: float, coordinates: str) -> Tensor:
    """Turn points (N, 3) float32 in metres into positions (N, 3) float32 in voxels."""
    positions = points.float() / voxel_size
    if coordinates == "cartesian":
        return positions
    # In SLidR's order: another one rounds points at a border to other voxels.
    x, y = points[:, :2].float().unbind(dim=1)
    distance = torch.sqrt(x**2 + y**2) / voxel_size
    azimuth_deg = torch.atan2(y, x) * 180 / torch.pi
    return torch.stack([distance, azimuth_deg, positions[:, 2]], dim=1)


def _lowest_of_clouds(cells: Tensor, batch_index: Tensor) -> Tensor:
    """(N, 3) cells -> (N, 3), for each point the least x, y and z of its cloud."""
    lowest = cells.new_full((int(batch_index.max()) + 1, 3), torch.inf)
    lowest.scatter_reduce_(0, batch_index[:, None].expand(-1, 3), cells, "amin")
    return lowest.index_select(0, batch_index)


def voxel_mean(point_features: Tensor, voxels: Voxels, stride: int = 1) -> SparseTensor:
    """Average the features of the points in each voxel.

    Args:
        point_features: (N, F) float.
        voxels: The voxels of the points.
        stride: Stride of the level to average on.

    Returns:
        Tensor with features (M, F) on the level of this stride.

    Raises:
        ValueError: If the number of feature rows is not N.
    """
    located = voxels.points_on(stride)
    if point_features.ndim != 2 or point_features.shape[0] != located.voxel_index.shape[0]:
        raise ValueError(
            f"point_features must be ({len(located.voxel_index)}, F), one row per point, "
            f"got {tuple(point_features.shape)}"
        )
    # A sum of many bfloat16 numbers would lose the small ones.
    sum_dtype = torch.promote_types(point_features.dtype, torch.float32)
    shape = (located.level.keys.shape[0], point_features.shape[1])
    sums = point_features.new_zeros(shape, dtype=sum_dtype)
    sums.index_add_(0, located.voxel_index, point_features.to(sum_dtype))
    means = sums / located.num_points[:, None]
    return SparseTensor(located.level, means.to(point_features.dtype))


def devoxelize(tensor: SparseTensor, voxels: Voxels) -> Tensor:
    """Interpolate voxel features at the points.

    The interpolation is trilinear between the eight surrounding voxel centres, or lowest corners if
    the voxels say so. Empty voxels are left out, and the other weights are scaled to the sum 1. The
    voxel of the point is never empty.

    Args:
        tensor: Features (M, F) on any level of `voxels`.
        voxels: The voxels of the points.

    Returns:
        (N, F) float.

    Raises:
        ValueError: If `tensor` is not on a level of `voxels`.
    """
    located = voxels.points_on(tensor.stride)
    if tensor.level is not located.level:
        raise ValueError(
            f"the tensor ({len(tensor.level)} voxels, stride {tensor.stride}) was made from other "
            f"voxels ({len(located.level)} at this stride); pass the voxels it came from"
        )
    interpolated: Tensor = _Interpolation.apply(tensor.features, located)  # type: ignore[no-untyped-call]
    return interpolated


class _Interpolation(torch.autograd.Function):
    """Has its own backward: that of torch sorts all corners anew, and takes ten times as long."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, located: PointsOnLevel) -> Tensor:
        ctx.located = located
        weights = located.corner_weight.to(features.dtype)
        return F.embedding_bag(
            located.corner_index, features, mode="sum", per_sample_weights=weights
        )

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_points: Tensor) -> tuple[Tensor, None]:
        points, weights, starts = ctx.located.points_by_corner
        weights = weights.to(grad_points.dtype)
        grad_features = F.embedding_bag(
            points, grad_points, starts, mode="sum", per_sample_weights=weights
        )
        return grad_features, None


def _check_range(points: Tensor, positions: Tensor, batch_index: Tensor, voxel_size: float) -> None:
    if not points.isfinite().all():
        num_bad = int((~points.isfinite()).any(dim=1).sum())
        raise ValueError(
            f"{num_bad} of {len(points)} points are not finite; drop them before voxelising"
        )
    if len(points) and float(positions.abs().max()) >= packed_keys.MAX_COORDINATE:
        raise ValueError(
            f"a point lies {float(points.abs().max()):.6g} m from the origin along an axis; with "
            f"voxels of {voxel_size} m it must stay within "
            f"{packed_keys.MAX_COORDINATE * voxel_size:.6g} m; use the LiDAR frame"
        )
    if len(points) and not 0 <= int(batch_index.min()) <= int(batch_index.max()) < (
        packed_keys.MAX_BATCHES
    ):
        raise ValueError(
            f"batch_index must be in [0, {packed_keys.MAX_BATCHES}), got "
            f"{int(batch_index.min())} to {int(batch_index.max())}"
        )


def _locate(
    positions: Tensor, level: VoxelLevel, voxel_index: Tensor, weights: str
) -> PointsOnLevel:
    compiled = compiled_for(positions)
    if compiled is not None:
        corners, weights_of_corners, num_points_of_voxel = compiled.find_corners(
            positions.detach().contiguous().numpy(),
            level.coordinates.contiguous().numpy(),
            voxel_index.contiguous().numpy(),
            level.neighbor_table.numpy(),
            level.stride,
            weights == "corner",
            _CORNER_EPSILON if weights == "corner" else 0.0,
        )
        return PointsOnLevel(
            level,
            voxel_index,
            torch.from_numpy(num_points_of_voxel),
            torch.from_numpy(corners),
            torch.from_numpy(weights_of_corners),
        )
    corner_index, corner_weight = find_corners(
        positions, level.coordinates, voxel_index, level.neighbor_table, level.stride, weights
    )
    num_points = torch.bincount(voxel_index, minlength=len(level))
    return PointsOnLevel(level, voxel_index, num_points, corner_index, corner_weight)


def find_corners(
    positions: Tensor,
    coordinates: Tensor,
    voxel_index: Tensor,
    table: Tensor,
    stride: int,
    weights: str,
) -> tuple[Tensor, Tensor]:
    """Find the eight voxels around each point and their weights, by torch operations alone.

    Args:
        positions: (N, 3) float32, in voxels of the finest level.
        coordinates: (M, 4) int32 of this level.
        voxel_index: (N,) int64 row of the voxel of each point.
        table: (M, 27) int64 neighbours, -1 where there is none.
        stride: Edge of a voxel of this level, in voxels of the finest level.
        weights: See `Voxels`.

    Returns:
        `corner_index` and `corner_weight` of `PointsOnLevel`.
    """
    own_coordinates = coordinates.index_select(0, voxel_index)[:, 1:]
    from_corner = positions / stride - own_coordinates  # (N, 3) in [0, 1)
    # On each axis, the point lies between its voxel and one of the next voxels, whose weight is
    # the distance from the own one. The eight corners are all combinations.
    if weights == "corner":
        far_weight, side = from_corner, torch.ones_like(voxel_index)[:, None]
    else:
        from_center = from_corner - 0.5  # (N, 3) in [-0.5, 0.5)
        far_weight, side = from_center.abs(), torch.where(from_center < 0, -1, 1)
    far_step = side * voxel_index.new_tensor(_TABLE_STEPS)
    corner = voxel_index[:, None] * NUM_NEIGHBORS + CENTER_OFFSET  # (N, 1) in the neighbour table
    weight = torch.ones_like(far_weight[:, :1])
    for axis in range(3):
        far = far_weight[:, axis, None]
        corner = torch.cat([corner, corner + far_step[:, axis, None]], dim=1)
        weight = torch.cat([weight * (1 - far), weight * far], dim=1)
    corner_index = table.reshape(-1).index_select(0, corner.view(-1)).view(-1, 8)
    weight *= corner_index >= 0
    total = weight.sum(dim=1, keepdim=True)
    weight /= total + _CORNER_EPSILON if weights == "corner" else total
    return corner_index.clamp_(min=0), weight
