"""Cosines against torch's own, and gradients against differences."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from clip2scene_core.losses.cosines import cosines


def random_embeddings(count: int, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count)
    return torch.randn(count, 6, generator=generator).to(dtype).requires_grad_()


def test_cosines_and_gradients_are_torch_s() -> None:
    points, texts = random_embeddings(9), random_embeddings(3)
    pull = torch.rand(9, 3, dtype=torch.float64)
    expected = F.cosine_similarity(points[:, None], texts[None], dim=2)
    found = cosines(points, texts)
    torch.testing.assert_close(found, expected)
    wanted = torch.autograd.grad((expected * pull).sum(), (points, texts))
    for one, other in zip(
        torch.autograd.grad((found * pull).sum(), (points, texts)), wanted, strict=True
    ):
        torch.testing.assert_close(one, other)
    assert torch.autograd.gradcheck(cosines, (points, texts))


@pytest.mark.parametrize("length", [0.0, 1e-20])
def test_points_of_no_length_are_pulled_as_by_normalize(length: float) -> None:
    points = torch.full((2, 6), length, dtype=torch.float64, requires_grad=True)
    texts = random_embeddings(3).detach()
    found = cosines(points, texts)
    expected = F.normalize(points, dim=1) @ F.normalize(texts, dim=1).T
    torch.testing.assert_close(found, expected)
    (gradient,) = torch.autograd.grad(found.sum(), points)
    (wanted,) = torch.autograd.grad(expected.sum(), points)
    assert torch.isfinite(gradient).all()
    torch.testing.assert_close(gradient, wanted)


def test_no_point_has_no_cosine() -> None:
    points = torch.zeros(0, 6, requires_grad=True)
    cosines(points, torch.ones(2, 6)).sum().backward()
    assert points.grad is not None
    assert points.grad.shape == (0, 6)


def test_points_in_bfloat16_are_compared_in_float32() -> None:
    """As a head under autocast gives them; the gradient has the type of the points."""
    points, texts = random_embeddings(40, torch.bfloat16), random_embeddings(3, torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        found = cosines(points, texts)
    expected = F.cosine_similarity(points.float()[:, None], texts[None], dim=2)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert points.grad is not None
    assert points.grad.dtype == torch.bfloat16
