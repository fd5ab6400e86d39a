"""Distillation: the student learns the teacher's class distributions, or its embeddings."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.losses.checks import check_temperature


def distillation_loss(student_logits: Tensor, teacher_logits: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the student's class distributions from the teacher's.

    For each point, the sum over classes of q * (log q - log p), with q = softmax(teacher logits /
    temperature) and p = softmax(student logits / temperature). The teacher is frozen: it gets no
    gradient.

    Args:
        student_logits: (P, C) float, products of point and text embeddings; P may be 0.
        teacher_logits: (P, C) float, products of pixel and text embeddings; -inf for an excluded
            class.
        temperature: Positive.

    Returns:
        Scalar, the mean over points; 0, with a gradient path, if there is no point.

    Raises:
        ValueError: If shapes do not fit or temperature is not positive.

    Source: CLIP2Scene (CVPR 2023), the ablation "KL" of table 1, which collapses.
    """
    if student_logits.ndim != 2 or teacher_logits.shape != student_logits.shape:
        raise ValueError(
            f"logits must be (P, C) and of one shape, got {tuple(student_logits.shape)} "
            f"and {tuple(teacher_logits.shape)}"
        )
    check_temperature(temperature)
    # Probabilities of the teacher, not their logarithms: a class with probability 0 adds 0.
    teacher = F.softmax(teacher_logits.detach() / temperature, dim=1)
    student = F.log_softmax(student_logits / temperature, dim=1)
    return F.kl_div(student, teacher, reduction="sum") / max(len(student_logits), 1)


def feature_distillation_loss(point_embeddings: Tensor, pixel_embeddings: Tensor) -> Tensor:
    """One minus the cosine between each point and the pixel that shows it.

    The teacher is frozen: it gets no gradient.

    Args:
        point_embeddings: (P, D) float, any length; P may be 0.
        pixel_embeddings: (P, D) float, any length.

    Returns:
        Scalar in [0, 2], the mean over points; 0, with a gradient path, if there is no point.

    Raises:
        ValueError: If shapes do not fit.

    Source: OpenScene (CVPR 2023), Eq. (1).
    """
    if point_embeddings.ndim != 2 or pixel_embeddings.shape != point_embeddings.shape:
        raise ValueError(
            f"embeddings must be (P, D) and of one shape, got {tuple(point_embeddings.shape)} "
            f"and {tuple(pixel_embeddings.shape)}"
        )
    cosines = F.cosine_similarity(point_embeddings, pixel_embeddings.detach(), dim=1)
    return (1 - cosines).sum() / max(len(cosines), 1)
