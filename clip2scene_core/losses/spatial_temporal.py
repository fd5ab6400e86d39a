"""Spatial-temporal consistency: the points of one grid learn the centre of its features.

A pair is a pixel and a point of any sweep that projects to it. A grid (the paper's word) is a small
cube of space; it holds the pairs of all sweeps in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.checks import check_one_per_point, check_points_and_texts


def spatial_temporal_consistency_loss(
    point_embeddings: Tensor,
    pixel_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    grid_index: Tensor,
    temperature: float,
    *,
    normalize: bool = False,
    detach_centers: bool = False,
) -> Tensor:
    """Pull every point to the centre of its grid, a weighted mean of the grid's pixels and points.

    The loss is the sum over pairs of 1 - sigmoid(point . centre of its grid), divided by the number
    of grids. As published, embeddings are not scaled to unit length, so longer embeddings can lower
    the loss without a better agreement (see `normalize`). And centres also move towards points (see
    `detach_centers`).

    Args:
        point_embeddings: (P, D) float, from the spatial head; P may be 0.
        pixel_embeddings: (P, D) float, of the pixel that each point projects to.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), the label of the keyframe's pixel, or 255 for pairs
            that are left out.
        grid_index: (P,) int64, number of the grid of each pair; any numbers.
        temperature: Positive; 1 in the paper.
        normalize: Whether points, pixels, texts and centres are scaled to unit length, so that all
            products are cosines. The loss of a pair is then between 0.27 (all agree) and 0.73.
        detach_centers: Whether no gradient flows through the centres, so that only points move.

    Returns:
        Scalar; 0, with a gradient path, if all pairs are left out.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: CLIP2Scene (CVPR 2023), Eq. (2)-(4).
    """
    check_points_and_texts(point_embeddings, text_embeddings, pseudo_labels, temperature)
    check_one_per_point("grid_index", grid_index, len(point_embeddings))
    if pixel_embeddings.shape != point_embeddings.shape:
        raise ValueError(
            f"pixel_embeddings must be {tuple(point_embeddings.shape)} like those of the points, "
            f"got {tuple(pixel_embeddings.shape)}"
        )
    if normalize:
        point_embeddings = F.normalize(point_embeddings, dim=1)
        pixel_embeddings = F.normalize(pixel_embeddings, dim=1)
        text_embeddings = F.normalize(text_embeddings, dim=1)
    takes_part = pseudo_labels != IGNORE_LABEL
    points, pixels = point_embeddings[takes_part], pixel_embeddings[takes_part]
    labels = pseudo_labels[takes_part]
    grids, grid_index = torch.unique(grid_index[takes_part], return_inverse=True)
    centers = fuse_grids(points, pixels, text_embeddings, labels, grid_index, temperature)
    if normalize:
        centers = F.normalize(centers, dim=1)
    if detach_centers:
        centers = centers.detach()
    products = (points * centers[grid_index]).sum(dim=1)  # (P,)
    return torch.sigmoid(-products).sum() / max(len(grids), 1)


def fuse_grids(
    point_embeddings: Tensor,
    pixel_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    grid_index: Tensor,
    temperature: float,
) -> Tensor:
    """Average the pixels and points of each grid, weighted by their similarity to their text.

    The weights of a grid with n pairs are one softmax over its 2 * n products embedding . text /
    temperature. The text is that of the pair's label.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        pixel_embeddings: (P, D) float.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C).
        grid_index: (P,) int64 in [0, G), the grid of each pair; G is the largest number plus 1.
        temperature: Positive.

    Returns:
        (G, D) float, the centre of each grid; 0 for a grid without pairs.

    Source: CLIP2Scene (CVPR 2023), Eq. (3) and (4).
    """
    num_grids = int(grid_index.max()) + 1 if len(grid_index) else 0
    embeddings = torch.cat([pixel_embeddings, point_embeddings])  # (2P, D)
    grid_index = torch.cat([grid_index, grid_index])
    labels = torch.cat([pseudo_labels, pseudo_labels])
    scores = _products_with_texts(embeddings, text_embeddings, labels) / temperature
    return _attend(embeddings, scores, grid_index, num_grids)


def official_spatial_temporal_loss(
    point_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    grid_index: Tensor,
    temperature: float,
    max_pairs: int = 8,
) -> Tensor:
    """Pull points to the centres of their grids as the official code does.

    It differs from `spatial_temporal_consistency_loss` in five points, called D4 to D8:

    - D4: The centre is a weighted mean of points only; pixel embeddings are not used.
    - D5: So the softmax is over the points of a grid.
    - D6: All pairs of a grid use the text of its first pair.
    - D7: Only the first `max_pairs` pairs of a grid are used.
    - D8: A grid with fewer pairs is padded with zeros, each with a loss of 0.5, and the loss is the
      mean over grids * `max_pairs`.

    "First" means the order of the arguments; the sort of the official code is not stable. The
    official code also leaves out points and grids whose scores are exactly 0, because it cannot
    distinguish them from padding.

    Args:
        point_embeddings: (P, D) float, from the spatial head; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for pairs that are left out.
        grid_index: (P,) int64, number of the grid of each pair; any numbers.
        temperature: Positive; 1 in the official code.
        max_pairs: At least 1; 8 in the official code.

    Returns:
        Scalar; 0, with a gradient path, if all pairs are left out.

    Raises:
        ValueError: If shapes do not fit, a label is out of range, temperature is not positive or
            max_pairs is less than 1.

    Source: the official code of CLIP2Scene (CVPR 2023).
    """
    check_points_and_texts(point_embeddings, text_embeddings, pseudo_labels, temperature)
    check_one_per_point("grid_index", grid_index, len(point_embeddings))
    if max_pairs < 1:
        raise ValueError(f"max_pairs must be at least 1, got {max_pairs}")
    takes_part = (pseudo_labels != IGNORE_LABEL).nonzero()[:, 0]
    grids, grid_index, num_pairs = torch.unique(
        grid_index[takes_part], return_inverse=True, return_counts=True
    )
    order = torch.argsort(grid_index, stable=True)
    starts = num_pairs.cumsum(0) - num_pairs  # (G,) places in order
    place_in_grid = torch.arange(len(order), device=order.device) - starts[grid_index[order]]
    kept = order[place_in_grid < max_pairs]
    grid_labels = pseudo_labels[takes_part[order[starts]]]  # (G,)
    points, grid_index = point_embeddings[takes_part[kept]], grid_index[kept]
    scores = _products_with_texts(points, text_embeddings, grid_labels[grid_index]) / temperature
    centers = _attend(points, scores, grid_index, len(grids))
    products = (points * centers[grid_index]).sum(dim=1)
    num_slots = len(grids) * max_pairs
    padding = 0.5 * (num_slots - len(kept))
    return (torch.sigmoid(-products).sum() + padding) / max(num_slots, 1)


def _products_with_texts(embeddings: Tensor, text_embeddings: Tensor, labels: Tensor) -> Tensor:
    """Dot products (E,) of embeddings (E, D) with the texts of their labels."""
    # All (E, C) products take less memory than an (E, D) tensor of the texts.
    return (embeddings @ text_embeddings.T).gather(1, labels[:, None])[:, 0]


def _attend(embeddings: Tensor, scores: Tensor, grid_index: Tensor, num_grids: int) -> Tensor:
    """Sum (E, D) embeddings by grid, weighted by the softmax of their (E,) scores: (G, D)."""
    # A shift of the scores does not change a softmax, so the maximum needs no gradient.
    largest = scores.new_full((num_grids,), -torch.inf)
    largest = largest.scatter_reduce(0, grid_index, scores.detach(), "amax")
    weights = torch.exp(scores - largest[grid_index])
    totals = weights.new_zeros(num_grids).index_add(0, grid_index, weights)
    weighted = (weights / totals[grid_index])[:, None] * embeddings
    return weighted.new_zeros(num_grids, embeddings.shape[1]).index_add(0, grid_index, weighted)
