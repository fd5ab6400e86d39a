"""Spatial-temporal consistency: points of one grid are drawn to what the grid's features agree on.

A pair is a pixel and a point of any sweep that falls on it; a grid is a small cube of space, and
holds the pairs of all sweeps in it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL


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
    """Draw every point to the centre of its grid, a mixture of the grid's pixels and points.

    The sum over pairs of 1 - sigmoid(point . centre of its grid), divided by the number of grids.
    As published, embeddings are taken at their length: where products are positive, longer ones
    lower the loss without agreeing better. And centres move towards points as points do towards
    them. The two options end that.

    Args:
        point_embeddings: (P, D) float, of the spatial head; P may be 0.
        pixel_embeddings: (P, D) float, of the pixel that each point falls on.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), the label of the key frame's pixel, or 255 for pairs
            that take no part.
        grid_index: (P,) int64, any number that all pairs of a grid share and no other pair has.
        temperature: Positive; 1 in the paper.
        normalize: Whether points, pixels, texts and centres are brought to unit length, so that all
            products are cosines. A pair then costs between 0.27 (all agree) and 0.73.
        detach_centers: Whether centres are taken as given, so that points alone move.

    Returns:
        Scalar; 0, with a gradient path, if no pair takes part.

    Raises:
        ValueError: If shapes do not fit, a label is out of range or temperature is not positive.

    Source: CLIP2Scene (CVPR 2023), Eq. (2)-(4).
    """
    _check(point_embeddings, text_embeddings, pseudo_labels, grid_index, temperature)
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
    """Mix the pixels and points of each grid, by how well each fits the text of its pair.

    The weights are one softmax over all 2 * n products embedding . text / temperature of a grid
    with n pairs.

    Args:
        point_embeddings: (P, D) float; P may be 0.
        pixel_embeddings: (P, D) float.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C).
        grid_index: (P,) int64 in [0, G), the grid of each pair; G is the largest one plus 1.
        temperature: Positive.

    Returns:
        The centre of each grid, (G, D) float; 0 for a grid without pairs.

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
    """Draw points to the centres of their grids the way the official code does.

    It differs from `spatial_temporal_consistency_loss` in five places, known as D4 to D8:

    - D4: The centre is a mixture of points alone; pixel embeddings are not read.
    - D5: So the softmax runs over the points of a grid.
    - D6: The text of a grid's first pair stands for the whole grid.
    - D7: The first `max_pairs` pairs of a grid take part, the others are dropped.
    - D8: A grid with fewer is filled up with zeros, which cost 0.5 each, and the loss is the mean
      over grids * `max_pairs`.

    "First" is the order of the arguments; the official code sorts them in no stable way. It also
    leaves out points, and grids, whose scores are exactly 0, to tell them from filling; here
    filling is told by its place.

    Args:
        point_embeddings: (P, D) float, of the spatial head; P may be 0.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C), or 255 for pairs that take no part.
        grid_index: (P,) int64, any number that all pairs of a grid share and no other pair has.
        temperature: Positive; 1 in the official code.
        max_pairs: At least 1; 8 in the official code.

    Returns:
        Scalar; 0, with a gradient path, if no pair takes part.

    Raises:
        ValueError: If shapes do not fit, a label is out of range, temperature is not positive or
            max_pairs is less than 1.

    Source: the official code of CLIP2Scene (CVPR 2023).
    """
    _check(point_embeddings, text_embeddings, pseudo_labels, grid_index, temperature)
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
    filling = 0.5 * (num_slots - len(kept))
    return (torch.sigmoid(-products).sum() + filling) / max(num_slots, 1)


def _products_with_texts(embeddings: Tensor, text_embeddings: Tensor, labels: Tensor) -> Tensor:
    """Multiply each of (E, D) embeddings with the text of its label: (E,)."""
    # All (E, C) products take less memory than the (E, D) texts of all embeddings.
    return (embeddings @ text_embeddings.T).gather(1, labels[:, None])[:, 0]


def _attend(embeddings: Tensor, scores: Tensor, grid_index: Tensor, num_grids: int) -> Tensor:
    """Sum (E, D) embeddings by grid, weighted by the softmax of their (E,) scores: (G, D)."""
    # A softmax does not change when its scores are shifted, so no gradient need pass the maximum.
    largest = scores.new_full((num_grids,), -torch.inf)
    largest = largest.scatter_reduce(0, grid_index, scores.detach(), "amax")
    weights = torch.exp(scores - largest[grid_index])
    totals = weights.new_zeros(num_grids).index_add(0, grid_index, weights)
    weighted = (weights / totals[grid_index])[:, None] * embeddings
    return weighted.new_zeros(num_grids, embeddings.shape[1]).index_add(0, grid_index, weighted)


def _check(
    point_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    grid_index: Tensor,
    temperature: float,
) -> None:
    if point_embeddings.ndim != 2 or text_embeddings.ndim != 2:
        raise ValueError(
            f"embeddings must be (P, D) and (C, D), got {tuple(point_embeddings.shape)} "
            f"and {tuple(text_embeddings.shape)}"
        )
    num_pairs, size = point_embeddings.shape
    if size != text_embeddings.shape[1]:
        raise ValueError(
            f"points have {size} numbers per embedding, texts {text_embeddings.shape[1]}; the head "
            "must have the size of the text embeddings"
        )
    for name, numbers in {"pseudo_labels": pseudo_labels, "grid_index": grid_index}.items():
        if numbers.shape != (num_pairs,):
            raise ValueError(
                f"{name} must be ({num_pairs},) like the points, got {tuple(numbers.shape)}"
            )
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    labels = pseudo_labels[pseudo_labels != IGNORE_LABEL]
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(text_embeddings):
        raise ValueError(
            f"pseudo_labels must be in [0, {len(text_embeddings)}) or {IGNORE_LABEL}, got "
            f"{int(labels.min())} to {int(labels.max())}"
        )
