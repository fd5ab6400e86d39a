"""Switchable self-training: labels of pixels give way, now and then, to the student's own."""

from __future__ import annotations

import torch
from torch import Tensor

from clip2scene_core.config_sections import SwitchingConfig


def is_switching(config: SwitchingConfig, epoch: int) -> bool:
    """Tell whether labels may be switched in an epoch, counted from 0."""
    return config.granularity != "none" and epoch >= config.start_epoch


def switch_labels(
    pixel_labels: Tensor,
    own_labels: Tensor,
    sample_index: Tensor,
    config: SwitchingConfig,
    generator: torch.Generator,
) -> Tensor:
    """Take each label from the pixel or from the student itself, by the toss of a coin.

    Args:
        pixel_labels: (P,) int64, the teacher's.
        own_labels: (P,) int64, the student's, or its moving average's.
        sample_index: (P,) int64, the keyframe of each pair.
        config: How often, and what one toss decides for.
        generator: Source of chance, on the CPU.

    Returns:
        (P,) int64.

    Source: CLIP2Scene (CVPR 2023), section 3.2.4; the paper's code tosses once for a batch.
    """
    num_samples = int(sample_index.max()) + 1 if len(sample_index) else 0
    num_tosses = {"batch": 1, "sample": num_samples, "point": len(pixel_labels)}
    tosses = torch.rand(num_tosses[config.granularity], generator=generator) < config.probability
    tosses = tosses.to(pixel_labels.device)
    if config.granularity == "batch":
        tosses = tosses.expand(len(pixel_labels))
    elif config.granularity == "sample":
        tosses = tosses[sample_index]
    return torch.where(tosses, own_labels, pixel_labels)
