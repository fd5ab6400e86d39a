from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.losses.cross_modal_alignment import class_prototype_loss, patch_feature_loss

GENERATOR = torch.Generator().manual_seed(0)


def random_features(count: int) -> Tensor:
    return torch.randn(count, 4, generator=GENERATOR, dtype=torch.float64).requires_grad_()


def unit(vector: list[float]) -> list[float]:
    length = math.sqrt(sum(x * x for x in vector))
    return [x / length for x in vector]


def mean_direction(rows: list[list[float]]) -> list[float]:
    units = [unit(row) for row in rows]
    return unit([sum(column) / len(units) for column in zip(*units, strict=True)])


def symmetric_by_loop(ours: list[list[float]], theirs: list[list[float]], tau: float) -> float:
    def one_way(queries, keys):
        total = 0.0
        for i, query in enumerate(queries):
            dots = [sum(a * b for a, b in zip(query, key, strict=True)) for key in keys]
            terms = [math.exp(dot / tau) for dot in dots]
            total -= math.log(terms[i] / sum(terms))
        return total / len(queries)

    return (one_way(ours, theirs) + one_way(theirs, ours)) / 2


def prototypes_by_loop(features: Tensor, labels: Tensor) -> dict[int, list[float]]:
    rows: dict[int, list[list[float]]] = {}
    for feature, label in zip(features.tolist(), labels.tolist(), strict=True):
        rows.setdefault(label, []).append(feature)
    return {label: mean_direction(members) for label, members in rows.items()}


def random_classes() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Points have the classes 0 to 3 and none, pixels 1 to 4 and none."""
    points, pixels = random_features(24), random_features(15)
    point_labels = torch.tensor([0, 1, 2, 3, IGNORE_LABEL, 3] * 4)
    pixel_labels = torch.tensor([1, 2, 3, 4, IGNORE_LABEL] * 3)
    return points, point_labels, pixels, pixel_labels


def test_prototypes_equal_a_naive_loop():
    points, point_labels, pixels, pixel_labels = random_classes()
    loss = class_prototype_loss(points, point_labels, pixels, pixel_labels, 6, 0.3)
    ours = prototypes_by_loop(points, point_labels)
    theirs = prototypes_by_loop(pixels, pixel_labels)
    both = (1, 2, 3)
    expected = symmetric_by_loop([ours[c] for c in both], [theirs[c] for c in both], 0.3)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_prototypes_by_hand():
    points = torch.tensor([[2.0, 0.0], [0.0, 3.0]])
    labels = torch.tensor([0, 1])
    loss = class_prototype_loss(points, labels, torch.eye(2), labels, 2, 0.5)
    # Prototypes are the axes: every row has the cosines 1 and 0, in both directions.
    assert loss.item() == pytest.approx(math.log(1 + math.exp(-2)))
    swapped = class_prototype_loss(points, labels, torch.eye(2).flip(0), labels, 2, 0.5)
    assert swapped.item() == pytest.approx(math.log(1 + math.exp(2)))


def test_the_gradients_of_prototypes_are_those_of_finite_differences():
    points, point_labels, pixels, pixel_labels = random_classes()

    def loss(points: Tensor, pixels: Tensor) -> Tensor:
        return class_prototype_loss(points, point_labels, pixels, pixel_labels, 6, 0.3)

    assert torch.autograd.gradcheck(loss, (points, pixels))


def test_points_without_a_label_get_no_gradient_from_prototypes():
    points, point_labels, pixels, pixel_labels = random_classes()
    class_prototype_loss(points, point_labels, pixels, pixel_labels, 6, 0.3).backward()
    assert points.grad is not None
    is_moved = points.grad.abs().sum(dim=1) > 0
    # Class 0 has no pixel.
    assert is_moved.tolist() == [label in (1, 2, 3) for label in point_labels.tolist()]


def random_patches() -> tuple[Tensor, Tensor, Tensor]:
    """300 patches; six have points, 255 is one of them."""
    patch_index = torch.tensor([0, 7, 255, 255, 299, 8, 31, 7, 0, 0])
    return random_features(10), patch_index, random_features(300)


def test_patches_equal_a_naive_loop():
    points, patch_index, patches = random_patches()
    loss = patch_feature_loss(points, patch_index, patches, 4096, 0.3)
    ours = prototypes_by_loop(points, patch_index)
    occupied = sorted(ours)
    theirs = [unit(patches[patch].tolist()) for patch in occupied]
    expected = symmetric_by_loop([ours[patch] for patch in occupied], theirs, 0.3)
    assert len(occupied) == 6
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_the_gradients_of_patches_are_those_of_finite_differences():
    points, patch_index, patches = random_patches()

    def loss(points: Tensor, patches: Tensor) -> Tensor:
        return patch_feature_loss(points, patch_index, patches, 4096, 0.3)

    assert torch.autograd.gradcheck(loss, (points, patches))


def test_too_many_patches_are_drawn_from():
    points, patch_index, patches = random_patches()

    def moved(seed: int) -> set[int]:
        points.grad = None
        generator = torch.Generator().manual_seed(seed)
        patch_feature_loss(points, patch_index, patches, 3, 0.3, generator).backward()
        assert points.grad is not None
        return set(patch_index[points.grad.abs().sum(dim=1) > 0].tolist())

    draws = [moved(seed) for seed in range(8)]
    assert {len(draw) for draw in draws} == {3}
    assert moved(0) == draws[0]
    assert len({frozenset(draw) for draw in draws}) > 1


def test_nothing_to_compare_costs_nothing():
    points, patches = random_features(3), random_features(2)
    nothing = torch.full((3,), IGNORE_LABEL)
    losses = (
        class_prototype_loss(points, nothing, patches, torch.tensor([0, 1]), 2, 0.1),
        class_prototype_loss(points, torch.zeros(3).long(), patches, torch.ones(2).long(), 2, 0.1),
        patch_feature_loss(points[:0], nothing[:0], patches, 5, 0.1),
    )
    for loss in losses:
        assert loss.item() == 0
        loss.backward()
    assert points.grad is not None
    assert not points.grad.any()


def test_bad_arguments_are_refused():
    points, labels = torch.zeros(3, 4), torch.tensor([0, 1, 0])
    with pytest.raises(ValueError, match=r"must be \(P, D\) and \(Q, D\)"):
        class_prototype_loss(points, labels, torch.zeros(3, 5), labels, 2, 0.1)
    with pytest.raises(ValueError, match=r"pixel_labels must be \(2,\)"):
        class_prototype_loss(points, labels, points[:2], labels, 2, 0.1)
    with pytest.raises(ValueError, match=r"point_labels must be in \[0, 1\)"):
        class_prototype_loss(points, labels, points, labels, 1, 0.1)
    with pytest.raises(ValueError, match="temperature must be positive"):
        class_prototype_loss(points, labels, points, labels, 2, 0.0)
    with pytest.raises(ValueError, match=r"patch_index must be in \[0, 1\)"):
        patch_feature_loss(points, labels, points[:1], 5, 0.1)
    with pytest.raises(ValueError, match="max_patches must be at least 1"):
        patch_feature_loss(points, labels, points, 0, 0.1)
