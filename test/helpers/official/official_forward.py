"""The released networks' forward passes by plain loops over voxels, in float64.

Written from what torchsparse 1.4, MinkowskiEngine 0.5 and the two models are known to compute, on
their own names and kernels, and with nothing of this package. A voxel is a tuple (x, y, z) in
voxels of the finest level; a level is a dictionary from voxels to features.
"""

from __future__ import annotations

import itertools
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from official_states import SLIDR_BLOCKS, State

Cell = tuple[int, int, int]
Level = dict[Cell, NDArray[np.float64]]

_X_FASTEST = [(x, y, z) for z, y, x in itertools.product((-1, 0, 1), repeat=3)]
_CHILDREN = {
    "torchsparse": list(itertools.product((0, 1), repeat=3)),  # z fastest
    "MinkowskiEngine": [(x, y, z) for z, y, x in itertools.product((0, 1), repeat=3)],
}


def _moved(cell: Cell, step: Cell, stride: int) -> Cell:
    x, y, z = (int(a + b * stride) for a, b in zip(cell, step, strict=True))
    return x, y, z


def _parent(cell: Cell, stride: int) -> Cell:
    x, y, z = (a // stride * stride for a in cell)
    return x, y, z


class OfficialNetwork:
    """The layers of both networks.

    Args:
        state: Weights under official names.
        library: "torchsparse" or "MinkowskiEngine": they order the offsets of 2x2x2 kernels
            differently.
    """

    def __init__(self, state: State, library: str) -> None:
        self._state = {name: value.double().numpy() for name, value in state.items()}
        self._children = _CHILDREN[library]

    def conv(self, name: str, level: Level, stride: int) -> Level:
        kernel = self._state[f"{name}.kernel"]
        if kernel.ndim == 2:
            return {cell: value @ kernel for cell, value in level.items()}
        sums: Level = {}
        for cell in level:
            found = [
                (index, level[near])
                for index, step in enumerate(_X_FASTEST)
                if (near := _moved(cell, step, stride)) in level
            ]
            sums[cell] = sum(value @ kernel[index] for index, value in found)
        return sums

    def down(self, name: str, level: Level, stride: int) -> Level:
        """From this stride to twice of it."""
        kernel, coarse = self._state[f"{name}.kernel"], {}
        for parent in dict.fromkeys(_parent(cell, 2 * stride) for cell in level):
            found = [
                (index, level[child])
                for index, step in enumerate(self._children)
                if (child := _moved(parent, step, stride)) in level
            ]
            coarse[parent] = sum(value @ kernel[index] for index, value in found)
        return coarse

    def up(self, name: str, coarse: Level, fine: Level, stride: int) -> Level:
        """From twice this stride to the voxels of `fine`."""
        kernel, result = self._state[f"{name}.kernel"], {}
        for cell in fine:
            parent = _parent(cell, 2 * stride)
            step = tuple((a - b) // stride for a, b in zip(cell, parent, strict=True))
            result[cell] = coarse[parent] @ kernel[self._children.index(step)]
        return result

    def norm(self, name: str, level: Level) -> Level:
        weight, bias, mean, variance = (
            self._state[f"{name}.{part}"]
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + 1e-5)
        return {cell: (value - mean) * scale + bias for cell, value in level.items()}

    def linear(self, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
        weight, bias = self._state[f"{name}.weight"], self._state[f"{name}.bias"]
        return values @ weight.T + bias

    def block(self, names: tuple[str, str, str, str], own: str, level: Level, stride: int) -> Level:
        """Residual block; the names are those of its two convolutions and norms."""
        first, first_norm, second, second_norm = (f"{own}.{name}" for name in names)
        inner = relu(self.norm(first_norm, self.conv(first, level, stride)))
        inner = self.norm(second_norm, self.conv(second, inner, stride))
        shortcut = level
        if f"{own}.downsample.0.kernel" in self._state:
            bn = ".bn" if first_norm.endswith(".bn") else ""
            projected = self.conv(f"{own}.downsample.0", level, stride)
            shortcut = self.norm(f"{own}.downsample.1{bn}", projected)
        return relu(added(inner, shortcut))


def relu(level: Level) -> Level:
    return {cell: np.maximum(value, 0) for cell, value in level.items()}


def added(one: Level, other: Level) -> Level:
    return {cell: value + other[cell] for cell, value in one.items()}


def joined(one: Level, other: Level) -> Level:
    return {cell: np.concatenate([value, other[cell]]) for cell, value in one.items()}


def quantize(
    points: NDArray[np.float32], voxel_size: float, from_minimum: bool, cylindrical: bool = False
) -> tuple[Level, list[Cell]]:
    """Raw intensity of the first point of each voxel, and the voxel of each point."""
    xyz = points[:, :3] / np.float32(voxel_size)
    if cylindrical:
        x, y = points[:, 0], points[:, 1]
        azimuth = np.arctan2(y, x) * np.float32(180) / np.float32(np.pi)
        xyz = np.stack([np.sqrt(x**2 + y**2) / np.float32(voxel_size), azimuth, xyz[:, 2]], axis=1)
    cells = np.floor(xyz).astype(int)
    if from_minimum:
        cells -= cells.min(axis=0)
    own = [(int(x), int(y), int(z)) for x, y, z in cells]
    level: Level = {}
    for cell, intensity in zip(own, points[:, 3], strict=True):
        level.setdefault(cell, np.array([255.0 * intensity]))
    return level, own


def spvcnn_forward(state: State, points: NDArray[np.float32], head: str) -> NDArray[np.float64]:
    """CLIP2Scene's SPVCNN on one sweep: (N, 4) with intensity in [0, 1] -> (N, D)."""
    net = OfficialNetwork(state, "torchsparse")
    names = ("net.0", "net.1", "net.3", "net.4")
    voxels, own = quantize(points, 0.1, from_minimum=True)
    order = list(voxels)

    x0 = relu(net.norm("stem.1", net.conv("stem.0", voxels, 1)))
    x0 = relu(net.norm("stem.4", net.conv("stem.3", x0, 1)))
    z0 = _to_points(x0, order, 1)
    levels = [x0]
    level = _to_voxels(z0, order, 1)
    for stage in range(1, 5):
        stride = 2**stage
        level = net.down(f"stage{stage}.0.net.0", level, stride // 2)
        level = relu(net.norm(f"stage{stage}.0.net.1", level))
        for index in (1, 2):
            level = net.block(names, f"stage{stage}.{index}", level, stride)
        levels.append(level)
    z1 = _to_points(levels[4], order, 16) + _point_layer(net, 0, z0)

    level, z = _to_voxels(z1, order, 16), [z1]
    for stage in range(1, 5):
        stride = 2 ** (4 - stage)
        level = net.up(f"up{stage}.0.net.0", level, levels[4 - stage], stride)
        level = joined(relu(net.norm(f"up{stage}.0.net.1", level)), levels[4 - stage])
        for index in (0, 1):
            level = net.block(names, f"up{stage}.1.{index}", level, stride)
        if stage in (2, 4):
            z.append(_to_points(level, order, stride) + _point_layer(net, stage // 2, z[-1]))
            level = _to_voxels(z[-1], order, stride)
    mapped = net.linear(head, np.concatenate(z, axis=1))
    rows = {cell: row for row, cell in enumerate(order)}
    return mapped[[rows[cell] for cell in own]]


def _point_layer(
    net: OfficialNetwork, index: int, values: NDArray[np.float64]
) -> NDArray[np.float64]:
    rows = dict(enumerate(net.linear(f"point_transforms.{index}.0", values)))
    normed = relu(net.norm(f"point_transforms.{index}.1", rows))  # type: ignore[arg-type]
    return np.stack(list(normed.values()))


def _to_points(level: Level, points: list[Cell], stride: int) -> NDArray[np.float64]:
    """Trilinear between the lowest corners of the voxels around each point, itself a corner."""
    rows = []
    for point in points:
        base = _parent(point, stride)
        share = [(a - b) / stride for a, b in zip(point, base, strict=True)]
        total, weights = np.zeros_like(next(iter(level.values()))), 0.0
        for step in itertools.product((0, 1), repeat=3):
            near = _moved(base, step, stride)
            if near in level:
                weight = np.prod([s if far else 1 - s for s, far in zip(share, step, strict=True)])
                total, weights = total + weight * level[near], weights + weight
        rows.append(total / (weights + 1e-8))
    return np.stack(rows)


def _to_voxels(values: NDArray[np.float64], points: list[Cell], stride: int) -> Level:
    gathered = defaultdict(list)
    for point, value in zip(points, values, strict=True):
        gathered[_parent(point, stride)].append(value)
    return {cell: np.mean(rows, axis=0) for cell, rows in gathered.items()}


def minkunet_forward(
    state: State, points: NDArray[np.float32], cylindrical: bool
) -> NDArray[np.float64]:
    """SLidR's MinkUNet34 on one sweep, without its head: (N, 4) -> (N, F)."""
    net = OfficialNetwork(state, "MinkowskiEngine")
    names = ("conv1", "norm1.bn", "conv2", "norm2.bn")
    voxels, own = quantize(points, 0.1, from_minimum=False, cylindrical=cylindrical)
    level = relu(net.norm("bn0.bn", net.conv("conv0p1s1", voxels, 1)))
    levels = [level]
    for stage in range(1, 5):
        stride = 2**stage
        level = net.down(f"conv{stage}p{stride // 2}s2", level, stride // 2)
        level = relu(net.norm(f"bn{stage}.bn", level))
        for index in range(SLIDR_BLOCKS[stage - 1]):
            level = net.block(names, f"block{stage}.{index}", level, stride)
        levels.append(level)
    for stage in range(4, 8):
        stride, skip = 2 ** (7 - stage), levels[7 - stage]
        level = net.up(f"convtr{stage}p{2 * stride}s2", level, skip, stride)
        level = joined(relu(net.norm(f"bntr{stage}.bn", level)), skip)
        for index in range(SLIDR_BLOCKS[stage]):
            level = net.block(names, f"block{stage + 1}.{index}", level, stride)
    return np.stack([level[cell] for cell in own])
