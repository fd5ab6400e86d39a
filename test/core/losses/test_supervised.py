from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.losses.supervised import lovasz_softmax_loss, supervised_loss

Loss = Callable[[Tensor, Tensor], Tensor]
BOTH = pytest.mark.parametrize("loss", [supervised_loss, lovasz_softmax_loss])


def random_problem(num_points: int = 30, num_classes: int = 4) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(num_points, num_classes, generator=generator, dtype=torch.float64)
    labels = torch.randint(num_classes, (num_points,), generator=generator)
    return logits.requires_grad_(), labels


def lovasz_by_levels(logits: Tensor, labels: Tensor) -> float:
    """Lovász extension as an integral: the Jaccard loss of all errors above a level, over levels.

    The Jaccard loss of a set of wrong points is its share of the set joined with the class.
    """
    total = 0.0
    classes = sorted(set(labels.tolist()))
    for c in classes:
        members = {i for i, label in enumerate(labels.tolist()) if label == c}
        probabilities = logits.detach().softmax(1)[:, c].tolist()
        errors = [1 - p if i in members else p for i, p in enumerate(probabilities)]
        levels = sorted({0.0, *errors})
        for low, high in itertools.pairwise(levels):
            wrong = {i for i, error in enumerate(errors) if error >= high}
            total += (high - low) * len(wrong) / len(wrong | members)
    return total / len(classes)


def log_probabilities(rows: list[list[float]]) -> Tensor:
    return torch.tensor(rows).log()


def test_lovasz_by_hand() -> None:
    logits = log_probabilities([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7]])
    loss = lovasz_softmax_loss(logits, torch.tensor([0, 1, 0]))
    # Class 0: errors 0.1, 0.6, 0.7. Wrong so far: the third, 1 of 2; with the second, 2 of 3; all.
    first = 0.7 * (1 / 2) + 0.6 * (2 / 3 - 1 / 2) + 0.1 * (1 - 2 / 3)
    # Class 1 has the same errors: the third, 1 of 2; with the second, 2 of 2.
    second = 0.7 * (1 / 2) + 0.6 * (1 - 1 / 2)
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)


@pytest.mark.parametrize("num_points", [1, 2, 7, 30])
@pytest.mark.parametrize("num_classes", [2, 5])
def test_lovasz_equals_the_integral_over_levels(num_points: int, num_classes: int) -> None:
    logits, labels = random_problem(num_points, num_classes)
    expected = lovasz_by_levels(logits, labels)
    assert lovasz_softmax_loss(logits, labels).item() == pytest.approx(expected, rel=1e-9)


def test_of_certain_predictions_lovasz_is_one_minus_the_mean_iou() -> None:
    predicted = torch.tensor([0, 0, 1, 1, 2, 2])
    labels = torch.tensor([0, 1, 1, 1, 2, 0])
    loss = lovasz_softmax_loss(1e3 * F.one_hot(predicted, 3).float(), labels)
    mean_iou = (1 / 3 + 2 / 3 + 1 / 2) / 3
    assert loss.item() == pytest.approx(1 - mean_iou, rel=1e-6)


def test_gradients_of_many_points_lose_no_digits_to_float32() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(100_000, 2, generator=generator, requires_grad=True)
    labels = torch.randint(2, (100_000,), generator=generator)
    exact = logits.detach().double().requires_grad_()
    expected = torch.zeros((), dtype=torch.float64)
    for c in (0, 1):
        errors = ((labels == c).double() - exact.softmax(1)[:, c]).abs()
        order = errors.argsort(descending=True)
        is_member = (labels[order] == c).double()
        jaccard = (is_member.sum() - is_member.cumsum(0)) / (
            is_member.sum() + (1 - is_member).cumsum(0)
        )
        steps = torch.cat([torch.ones(1), jaccard[:-1]]) - jaccard  # in float64
        expected = expected + (errors[order] * steps).sum() / 2
    (wanted,) = torch.autograd.grad(expected, exact)
    (gradient,) = torch.autograd.grad(lovasz_softmax_loss(logits, labels), logits)
    assert (gradient - wanted).abs().mean() < 1e-4 * wanted.abs().mean()


def test_classes_without_a_labelled_point_are_left_out() -> None:
    logits, labels = random_problem(num_classes=5)
    labels = labels.clamp(max=1)
    assert lovasz_softmax_loss(logits, labels).item() == pytest.approx(
        lovasz_by_levels(logits, labels), rel=1e-9
    )


def test_one_point_costs_its_error() -> None:
    logits = log_probabilities([[0.2, 0.5, 0.3]])
    labels = torch.tensor([1])
    assert lovasz_softmax_loss(logits, labels).item() == pytest.approx(0.5, rel=1e-6)
    assert supervised_loss(logits, labels).item() == pytest.approx(0.5 - math.log(0.5), rel=1e-6)


def test_the_supervised_loss_adds_cross_entropy_and_lovasz() -> None:
    logits, labels = random_problem()
    labels[:4] = 255
    rows = zip(logits.tolist(), labels.tolist(), strict=True)
    costs = [math.log(sum(map(math.exp, row))) - row[c] for row, c in rows if c != 255]
    expected = sum(costs) / len(costs) + lovasz_by_levels(logits[4:], labels[4:])
    assert supervised_loss(logits, labels).item() == pytest.approx(expected, rel=1e-9)


@BOTH
def test_gradients_agree_with_finite_differences(loss: Loss) -> None:
    logits, labels = random_problem(8)
    labels[3] = 255
    assert torch.autograd.gradcheck(lambda x: loss(x, labels), (logits,))


@BOTH
def test_points_without_a_label_take_no_part(loss: Loss) -> None:
    logits, labels = random_problem()
    ignored = labels.clone()
    ignored[:10] = 255
    value = loss(logits, ignored)
    torch.testing.assert_close(value, loss(logits[10:], labels[10:]))
    (gradient,) = torch.autograd.grad(value, logits)
    assert gradient[:10].abs().max() == 0
    assert gradient[10:].abs().min() > 0


@BOTH
def test_order_of_points_and_names_of_classes_do_not_matter(loss: Loss) -> None:
    logits, labels = random_problem()
    rounded = (2 * logits.detach()).round()  # many errors are equal
    generator = torch.Generator().manual_seed(1)
    order = torch.randperm(len(labels), generator=generator)
    names = torch.randperm(4, generator=generator)
    shuffled = torch.empty_like(rounded)
    shuffled[:, names] = rounded[order]
    torch.testing.assert_close(loss(shuffled, names[labels[order]]), loss(rounded, labels))


@BOTH
@pytest.mark.parametrize("num_points", [0, 3])
def test_no_labelled_point_gives_zero_with_a_gradient_path(loss: Loss, num_points: int) -> None:
    logits = torch.ones(num_points, 2, requires_grad=True)
    value = loss(logits, torch.full((num_points,), 255))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert logits.grad.abs().sum() == 0


def test_descending_lovasz_raises_the_iou() -> None:
    logits, labels = random_problem()
    rows = logits.detach().clone()
    before = (rows.argmax(1) == labels).float().mean()
    for _ in range(200):
        rows.requires_grad_()
        (gradient,) = torch.autograd.grad(lovasz_softmax_loss(rows, labels), rows)
        rows = (rows - 10 * gradient).detach()
    assert before < 0.5
    assert (rows.argmax(1) == labels).all()


@BOTH
@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        (torch.ones(2), [0, 1], r"logits must be \(P, C\)"),
        (torch.ones(2, 3), [0], r"got \(2, 3\) and \(1,\)"),
        (torch.ones(2, 3), [0, 3], r"\[0, 3\) or 255, got 0 to 3"),
        (torch.ones(2, 3), [-1, 0], "got -1 to 0"),
    ],
)
def test_bad_input_is_refused(loss: Loss, logits: Tensor, labels: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        loss(logits, torch.tensor(labels))
