"""InfoNCE: each pixel is told from all others by its point; the baselines PPKT and SLidR."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def ppkt_loss(
    point_embeddings: Tensor,
    pixel_embeddings: Tensor,
    num_pairs: int,
    temperature: float,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Contrast random pairs of a point and the pixel it falls on.

    Args:
        point_embeddings: (P, D) float, brought to unit length here; P may be 0.
        pixel_embeddings: (P, D) float, brought to unit length here.
        num_pairs: Pairs to draw, without replacement; all are taken if there are not more. 4,096
            in CLIP2Scene's comparison. The logits take num_pairs ** 2 numbers.
        temperature: Positive.
        generator: Source of chance; torch's own by default.

    Returns:
        Scalar, the mean over the drawn pairs; 0, with a gradient path, if there is none.

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
    """Contrast superpixels: the mean of the points on each with the mean of its pixels.

    Embeddings are brought to unit length before they are averaged, not after, so a superpixel
    whose members disagree weighs less. Superpixels without a point or without a pixel take no part.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        point_superpixels: (P,) int64 from 0, the superpixel that each point falls on. Numbers of
            different images differ, and leave few gaps: memory grows with the largest.
        pixel_embeddings: (Q, D) float, all pixels of the superpixels or those with a point.
        pixel_superpixels: (Q,) int64, the superpixel of each pixel.
        temperature: Positive; 0.07 in SLidR.

    Returns:
        Scalar, the mean over superpixels; 0, with a gradient path, if none takes part.

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
    """Cross-entropy of each query over all keys, its own being the right one.

    Args:
        queries: (N, D) float, taken at their length; N may be 0.
        keys: (N, D) float; row i belongs to query i, all other rows are its negatives.
        temperature: Positive.

    Returns:
        Scalar, the mean over queries; 0, with a gradient path, if there is none.

    Raises:
        ValueError: If shapes do not fit or temperature is not positive.
    """
    _check_pair(queries, keys)
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    logits = queries @ keys.T / temperature  # (N, N)
    return (logits.logsumexp(dim=1) - logits.diagonal()).sum() / max(len(queries), 1)


def _mean_by_superpixel(embeddings: Tensor, superpixels: Tensor, num_members: Tensor) -> Tensor:
    """Average unit embeddings by superpixel: (S, D), 0 where there is none."""
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
