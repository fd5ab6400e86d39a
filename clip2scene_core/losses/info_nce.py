"""InfoNCE: a contrastive loss between points and pixels, for the baselines PPKT and SLidR."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.losses.checks import check_temperature


def ppkt_loss(
    point_embeddings: Tensor,
    pixel_embeddings: Tensor,
    num_pairs: int,
    temperature: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Contrast random pairs of a point and the pixel that it projects to.

    Args:
        point_embeddings: (P, D) float, scaled to unit length here; P may be 0.
        pixel_embeddings: (P, D) float, scaled to unit length here.
        num_pairs: Number of pairs to draw, without replacement; all pairs if P is smaller. 4,096
            in CLIP2Scene's comparison. The logits take num_pairs ** 2 numbers.
        temperature: Positive.
        generator: Random generator; torch's default generator if None.

    Returns:
        Scalar, the mean over the drawn pairs; 0, with a gradient path, if there is no pair.

    Raises:
        ValueError: If shapes do not fit, or temperature or num_pairs is not positive.

    Source: PPKT (arXiv 2104.04687).
    """
    _check_pair(point_embeddings, pixel_embeddings)
    if num_pairs < 1:
        raise ValueError(f"num_pairs must be at least 1, got {num_pairs}")
    device = generator.device if generator is not None else point_embeddings.device
    order = torch.randperm(len(point_embeddings), generator=generator, device=device)
    drawn = order[:num_pairs].to(point_embeddings.device)
    points = F.normalize(point_embeddings[drawn], dim=1)
    pixels = F.normalize(pixel_embeddings[drawn], dim=1)
    return info_nce_loss(points, pixels, temperature)


def slidr_loss(
    point_embeddings: Tensor,
    point_superpixels: Tensor,
    pixel_embeddings: Tensor,
    pixel_superpixels: Tensor,
    temperature: float,
) -> Tensor:
    """Contrast superpixels: the mean of their points with the mean of their pixels.

    Embeddings are scaled to unit length before the mean, not after it. So a superpixel whose
    members disagree has a smaller weight. Superpixels without points or without pixels are left
    out.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        point_superpixels: (P,) int64, number of the superpixel of each point, from 0. Different
            images have different numbers, with few gaps: memory grows with the largest number.
        pixel_embeddings: (Q, D) float, all pixels of the superpixels or those with a point.
        pixel_superpixels: (Q,) int64, number of the superpixel of each pixel.
        temperature: Positive; 0.07 in SLidR.

    Returns:
        Scalar, the mean over superpixels; 0, with a gradient path, if there is no superpixel.

    Raises:
        ValueError: If shapes do not fit, a superpixel is negative or temperature is not positive.

    Source: SLidR (CVPR 2022).
    """
    _check_superpixels("point", point_embeddings, point_superpixels)
    _check_superpixels("pixel", pixel_embeddings, pixel_superpixels)
    num_superpixels = 1 + max(
        (int(numbers.max()) for numbers in (point_superpixels, pixel_superpixels) if len(numbers)),
        default=-1,
    )
    num_points = torch.bincount(point_superpixels, minlength=num_superpixels)
    num_pixels = torch.bincount(pixel_superpixels, minlength=num_superpixels)
    takes_part = (num_points > 0) & (num_pixels > 0)
    points = _mean_by_superpixel(point_embeddings, point_superpixels, num_points)
    pixels = _mean_by_superpixel(pixel_embeddings, pixel_superpixels, num_pixels)
    return info_nce_loss(points[takes_part], pixels[takes_part], temperature)


def info_nce_loss(queries: Tensor, keys: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of each query over all keys; key i is the right one for query i.

    Args:
        queries: (N, D) float, not scaled here; N may be 0.
        keys: (N, D) float; row i is the positive of query i, all other rows are its negatives.
        temperature: Positive.

    Returns:
        Scalar, the mean over queries; 0, with a gradient path, if there is no query.

    Raises:
        ValueError: If shapes do not fit or temperature is not positive.
    """
    _check_pair(queries, keys)
    check_temperature(temperature)
    logits = queries @ keys.T / temperature  # (N, N)
    return (logits.logsumexp(dim=1) - logits.diagonal()).sum() / max(len(queries), 1)


def _mean_by_superpixel(embeddings: Tensor, superpixels: Tensor, num_members: Tensor) -> Tensor:
    """Average unit embeddings by superpixel: (S, D), 0 for a superpixel without members."""
    embeddings = F.normalize(embeddings, dim=1)
    sums = embeddings.new_zeros(len(num_members), embeddings.shape[1])
    sums = sums.index_add(0, superpixels, embeddings)
    return sums / num_members.clamp(min=1)[:, None]


def _check_pair(queries: Tensor, keys: Tensor) -> None:
    if queries.ndim != 2 or keys.shape != queries.shape:
        raise ValueError(
            f"embeddings of both sides must be (N, D) and of one shape, got "
            f"{tuple(queries.shape)} and {tuple(keys.shape)}"
        )


def _check_superpixels(side: str, embeddings: Tensor, superpixels: Tensor) -> None:
    if embeddings.ndim != 2 or superpixels.shape != embeddings.shape[:1]:
        raise ValueError(
            f"{side}_embeddings must be (N, D) and {side}_superpixels (N,), got "
            f"{tuple(embeddings.shape)} and {tuple(superpixels.shape)}"
        )
    if len(superpixels) and int(superpixels.min()) < 0:
        raise ValueError(
            f"{side}_superpixels must be 0 or more, got {int(superpixels.min())}; leave out what "
            "falls on none"
        )
