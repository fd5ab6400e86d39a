from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.losses.spatial_temporal import (
    fuse_grids,
    official_spatial_temporal_loss,
    spatial_temporal_consistency_loss,
)

# Four pairs in grids 7, 7, 7 and 3.
TEXTS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
POINTS = torch.tensor([[1.0, 0.0], [0.0, 2.0], [1.0, 1.0], [2.0, 0.0]])
PIXELS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [0.0, 1.0]])
LABELS = torch.tensor([0, 1, 0, 1])
GRIDS = torch.tensor([7, 7, 7, 3])

Problem = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def random_problem(num_pairs: int = 60, num_grids: int = 12) -> Problem:
    generator = torch.Generator().manual_seed(0)
    points, pixels = torch.randn(2, num_pairs, 5, generator=generator, dtype=torch.float64)
    texts = torch.randn(3, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (num_pairs,), generator=generator)
    # Squares crowd at 0, so some grids hold many pairs and some hold one.
    grids = torch.rand(num_pairs, generator=generator).square().mul(num_grids).long()
    return points.requires_grad_(), pixels.requires_grad_(), texts, labels, grids


def paper_by_loop(
    points: Tensor, pixels: Tensor, texts: Tensor, labels: Tensor, grids: Tensor, scale: float
) -> float:
    """Equations (2) to (4) written down one grid, one pair at a time."""
    points, pixels = points.detach(), pixels.detach()
    total = 0.0
    numbers = set(grids.tolist())
    for grid in numbers:
        members = [i for i, number in enumerate(grids.tolist()) if number == grid]
        a = [math.exp(float(pixels[i] @ texts[labels[i]]) / scale) for i in members]
        b = [math.exp(float(points[i] @ texts[labels[i]]) / scale) for i in members]
        center = sum(
            a_i * pixels[i] + b_i * points[i] for a_i, b_i, i in zip(a, b, members, strict=True)
        ) / (sum(a) + sum(b))
        total += sum(1 - 1 / (1 + math.exp(-float(points[i] @ center))) for i in members)
    return total / len(numbers)


def official_by_loop(
    points: Tensor, texts: Tensor, labels: Tensor, grids: Tensor, scale: float, size: int
) -> float:
    """The official code's loss on packages of `size` slots, filled up with zeros."""
    points = points.detach()
    slots: list[float] = []
    for grid in set(grids.tolist()):
        members = [i for i, number in enumerate(grids.tolist()) if number == grid][:size]
        text = texts[labels[members[0]]]
        weights = torch.softmax(points[members] @ text / scale, dim=0)
        center = weights @ points[members]
        package = torch.zeros(size, points.shape[1], dtype=points.dtype)
        package[: len(members)] = points[members]
        slots += (1 - torch.sigmoid(package @ center)).tolist()
    return sum(slots) / len(slots)


def test_centres_by_hand() -> None:
    centers = fuse_grids(POINTS, PIXELS, TEXTS, LABELS, torch.tensor([0, 0, 0, 2]), 1.0)
    # Products with the texts. Grid 0: pixels 0, 0, 3, points 1, 2, 1. Grid 2: pixel 1, point 0.
    e = math.e
    total = 1 + 1 + e**3 + e + e**2 + e
    first = [(1 + 3 * e**3 + e + e) / total, (2 * e**2 + e) / total]
    last = [2 / (1 + e), e / (1 + e)]
    torch.testing.assert_close(centers, torch.tensor([first, [0.0, 0.0], last]))


def test_the_loss_by_hand() -> None:
    points = torch.tensor([[2.0], [0.0], [1.0]])
    pixels = torch.tensor([[4.0], [0.0], [1.0]])
    text, labels = torch.tensor([[0.0]]), torch.tensor([0, 0, 0])
    loss = spatial_temporal_consistency_loss(
        points, pixels, text, labels, torch.tensor([0, 0, 1]), 1.0
    )
    # A text of zeros weighs all alike: the centres are (2 + 0 + 4 + 0) / 4 = 1.5 and 1.
    costs = [1 / (1 + math.exp(2 * 1.5)), 0.5, 1 / (1 + math.exp(1))]
    assert loss.item() == pytest.approx(sum(costs) / 2, rel=1e-6)


def test_lower_temperature_gives_the_centre_to_the_best_fit() -> None:
    centers = fuse_grids(POINTS, PIXELS, TEXTS, LABELS, torch.tensor([0, 0, 0, 1]), 0.01)
    torch.testing.assert_close(centers, torch.tensor([[3.0, 0.0], [0.0, 1.0]]))


@pytest.mark.parametrize("temperature", [0.5, 1.0])
def test_the_loss_equals_a_loop_over_grids(temperature: float) -> None:
    problem = random_problem()
    loss = spatial_temporal_consistency_loss(*problem, temperature)
    assert loss.item() == pytest.approx(paper_by_loop(*problem, temperature), rel=1e-9)


@pytest.mark.parametrize("size", [1, 3, 8])
def test_the_official_loss_equals_a_loop_over_grids(size: int) -> None:
    points, _, texts, labels, grids = random_problem()
    sizes = torch.bincount(grids)
    assert sizes[sizes > 0].min() < 3 < 8 < sizes.max()  # both filling and dropping happen
    loss = official_spatial_temporal_loss(points, texts, labels, grids, 0.5, size)
    expected = official_by_loop(points, texts, labels, grids, 0.5, size)
    assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_the_official_loss_by_hand() -> None:
    loss = official_spatial_temporal_loss(POINTS, TEXTS, LABELS, GRIDS, 1.0)
    # Grid 7 goes by text 0: products 1, 0, 1. Grid 3 has one point, which is its centre.
    e = math.e
    center = [(e + e) / (2 * e + 1), (2 + e) / (2 * e + 1)]
    products = [center[0], 2 * center[1], center[0] + center[1], 4.0]
    costs = [1 / (1 + math.exp(product)) for product in products]
    assert loss.item() == pytest.approx((sum(costs) + 0.5 * 12) / 16, rel=1e-6)


def test_the_official_loss_drops_what_comes_after_the_eighth() -> None:
    points = torch.randn(9, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    labels, grids = torch.zeros(9, dtype=torch.int64), torch.zeros(9, dtype=torch.int64)
    loss = official_spatial_temporal_loss(points, TEXTS, labels, grids, 1.0)
    (gradient,) = torch.autograd.grad(loss, points)
    assert gradient[8].tolist() == [0, 0]
    assert (gradient[:8].abs().sum(dim=1) > 0).all()


def test_the_official_loss_depends_on_the_order_within_a_grid() -> None:
    reverse = torch.tensor([2, 1, 0, 3])
    text_of_the_other = torch.tensor([1, 0, 2, 3])
    loss = official_spatial_temporal_loss(POINTS, TEXTS, LABELS, GRIDS, 1.0)
    same, other = (
        official_spatial_temporal_loss(POINTS[order], TEXTS, LABELS[order], GRIDS[order], 1.0)
        for order in (reverse, text_of_the_other)
    )
    torch.testing.assert_close(same, loss)
    assert abs(other.item() - loss.item()) > 1e-3


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("detach", [False, True])
def test_order_of_pairs_and_names_of_grids_do_not_matter(normalize: bool, detach: bool) -> None:
    points, pixels, texts, labels, grids = random_problem()

    def loss_and_gradients(order: Tensor, grids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        loss = spatial_temporal_consistency_loss(
            *(points[order], pixels[order], texts, labels[order], grids[order], 1.0),
            normalize=normalize,
            detach_centers=detach,
        )
        gradients = torch.autograd.grad(loss, (points, pixels), materialize_grads=True)
        return loss, *gradients

    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(points), generator=generator)
    names = torch.randint(-(2**62), 2**62, (int(grids.max()) + 1,), generator=generator)
    expected = loss_and_gradients(torch.arange(len(points)), grids)
    for value, wanted in zip(loss_and_gradients(order, names[grids]), expected, strict=True):
        torch.testing.assert_close(value, wanted)


def test_the_official_loss_does_not_depend_on_the_names_of_grids() -> None:
    points, _, texts, labels, grids = random_problem()
    names = torch.randperm(int(grids.max()) + 1, generator=torch.Generator().manual_seed(1)) * 99
    torch.testing.assert_close(
        official_spatial_temporal_loss(points, texts, labels, names[grids], 1.0),
        official_spatial_temporal_loss(points, texts, labels, grids, 1.0),
    )


@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_agree_with_finite_differences(normalize: bool) -> None:
    points, pixels, texts, labels, grids = random_problem(9, 4)
    labels[2] = 255

    def loss(points: Tensor, pixels: Tensor) -> Tensor:
        return spatial_temporal_consistency_loss(
            points, pixels, texts, labels, grids, 0.5, normalize=normalize
        )

    assert torch.autograd.gradcheck(loss, (points, pixels))


def test_gradients_of_the_official_loss_agree_with_finite_differences() -> None:
    points, _, texts, labels, grids = random_problem(9, 4)
    labels[2] = 255
    assert torch.autograd.gradcheck(
        lambda p: official_spatial_temporal_loss(p, texts, labels, grids, 0.5, 2), (points,)
    )


def test_detached_centres_leave_the_value_and_take_the_pixels_gradient() -> None:
    points, pixels, texts, labels, grids = random_problem()
    loss = spatial_temporal_consistency_loss(points, pixels, texts, labels, grids, 1.0)
    detached = spatial_temporal_consistency_loss(
        points, pixels, texts, labels, grids, 1.0, detach_centers=True
    )
    torch.testing.assert_close(detached, loss)
    assert torch.autograd.grad(loss, pixels, retain_graph=True)[0].abs().min() > 0
    assert torch.autograd.grad(detached, pixels, allow_unused=True, retain_graph=True) == (None,)
    # With the centre c given, the gradient of point p is -sigmoid(p . c) sigmoid(-p . c) c / N.
    numbers, dense = torch.unique(grids, return_inverse=True)
    centers = fuse_grids(points, pixels, texts, labels, dense, 1.0)[dense]
    agreement = torch.sigmoid((points * centers).sum(dim=1, keepdim=True))
    expected = -agreement * (1 - agreement) * centers / len(numbers)
    torch.testing.assert_close(torch.autograd.grad(detached, points)[0], expected)


def test_normalising_makes_length_worthless() -> None:
    points, pixels, texts, labels, grids = random_problem()
    points, pixels = points.abs(), pixels.abs()  # so that all products with centres are positive

    def loss(length: float, normalize: bool) -> float:
        return spatial_temporal_consistency_loss(
            length * points, 2 * length * pixels, texts, labels, grids, 1.0, normalize=normalize
        ).item()

    assert loss(10, normalize=True) == pytest.approx(loss(1, normalize=True), rel=1e-9)
    assert loss(10, normalize=False) < 0.9 * loss(1, normalize=False)


def test_normalised_pairs_cost_between_full_agreement_and_its_opposite() -> None:
    same = F.normalize(torch.ones(3, 2), dim=1)
    labels, grids = torch.zeros(3, dtype=torch.int64), torch.zeros(3, dtype=torch.int64)
    loss = spatial_temporal_consistency_loss(
        5 * same, same, TEXTS, labels, grids, 1.0, normalize=True
    )
    assert loss.item() == pytest.approx(3 / (1 + math.e), rel=1e-6)
    one = spatial_temporal_consistency_loss(
        *(-TEXTS[:1], TEXTS[:1], TEXTS, labels[:1], grids[:1], 1.0), normalize=True
    )
    assert one.item() == pytest.approx(math.e / (1 + math.e), rel=1e-6)


def test_large_products_give_finite_values_and_gradients() -> None:
    points = (500 * POINTS).requires_grad_()
    loss = spatial_temporal_consistency_loss(points, -900 * PIXELS, TEXTS, LABELS, GRIDS, 0.1)
    official = official_spatial_temporal_loss(points, TEXTS, LABELS, GRIDS, 0.1)
    for value in (loss, official):
        (gradient,) = torch.autograd.grad(value, points)
        assert value.isfinite()
        assert gradient.isfinite().all()


Loss = Callable[[Tensor, Tensor, Tensor, Tensor, Tensor, float], Tensor]


def official(
    points: Tensor,
    pixels: Tensor,
    texts: Tensor,
    labels: Tensor,
    grids: Tensor,
    temperature: float,
) -> Tensor:
    return official_spatial_temporal_loss(points, texts, labels, grids, temperature)


BOTH = pytest.mark.parametrize("loss", [spatial_temporal_consistency_loss, official])


@BOTH
def test_ignored_pairs_take_no_part(loss: Loss) -> None:
    points, pixels, texts, labels, grids = random_problem()
    ignored = labels.clone()
    ignored[:20] = 255
    value = loss(points, pixels, texts, ignored, grids, 1.0)
    rest = loss(points[20:], pixels[20:], texts, labels[20:], grids[20:], 1.0)
    torch.testing.assert_close(value, rest)
    (gradient,) = torch.autograd.grad(value, points)
    assert gradient[:20].abs().max() == 0


@BOTH
@pytest.mark.parametrize("num_pairs", [0, 3])
def test_no_pair_gives_zero_with_a_gradient_path(loss: Loss, num_pairs: int) -> None:
    points = torch.ones(num_pairs, 2, requires_grad=True)
    labels = torch.full((num_pairs,), 255)
    grids = torch.arange(num_pairs)
    value = loss(points, torch.ones(num_pairs, 2), TEXTS, labels, grids, 1.0)
    value.backward()
    assert value.item() == 0
    assert points.grad is not None
    assert points.grad.abs().sum() == 0


@BOTH
def test_descending_the_loss_makes_a_grid_agree(loss: Loss) -> None:
    points, pixels, texts, labels, grids = random_problem()
    labels = grids % 3

    def disagreement(points: Tensor) -> float:
        members = [F.normalize(points[grids == grid], dim=1) for grid in grids.unique()]
        return sum(float(rows.std(dim=0).sum()) for rows in members if len(rows) > 1)

    rows = points.detach().clone()
    for _ in range(60):
        rows = F.normalize(rows, dim=1).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(rows, pixels, texts, labels, grids, 1.0), rows)
        rows = (rows - 20 * gradient).detach()
    assert disagreement(rows) < 0.5 * disagreement(points.detach())


@BOTH
@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({0: torch.ones(4)}, "embeddings must be"),
        ({0: torch.ones(4, 3), 1: torch.ones(4, 3)}, "must have the size of the text embeddings"),
        ({3: torch.tensor([0, 1])}, r"pseudo_labels must be \(4,\)"),
        ({3: torch.tensor([0, 1, 2, 0])}, r"\[0, 2\) or 255, got 0 to 2"),
        ({4: torch.tensor([0])}, r"grid_index must be \(4,\)"),
        ({5: 0.0}, "temperature must be positive"),
    ],
)
def test_bad_input_is_refused(loss: Loss, changed: dict[int, Tensor], message: str) -> None:
    arguments = [POINTS, PIXELS, TEXTS, LABELS, GRIDS, 1.0]
    for place, value in changed.items():
        arguments[place] = value
    with pytest.raises(ValueError, match=message):
        loss(*arguments)


def test_a_pixel_for_every_point_is_asked_for() -> None:
    with pytest.raises(ValueError, match=r"pixel_embeddings must be \(4, 2\)"):
        spatial_temporal_consistency_loss(POINTS, PIXELS[:3], TEXTS, LABELS, GRIDS, 1.0)


def test_the_cap_must_leave_a_pair() -> None:
    with pytest.raises(ValueError, match="max_pairs must be at least 1, got 0"):
        official_spatial_temporal_loss(POINTS, TEXTS, LABELS, GRIDS, 1.0, 0)
