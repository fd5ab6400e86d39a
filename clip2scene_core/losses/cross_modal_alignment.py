"""Alignment of point and pixel features: by the prototypes of classes, and by image patches.

Both losses are our reconstruction of the module MCFA of "Transferring CLIP's Knowledge into
Zero-Shot Point Cloud Semantic Segmentation" (ACM MM 2023, arXiv 2312.07221). Neither its code nor
its formulas were at hand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.checks import (
    check_label_range,
    check_one_per_point,
    check_temperature,
)


def class_prototype_loss(
    point_features: Tensor,
    point_labels: Tensor,
    pixel_features: Tensor,
    pixel_labels: Tensor,
    num_classes: int,
    temperature: float,
) -> Tensor:
    """Contrast the prototypes of classes: the global, semantic side of MCFA.

    The prototype of a class is the mean of the unit features of its points (3D) or of its pixels
    (2D), scaled to unit length. The two prototypes of a class are drawn together, those of
    different classes are pushed apart, by InfoNCE from 3D to 2D and from 2D to 3D.

    Args:
        point_features: (P, D) float, any length; P may be 0.
        point_labels: (P,) int64 in [0, num_classes), or 255 for points without a label.
        pixel_features: (Q, D) float, any length; the frozen teacher's.
        pixel_labels: (Q,) int64 in [0, num_classes), or 255 for pixels without a label.
        num_classes: Number of classes.
        temperature: Positive.

    Returns:
        Scalar, the mean over both directions and over the classes that points and pixels have; 0,
        with a gradient path, if there is no such class.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: arXiv 2312.07221, class prototype loss; our reconstruction.
    """
    _check_sides(point_features, pixel_features)
    for name, labels, features in (
        ("point_labels", point_labels, point_features),
        ("pixel_labels", pixel_labels, pixel_features),
    ):
        check_one_per_point(name, labels, len(features))
        check_label_range(name, labels, num_classes)
    points, num_points = _sum_by_class(point_features, point_labels, num_classes)
    pixels, num_pixels = _sum_by_class(pixel_features, pixel_labels, num_classes)
    is_in_both = (num_points > 0) & (num_pixels > 0)
    return _symmetric_info_nce(
        F.normalize(points[is_in_both], dim=1), F.normalize(pixels[is_in_both], dim=1), temperature
    )


def patch_feature_loss(
    point_features: Tensor,
    patch_index: Tensor,
    patch_features: Tensor,
    max_patches: int,
    temperature: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Contrast image patches: the local, positional side of MCFA.

    The mean of the unit features of the points on a patch, scaled to unit length, is compared with
    the feature of the patch, by InfoNCE in both directions.

    Args:
        point_features: (P, D) float, any length; P may be 0.
        patch_index: (P,) int64 in [0, Q), the patch of each point.
        patch_features: (Q, D) float, any length; the frozen teacher's.
        max_patches: If more patches have points, so many of them are drawn, without replacement.
            The logits take max_patches ** 2 numbers.
        temperature: Positive.
        generator: Random generator; torch's default generator if None.

    Returns:
        Scalar, the mean over both directions and over the patches that have points; 0, with a
        gradient path, if there is no such patch.

    Raises:
        ValueError: If shapes do not fit, a patch is out of range, or temperature or max_patches is
            not positive.

    Source: arXiv 2312.07221, patch feature loss; our reconstruction.
    """
    _check_sides(point_features, patch_features)
    check_one_per_point("patch_index", patch_index, len(point_features))
    num_patches = len(patch_features)
    if len(patch_index) and not 0 <= int(patch_index.min()) <= int(patch_index.max()) < num_patches:
        raise ValueError(
            f"patch_index must be in [0, {num_patches}), got {int(patch_index.min())} to "
            f"{int(patch_index.max())}"
        )
    if max_patches < 1:
        raise ValueError(f"max_patches must be at least 1, got {max_patches}")
    occupied = torch.unique(patch_index)
    if len(occupied) > max_patches:
        device = generator.device if generator is not None else occupied.device
        order = torch.randperm(len(occupied), generator=generator, device=device)
        occupied = occupied[order[:max_patches].to(occupied.device)]
    sums = _sum_by_group(point_features, patch_index, num_patches)
    return _symmetric_info_nce(
        F.normalize(sums[occupied], dim=1),
        F.normalize(patch_features[occupied], dim=1),
        temperature,
    )


def _sum_by_class(features: Tensor, labels: Tensor, num_classes: int) -> tuple[Tensor, Tensor]:
    """Add up the unit features of labelled rows by class: (C, D), and count them: (C,) int64."""
    is_labelled = labels != IGNORE_LABEL
    features, labels = features[is_labelled], labels[is_labelled]
    counts = torch.bincount(labels, minlength=num_classes)
    return _sum_by_group(features, labels, num_classes), counts


def _sum_by_group(features: Tensor, groups: Tensor, num_groups: int) -> Tensor:
    """Add up unit features (P, D) by group (P,) int64: (G, D), 0 for a group without members."""
    unit = F.normalize(features, dim=1)
    return unit.new_zeros(num_groups, features.shape[1]).index_add(0, groups, unit)


def _symmetric_info_nce(points: Tensor, pixels: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of rows over rows of the other side, in both directions; row i fits row i."""
    check_temperature(temperature)
    logits = points @ pixels.T / temperature  # (N, N)
    both_ways = logits.logsumexp(dim=1) + logits.logsumexp(dim=0)
    return (both_ways / 2 - logits.diagonal()).sum() / max(len(points), 1)


def _check_sides(point_features: Tensor, pixel_features: Tensor) -> None:
    if (
        point_features.ndim != 2
        or pixel_features.ndim != 2
        or point_features.shape[1] != pixel_features.shape[1]
    ):
        raise ValueError(
            f"features of both sides must be (P, D) and (Q, D), got "
            f"{tuple(point_features.shape)} and {tuple(pixel_features.shape)}"
        )
