from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clip2scene_core.losses.semantic_consistency import (
    bounded_semantic_consistency_loss,
    paper_semantic_consistency_loss,
    semantic_consistency_loss,
)

Loss = Callable[[Tensor, Tensor, Tensor, float], Tensor]
EVERY_LOSS = pytest.mark.parametrize(
    "loss",
    [
        semantic_consistency_loss,
        paper_semantic_consistency_loss,
        bounded_semantic_consistency_loss,
    ],
)
TEXTS = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
POINTS = torch.tensor([[3.0, 4.0], [2.0, 0.0]])  # cosines with the texts: 0.6, 0.8 and 1, 0


def random_problem(num_points: int = 20) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(num_points, 4, generator=generator, dtype=torch.float64)
    texts = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    labels = torch.randint(3, (num_points,), generator=generator)
    return points.requires_grad_(), texts, labels


def test_cross_entropy_by_hand() -> None:
    loss = semantic_consistency_loss(POINTS, TEXTS, torch.tensor([0, 0]), temperature=0.5)
    first = math.log(1 + math.exp((0.8 - 0.6) / 0.5))
    second = math.log(1 + math.exp((0.0 - 1.0) / 0.5))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_class_weights_weigh_points_by_their_label() -> None:
    weights = torch.tensor([1.0, 3.0])
    loss = semantic_consistency_loss(POINTS, TEXTS, torch.tensor([0, 1]), 1.0, weights)
    first = math.log(1 + math.exp(0.2))
    second = math.log(1 + math.exp(1.0))
    assert loss.item() == pytest.approx((first + 3 * second) / 4, rel=1e-6)


def test_length_of_the_embeddings_does_not_matter_to_the_cross_entropy() -> None:
    points, texts, labels = random_problem()
    loss = semantic_consistency_loss(points, texts, labels, 0.1)
    scaled = semantic_consistency_loss(5 * points, 0.3 * texts, labels, 0.1)
    torch.testing.assert_close(scaled, loss)


def test_the_official_code_takes_embeddings_at_their_length() -> None:
    loss = semantic_consistency_loss(POINTS, TEXTS, torch.tensor([0, 0]), 1.0, normalize=False)
    first = math.log(1 + math.exp(4.0 - 3.0))
    second = math.log(1 + math.exp(0.0 - 2.0))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_equation_1_by_hand() -> None:
    loss = paper_semantic_consistency_loss(POINTS, TEXTS, torch.tensor([0, 1]), 0.5)
    # Class 0 has products 3 and 2, class 1 has 4 and 0; the first of each belongs to point 0.
    assert loss.item() == pytest.approx((2 - 3) / 0.5 + (4 - 0) / 0.5, rel=1e-6)


def test_the_bounded_variant_by_hand() -> None:
    loss = bounded_semantic_consistency_loss(POINTS, TEXTS, torch.tensor([0, 1]), 0.5)
    expected = math.log(1 + math.exp((2 - 3) / 0.5)) + math.log(1 + math.exp((4 - 0) / 0.5))
    assert loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bounded", [False, True])
def test_equation_1_equals_a_naive_loop(bounded: bool) -> None:
    points, texts, labels = random_problem()
    labels[:3] = 255
    expected = 0.0
    for c in range(3):
        inside = outside = 0.0
        for point, label in zip(points.tolist(), labels.tolist(), strict=True):
            term = math.exp(sum(a * b for a, b in zip(texts[c].tolist(), point, strict=True)) / 0.5)
            if label == c:
                inside += term
            elif label != 255:
                outside += term
        expected -= math.log(inside / (outside + inside if bounded else outside))
    loss = bounded_semantic_consistency_loss if bounded else paper_semantic_consistency_loss
    assert loss(points, texts, labels, 0.5).item() == pytest.approx(expected, rel=1e-9)


def test_equation_1_survives_large_logits() -> None:
    points = torch.tensor([[500.0, 0.0], [0.0, 400.0]], requires_grad=True)
    loss = paper_semantic_consistency_loss(points, TEXTS, torch.tensor([0, 1]), 0.5)
    loss.backward()
    assert loss.item() == pytest.approx(-1800)
    assert points.grad is not None
    assert points.grad.tolist() == [[-2.0, 2.0], [2.0, -2.0]]


def test_equation_1_leaves_out_classes_that_have_no_counterpart() -> None:
    points = POINTS.clone().requires_grad_()
    loss = paper_semantic_consistency_loss(points, TEXTS, torch.tensor([1, 1]), 0.5)
    loss.backward()
    assert loss.item() == 0
    assert points.grad is not None


@pytest.mark.parametrize("length", [0.01, 1.0, 100.0])
def test_the_bounded_variant_never_falls_under_0(length: float) -> None:
    _, texts, labels = random_problem()
    aligned = length * texts[labels]
    assert bounded_semantic_consistency_loss(aligned, texts, labels, 0.5).item() >= 0


def test_equation_1_falls_without_end_as_embeddings_grow() -> None:
    _, texts, labels = random_problem()
    texts = torch.nn.functional.normalize(texts, dim=1)
    values = [
        paper_semantic_consistency_loss(length * texts[labels], texts, labels, 0.5).item()
        for length in (1.0, 10.0, 100.0)
    ]
    assert values[0] > values[1] > values[2]
    assert values[2] == pytest.approx(10 * values[1], rel=0.05)


def test_a_class_that_has_all_points_costs_nothing_in_the_bounded_variant() -> None:
    assert bounded_semantic_consistency_loss(POINTS, TEXTS, torch.tensor([1, 1]), 0.5).item() == 0


@EVERY_LOSS
@pytest.mark.parametrize("label", [0, 1])
def test_one_point_is_enough(loss: Loss, label: int) -> None:
    points = POINTS[:1].clone().requires_grad_()
    value = loss(points, TEXTS, torch.tensor([label]), 0.5)
    value.backward()
    sign = 1 if label == 0 else -1
    alone = math.log(1 + math.exp(sign * (0.8 - 0.6) / 0.5))
    expected = alone if loss is semantic_consistency_loss else 0  # no other point, no contrast
    assert value.item() == pytest.approx(expected, rel=1e-6)


@EVERY_LOSS
def test_the_order_of_points_does_not_matter(loss: Loss) -> None:
    points, texts, labels = random_problem()
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        loss(points[order], texts, labels[order], 0.5), loss(points, texts, labels, 0.5)
    )


@EVERY_LOSS
def test_gradients_agree_with_finite_differences(loss: Loss) -> None:
    points, texts, labels = random_problem(7)
    labels[2] = 255
    assert torch.autograd.gradcheck(lambda p: loss(p, texts, labels, 0.5), (points,))


@EVERY_LOSS
def test_ignored_points_carry_no_loss(loss: Loss) -> None:
    points, texts, labels = random_problem()
    ignored = labels.clone()
    ignored[:5] = 255
    value = loss(points, texts, ignored, 0.5)
    torch.testing.assert_close(value, loss(points[5:], texts, labels[5:], 0.5))
    (gradient,) = torch.autograd.grad(value, points)
    assert gradient[:5].abs().max() == 0
    assert gradient[5:].abs().min() > 0


@EVERY_LOSS
@pytest.mark.parametrize("num_points", [0, 3])
def test_no_labelled_point_gives_zero_with_a_gradient_path(loss: Loss, num_points: int) -> None:
    points = torch.ones(num_points, 2, requires_grad=True)
    value = loss(points, TEXTS, torch.full((num_points,), 255), 0.5)
    value.backward()
    assert value.item() == 0
    assert points.grad is not None
    assert points.grad.abs().sum() == 0


def test_points_weigh_by_their_own_weight_too() -> None:
    points, texts = torch.eye(2), torch.eye(2)
    labels = torch.tensor([0, 0])
    # At temperature 1: -log(e / (e + 1)) and -log(1 / (e + 1)).
    right, wrong = math.log(math.e + 1) - 1, math.log(math.e + 1)
    weights = torch.tensor([1.0, 3.0])
    loss = semantic_consistency_loss(points, texts, labels, 1.0, None, weights)
    assert float(loss) == pytest.approx((right + 3 * wrong) / 4)
    labels = torch.tensor([0, 1])
    balance = torch.tensor([2.0, 1.0])
    loss = semantic_consistency_loss(points, texts.flip(0), labels, 1.0, balance, weights)
    assert float(loss) == pytest.approx(wrong)
    loss = semantic_consistency_loss(points, texts[:1].repeat(2, 1), labels, 1.0, balance, weights)
    assert float(loss) == pytest.approx(math.log(2))
    loss = semantic_consistency_loss(points, texts, labels, 1.0, balance, weights * 0)
    assert float(loss) == 0
    with pytest.raises(ValueError, match=r"point_weights must be \(2,\) like pseudo_labels"):
        semantic_consistency_loss(points, texts, labels, 1.0, None, weights[:1])


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("rows", [[3, 1, 1, 6, 0, 2, 4], [5, 5]])
def test_labels_say_of_which_point_they_are(rows: list[int], normalize: bool) -> None:
    points, texts, _ = random_problem(7)
    labels = torch.tensor([0, 2, 1, 255, 1, 0, 2])[: len(rows)]
    weights, balance = torch.rand(len(rows)).double(), torch.tensor([1.0, 2.0, 0.5]).double()
    index = torch.tensor(rows)
    apart = semantic_consistency_loss(
        points[index], texts, labels, 0.2, balance, weights, normalize=normalize
    )
    (expected,) = torch.autograd.grad(apart, points)
    value = semantic_consistency_loss(
        points, texts, labels, 0.2, balance, weights, point_index=index, normalize=normalize
    )
    torch.testing.assert_close(value, apart)
    (gradient,) = torch.autograd.grad(value, points)
    torch.testing.assert_close(gradient, expected)
    with pytest.raises(ValueError, match=rf"pseudo_labels must be \({len(rows)},\)"):
        semantic_consistency_loss(points, texts, labels[1:], 0.2, point_index=index)


def test_no_labelled_point_gives_zero_under_class_weights_too() -> None:
    points = torch.ones(2, 2, requires_grad=True)
    weights = torch.tensor([1.0, 3.0])
    value = semantic_consistency_loss(points, TEXTS, torch.tensor([255, 255]), 0.5, weights)
    value.backward()
    assert value.item() == 0


@EVERY_LOSS
def test_descending_the_loss_aligns_points_with_their_text(loss: Loss) -> None:
    points, texts, labels = random_problem()
    texts = torch.nn.functional.normalize(texts, dim=1)
    before = ((points @ texts.T).argmax(1) == labels).float().mean()
    rows = points.detach().clone()
    for _ in range(100):
        rows = torch.nn.functional.normalize(rows, dim=1).requires_grad_()
        (gradient,) = torch.autograd.grad(loss(rows, texts, labels, 0.5), rows)
        rows = (rows - gradient).detach()
    after = ((rows @ texts.T).argmax(1) == labels).float().mean()
    assert before < 0.7
    assert after == 1


@EVERY_LOSS
@pytest.mark.parametrize(
    ("points", "labels", "temperature", "message"),
    [
        (torch.ones(2, 3), [0, 1], 0.5, "must have the size of the text embeddings"),
        (torch.ones(2), [0, 1], 0.5, "embeddings must be"),
        (torch.ones(2, 2), [0], 0.5, r"must be \(2,\)"),
        (torch.ones(2, 2), [0, 2], 0.5, r"\[0, 2\) or 255, got 0 to 2"),
        (torch.ones(2, 2), [-1, 1], 0.5, "got -1 to 1"),
        (torch.ones(2, 2), [0, 1], 0.0, "temperature must be positive"),
    ],
)
def test_bad_input_is_refused(
    loss: Loss, points: Tensor, labels: list[int], temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loss(points, TEXTS, torch.tensor(labels), temperature)
