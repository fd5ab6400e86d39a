"""Mix the clouds of a batch. Points stay in their rows, so pairs and labels stay valid."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from clip2scene_core.config.augmentation import SensorAugmentationConfig

_SECTOR_RAD: Final = (math.pi / 3, math.pi)


def mix_clouds(
    points: Tensor,
    batch_index: Tensor,
    config: SensorAugmentationConfig,
    generator: torch.Generator,
) -> Tensor:
    """Draw pairs of clouds, and mix each pair with the config's probability.

    No cloud is in two pairs. "mix3d" joins both to one cloud. "polarmix" swaps the points in a
    random azimuth sector of 60 to 180 degrees.

    Args:
        points: (N, 4) float32: x, y, z in metres, the origin near the sensor, intensity.
        batch_index: (N,) int64, the cloud of each point.
        config: Kind and probability.
        generator: Random generator, on the CPU. With "none" it is not used.

    Returns:
        (N,) int64, the new cloud of each point; after "mix3d" some numbers have no point.

    Source: Mix3D (Nekrasov et al., 3DV 2021); the scene-level swap of PolarMix (Xiao et al.,
    NeurIPS 2022).
    """
    if config.mix == "none":
        return batch_index
    clouds = torch.unique(batch_index).cpu()
    clouds = clouds[torch.randperm(len(clouds), generator=generator)]
    mixed = batch_index.clone()
    for one, other in clouds[: len(clouds) // 2 * 2].reshape(-1, 2).tolist():
        if float(torch.rand((), generator=generator)) >= config.mix_probability:
            continue
        is_one, is_other = batch_index == one, batch_index == other
        if config.mix == "polarmix":
            is_inside = _is_in_a_sector(points, generator)
            mixed[is_one & is_inside] = other
            mixed[is_other & is_inside] = one
        else:
            mixed[is_other] = one
    return mixed


def _is_in_a_sector(points: Tensor, generator: torch.Generator) -> Tensor:
    """Draw an azimuth sector and tell which points (N, 4) are inside: (N,) bool."""
    start, width = torch.rand(2, generator=generator).tolist()
    narrowest, widest = _SECTOR_RAD
    azimuth_rad = torch.atan2(points[:, 1], points[:, 0])
    from_start = (azimuth_rad - start * 2 * math.pi) % (2 * math.pi)
    is_inside: Tensor = from_start < narrowest + width * (widest - narrowest)
    return is_inside
