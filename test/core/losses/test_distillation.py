from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clip2scene_core.losses.distillation import distillation_loss, feature_distillation_loss

Logits = tuple[Tensor, Tensor]


def random_logits(num_points: int = 10) -> Logits:
    generator = torch.Generator().manual_seed(0)
    student, teacher = torch.randn(2, num_points, 4, generator=generator, dtype=torch.float64)
    return student.requires_grad_(), teacher


def log_probabilities(*probabilities: float) -> Tensor:
    return torch.tensor([probabilities]).log()


def test_two_classes_by_hand() -> None:
    student, teacher = log_probabilities(0.5, 0.5), log_probabilities(0.8, 0.2)
    expected = 0.8 * math.log(0.8 / 0.5) + 0.2 * math.log(0.2 / 0.5)
    assert distillation_loss(student, teacher, 1.0).item() == pytest.approx(expected, rel=1e-6)


def test_the_divergence_is_the_students_from_the_teachers() -> None:
    student, teacher = log_probabilities(0.8, 0.2), log_probabilities(0.5, 0.5)
    expected = 0.5 * math.log(0.5 / 0.8) + 0.5 * math.log(0.5 / 0.2)
    assert distillation_loss(student, teacher, 1.0).item() == pytest.approx(expected, rel=1e-6)


def test_temperature_flattens_both() -> None:
    # Half of the logits is the root of the odds: 1 to 9 becomes 1 to 3.
    student, teacher = log_probabilities(0.9, 0.1), log_probabilities(0.1, 0.9)
    expected = 0.25 * math.log(1 / 3) + 0.75 * math.log(3)
    assert distillation_loss(student, teacher, 2.0).item() == pytest.approx(expected, rel=1e-6)


def test_the_loss_equals_a_naive_loop() -> None:
    student, teacher = random_logits()
    expected = 0.0
    for s, t in zip(student.tolist(), teacher.tolist(), strict=True):
        p = [math.exp(logit / 0.7) / sum(math.exp(other / 0.7) for other in s) for logit in s]
        q = [math.exp(logit / 0.7) / sum(math.exp(other / 0.7) for other in t) for logit in t]
        expected += sum(b * math.log(b / a) for a, b in zip(p, q, strict=True)) / len(student)
    assert distillation_loss(student, teacher, 0.7).item() == pytest.approx(expected, rel=1e-9)


def test_equal_distributions_cost_nothing() -> None:
    _, teacher = random_logits()
    assert distillation_loss(teacher + 3, teacher, 0.5).item() == pytest.approx(0, abs=1e-12)


def test_gradients_agree_with_finite_differences() -> None:
    student, teacher = random_logits(5)
    assert torch.autograd.gradcheck(lambda s: distillation_loss(s, teacher, 0.5), (student,))


def test_the_gradient_is_the_difference_of_the_probabilities() -> None:
    student, teacher = random_logits()
    (gradient,) = torch.autograd.grad(distillation_loss(student, teacher, 1.0), student)
    torch.testing.assert_close(gradient, (student.softmax(1) - teacher.softmax(1)) / len(student))


def test_the_teacher_gets_no_gradient() -> None:
    student, teacher = random_logits()
    teacher.requires_grad_()
    distillation_loss(student, teacher, 1.0).backward()
    assert teacher.grad is None
    assert student.grad is not None


def test_a_class_that_the_teacher_rules_out_costs_nothing() -> None:
    student = torch.tensor([[0.0, 0.0, 0.0]], requires_grad=True)
    teacher = torch.tensor([[0.0, 0.0, -math.inf]])
    loss = distillation_loss(student, teacher, 1.0)
    loss.backward()
    assert loss.item() == pytest.approx(math.log(3 / 2), rel=1e-6)
    torch.testing.assert_close(student.grad, torch.tensor([[-1 / 6, -1 / 6, 1 / 3]]))


def test_the_order_of_points_does_not_matter() -> None:
    student, teacher = random_logits()
    order = torch.randperm(len(student), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        distillation_loss(student[order], teacher[order], 1.0),
        distillation_loss(student, teacher, 1.0),
    )


def test_no_point_gives_zero_with_a_gradient_path() -> None:
    student = torch.ones(0, 3, requires_grad=True)
    loss = distillation_loss(student, torch.ones(0, 3), 1.0)
    loss.backward()
    assert loss.item() == 0
    assert student.grad is not None


@pytest.mark.parametrize(
    ("student", "teacher", "temperature", "message"),
    [
        (torch.ones(2, 3), torch.ones(2, 4), 1.0, r"of one shape, got \(2, 3\) and \(2, 4\)"),
        (torch.ones(2), torch.ones(2), 1.0, r"must be \(P, C\)"),
        (torch.ones(2, 3), torch.ones(2, 3), 0.0, "temperature must be positive, got 0"),
    ],
)
def test_bad_input_is_refused(
    student: Tensor, teacher: Tensor, temperature: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        distillation_loss(student, teacher, temperature)


def test_three_pairs_of_embeddings_by_hand() -> None:
    # Cosines 1, 0 and 0.6, whatever the lengths.
    points = torch.tensor([[2.0, 0.0], [0.0, 5.0], [3.0, 4.0]])
    pixels = torch.tensor([[1.0, 0.0], [1.0, 0.0], [7.0, 0.0]])
    expected = (0 + 1 + 0.4) / 3
    assert feature_distillation_loss(points, pixels).item() == pytest.approx(expected, rel=1e-6)
    assert feature_distillation_loss(-pixels, pixels).item() == pytest.approx(2, rel=1e-6)


def test_only_points_move_towards_pixels() -> None:
    points, pixels = random_logits()
    pixels.requires_grad_()
    before = feature_distillation_loss(points, pixels)
    before.backward()
    assert pixels.grad is None
    assert points.grad is not None
    after = feature_distillation_loss(points - 0.1 * points.grad, pixels)
    assert after < before
    assert torch.autograd.gradcheck(lambda p: feature_distillation_loss(p, pixels), (points,))


def test_no_pair_of_embeddings_gives_zero_with_a_gradient_path() -> None:
    points = torch.ones(0, 3, requires_grad=True)
    loss = feature_distillation_loss(points, torch.ones(0, 3))
    loss.backward()
    assert loss.item() == 0
    assert points.grad is not None


def test_embeddings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of one shape, got \(2, 3\) and \(2, 4\)"):
        feature_distillation_loss(torch.ones(2, 3), torch.ones(2, 4))
