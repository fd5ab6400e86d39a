"""Switchable self-training: labels of pixels give way, now and then, to the student's own."""

from __future__ import annotations

import torch
from torch import Tensor

from clip2scene_core.config_sections import SwitchingConfig
from clip2scene_core.training.batch import PretrainBatch
from clip2scene_core.training.pseudo_labels import Labels


def is_switching(config: SwitchingConfig, epoch: int) -> bool:
    """Tell whether labels may be switched in an epoch, counted from 0."""
    return config.granularity != "none" and epoch >= config.start_epoch


def switch_labels(
    by_teacher: Labels,
    own: Tensor,
    own_confidences: Tensor,
    batch: PretrainBatch,
    config: SwitchingConfig,
    generator: torch.Generator,
) -> Labels:
    """Take each label from the teacher or from the student itself, by the toss of a coin.

    Args:
        by_teacher: Of P pairs and other points.
        own: (N,) int64, the class of every point by the student or its moving average.
        own_confidences: (N,) float, of these.
        batch: N points, P pairs.
        config: How often, and what one toss decides for; with `unseen_points`, points without any
            other label take their own.
        generator: Source of chance, on the CPU.

    Source: CLIP2Scene (CVPR 2023), section 3.2.4; the paper's code tosses once for a batch.
    """
    is_own = toss(batch.sample_index, config, generator)
    of_pairs = torch.where(is_own, own[batch.point_index], by_teacher.of_pairs)
    num_pairs = len(of_pairs)
    of_others = by_teacher.confidences[num_pairs:]
    confidences = torch.where(
        is_own, own_confidences[batch.point_index], by_teacher.confidences[:num_pairs]
    )
    unseen, of_unseen = by_teacher.unseen, by_teacher.of_unseen
    if config.unseen_points:
        is_nameless = torch.ones(len(own), dtype=torch.bool, device=own.device)
        is_nameless[batch.point_index] = is_nameless[unseen] = False
        nameless = is_nameless.nonzero()[:, 0]
        unseen = torch.cat([unseen, nameless])
        of_unseen = torch.cat([of_unseen, own[nameless]])
        of_others = torch.cat([of_others, own_confidences[nameless]])
    return Labels(of_pairs, unseen, of_unseen, torch.cat([confidences, of_others]))


def toss(sample_index: Tensor, config: SwitchingConfig, generator: torch.Generator) -> Tensor:
    """Toss the coin for every pair: sample_index (P,) int64, its keyframe -> (P,) bool."""
    num_samples = int(sample_index.max()) + 1 if len(sample_index) else 0
    num_tosses = {"batch": 1, "sample": num_samples, "point": len(sample_index)}
    tosses = torch.rand(num_tosses[config.granularity], generator=generator) < config.probability
    tosses = tosses.to(sample_index.device)
    if config.granularity == "batch":
        return tosses.expand(len(sample_index))
    return tosses[sample_index] if config.granularity == "sample" else tosses
