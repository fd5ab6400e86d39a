"""Clouds of a few metres, the networks to run on them, and a sweep of a spinning LiDAR."""

import copy
import functools

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.network.minkunet import MINKUNET_PLANS, MinkUNet
from clip2scene_core.network.spvcnn import SPVCNN
from clip2scene_core.sparse.voxelize import Voxels, voxelize

VOXEL_SIZE_M = 0.2
WIDTH = 0.125


def cloud(num_points: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Points within a few metres and two features of each."""
    generator = torch.Generator().manual_seed(seed)
    points = 6 * torch.rand(num_points, 3, generator=generator) - 3
    return points, torch.rand(num_points, 2, generator=generator)


def as_voxels(points: Tensor, batch_index: Tensor | None = None) -> Voxels:
    if batch_index is None:
        batch_index = torch.zeros(len(points), dtype=torch.int64)
    return voxelize(points, batch_index, VOXEL_SIZE_M)


def new_network(name: str) -> SPVCNN | MinkUNet:
    """A small network of two input features, with random weights, in training mode."""
    torch.manual_seed(0)
    if name == "spvcnn":
        return SPVCNN(2, WIDTH)
    return MinkUNet(2, MINKUNET_PLANS[name], WIDTH)


def used_network(name: str) -> SPVCNN | MinkUNet:
    """The same in evaluation mode, with running statistics that do something."""
    return copy.deepcopy(_used_network(name))


@functools.cache
def _used_network(name: str) -> SPVCNN | MinkUNet:
    network = new_network(name)
    points, features = cloud(400, seed=9)
    with torch.no_grad():
        for _ in range(5):
            network(as_voxels(points), features)
    return network.eval()


def count_parameters(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def make_sweep(num_beams: int = 16, columns: int = 120, seed: int = 0) -> NDArray[np.float32]:
    """Make a sweep from beams at -24 to 6 degrees, ranges of 0.5 to 80 m: (N, 4), beam by beam.

    Intensities are N different numbers in (0, 1), ascending: they tell points apart.
    """
    generator = np.random.default_rng(seed)
    num_points = num_beams * columns
    elevation = np.deg2rad(np.repeat(np.linspace(-24, 6, num_beams), columns))
    azimuth = np.tile(np.linspace(-np.pi, np.pi, columns, endpoint=False), num_beams)
    range_m = generator.uniform(0.5, 80, num_points)
    flat_m = range_m * np.cos(elevation)
    xyz = [flat_m * np.cos(azimuth), flat_m * np.sin(azimuth), range_m * np.sin(elevation)]
    intensity = (np.arange(num_points) + 1) / (num_points + 1)
    return np.stack([*xyz, intensity], axis=1).astype(np.float32)


ANY_SENSOR = SensorAugmentationConfig(
    height_m=0.3, tilt_deg=3.0, scale=0.1, waves_m=0.1, jitter_m=0.01, beam_range_m=0.05,
    beam_elevation_deg=0.1, beam_gain=1.5, own_robot=0.3, sector_dropout=0.2,
    elevation_dropout=0.2, beam_dropout=0.5, range_dropout=0.3, point_dropout=0.2,
    intensity_range=1.0, intensity_gamma=2.0, intensity_noise=0.1, intensity_dropout=0.2,
    mix="mix3d", mix_probability=0.3,
)  # fmt: skip
"""Every augmentation of the sensor, strong enough to be seen in a test."""
