from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.losses.info_nce import info_nce_loss, ppkt_loss, slidr_loss

Embeddings = tuple[Tensor, Tensor]
Superpixels = tuple[Tensor, Tensor, Tensor, Tensor]


def random_pairs(num_pairs: int = 12) -> Embeddings:
    generator = torch.Generator().manual_seed(0)
    points, pixels = torch.randn(2, num_pairs, 4, generator=generator, dtype=torch.float64)
    return points.requires_grad_(), pixels.requires_grad_()


def random_superpixels(num_points: int = 20, num_pixels: int = 50) -> Superpixels:
    """Superpixels 0 to 5 have pixels, 2 to 7 may have points."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(num_points, 4, generator=generator, dtype=torch.float64)
    pixels = torch.randn(num_pixels, 4, generator=generator, dtype=torch.float64)
    point_superpixels = torch.randint(2, 8, (num_points,), generator=generator)
    pixel_superpixels = torch.randint(0, 6, (num_pixels,), generator=generator)
    return points.requires_grad_(), point_superpixels, pixels.requires_grad_(), pixel_superpixels


def info_nce_by_loop(queries: Tensor, keys: Tensor, temperature: float) -> float:
    total = 0.0
    for i, query in enumerate(queries.detach()):
        terms = [math.exp(float(query @ key) / temperature) for key in keys.detach()]
        total -= math.log(terms[i] / sum(terms))
    return total / len(queries)


def test_info_nce_by_hand() -> None:
    queries = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    keys = torch.tensor([[3.0, 1.0], [0.0, 1.0]])
    loss = info_nce_loss(queries, keys, 0.5)
    # Query 0 meets 3 and 0, query 1 meets 2 and 2; the first and the second are right.
    expected = (math.log(1 + math.exp((0 - 3) / 0.5)) + math.log(2)) / 2
    assert loss.item() == pytest.approx(expected, rel=1e-6)


def test_info_nce_equals_a_naive_loop() -> None:
    queries, keys = random_pairs()
    expected = info_nce_by_loop(queries, keys, 0.3)
    assert info_nce_loss(queries, keys, 0.3).item() == pytest.approx(expected, rel=1e-9)


def test_info_nce_survives_large_logits() -> None:
    queries = torch.tensor([[500.0], [-500.0]], requires_grad=True)
    loss = info_nce_loss(queries, torch.tensor([[-1.0], [1.0]]), 0.1)
    loss.backward()
    assert loss.item() == pytest.approx(10_000)
    assert queries.grad is not None
    assert queries.grad.flatten().tolist() == pytest.approx([10, -10])


def test_one_pair_has_nothing_to_be_told_from() -> None:
    points, pixels = random_pairs(1)
    assert info_nce_loss(points, pixels, 0.07).item() == 0
    assert ppkt_loss(points, pixels, 4096, 0.07).item() == 0
    number = torch.tensor([3])
    assert slidr_loss(points, number, pixels, number, 0.07).item() == 0


def test_ppkt_of_all_pairs_is_info_nce_of_unit_embeddings() -> None:
    points, pixels = random_pairs()
    expected = info_nce_by_loop(F.normalize(points, dim=1), F.normalize(pixels, dim=1), 0.07)
    for num_pairs in (12, 4096):
        loss = ppkt_loss(5 * points, 0.1 * pixels, num_pairs, 0.07)
        assert loss.item() == pytest.approx(expected, rel=1e-9)


def test_ppkt_draws_as_many_pairs_as_asked_and_none_twice() -> None:
    points, pixels = random_pairs()
    generator = torch.Generator().manual_seed(3)
    loss = ppkt_loss(points, pixels, 5, 0.07, generator)
    gradients = torch.autograd.grad(loss, (points, pixels))
    drawn = gradients[0].abs().sum(dim=1) > 0
    assert drawn.sum() == 5
    assert torch.equal(gradients[1].abs().sum(dim=1) > 0, drawn)
    expected = ppkt_loss(points[drawn], pixels[drawn], 5, 0.07)
    torch.testing.assert_close(loss, expected)


def test_ppkt_draws_by_its_generator_alone() -> None:
    points, pixels = random_pairs()

    def draw(seed: int) -> float:
        generator = torch.Generator().manual_seed(seed)
        return ppkt_loss(points, pixels, 3, 0.07, generator).item()

    torch.manual_seed(0)
    first = draw(1)
    torch.manual_seed(9)
    assert draw(1) == first
    assert len({draw(seed) for seed in range(4)}) > 1


def test_slidr_by_hand() -> None:
    points = torch.tensor([[2.0, 0.0], [0.0, 3.0], [0.0, 1.0]])
    pixels = torch.tensor([[4.0, 0.0], [0.0, 1.0], [0.0, 2.0], [0.0, 5.0]])
    loss = slidr_loss(points, torch.tensor([0, 0, 1]), pixels, torch.tensor([0, 1, 0, 1]), 0.5)
    # Means of unit embeddings: points (1/2, 1/2) and (0, 1), pixels (1/2, 1/2) and (0, 1).
    first = math.log(1 + math.exp((0.5 - 0.5) / 0.5))
    second = math.log(1 + math.exp((0.5 - 1.0) / 0.5))
    assert loss.item() == pytest.approx((first + second) / 2, rel=1e-6)


def test_slidr_equals_a_loop_over_superpixels() -> None:
    points, point_superpixels, pixels, pixel_superpixels = problem = random_superpixels()
    both = sorted(set(point_superpixels.tolist()) & set(pixel_superpixels.tolist()))
    assert len(both) < 6  # some superpixels lack one side
    queries = [F.normalize(points[point_superpixels == s], dim=1).mean(0) for s in both]
    keys = [F.normalize(pixels[pixel_superpixels == s], dim=1).mean(0) for s in both]
    expected = info_nce_by_loop(torch.stack(queries), torch.stack(keys), 0.07)
    assert slidr_loss(*problem, 0.07).item() == pytest.approx(expected, rel=1e-9)


def test_order_and_names_of_superpixels_do_not_matter() -> None:
    points, point_superpixels, pixels, pixel_superpixels = problem = random_superpixels()
    generator = torch.Generator().manual_seed(1)
    names = torch.randperm(100, generator=generator)[:8]
    p = torch.randperm(len(points), generator=generator)
    q = torch.randperm(len(pixels), generator=generator)
    renamed = slidr_loss(
        points[p], names[point_superpixels[p]], pixels[q], names[pixel_superpixels[q]], 0.07
    )
    torch.testing.assert_close(renamed, slidr_loss(*problem, 0.07))


def test_superpixels_without_both_sides_carry_no_loss() -> None:
    points, point_superpixels, pixels, pixel_superpixels = problem = random_superpixels()
    gradients = torch.autograd.grad(slidr_loss(*problem, 0.07), (points, pixels))
    moved = [gradient.abs().sum(dim=1) > 0 for gradient in gradients]
    assert torch.equal(moved[0], torch.isin(point_superpixels, pixel_superpixels))
    assert torch.equal(moved[1], torch.isin(pixel_superpixels, point_superpixels))
    assert 0 < moved[0].sum() < len(points)
    assert 0 < moved[1].sum() < len(pixels)


def test_ppkt_does_not_depend_on_the_order_of_all_pairs() -> None:
    points, pixels = random_pairs()
    order = torch.randperm(len(points), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        ppkt_loss(points[order], pixels[order], 12, 0.07), ppkt_loss(points, pixels, 12, 0.07)
    )


def test_gradients_agree_with_finite_differences() -> None:
    points, pixels = random_pairs(6)
    assert torch.autograd.gradcheck(lambda p, x: info_nce_loss(p, x, 0.5), (points, pixels))

    def ppkt(points: Tensor, pixels: Tensor) -> Tensor:
        return ppkt_loss(points, pixels, 4, 0.5, torch.Generator().manual_seed(0))

    assert torch.autograd.gradcheck(ppkt, (points, pixels))
    points, point_superpixels, pixels, pixel_superpixels = random_superpixels(8, 9)

    def slidr(points: Tensor, pixels: Tensor) -> Tensor:
        return slidr_loss(points, point_superpixels, pixels, pixel_superpixels, 0.5)

    assert torch.autograd.gradcheck(slidr, (points, pixels))


@pytest.mark.parametrize("with_pixels", [False, True])
def test_no_pair_gives_zero_with_a_gradient_path(with_pixels: bool) -> None:
    points = torch.ones(0, 2, requires_grad=True)
    numbers = torch.zeros(0, dtype=torch.int64)
    pixels, pixel_superpixels = torch.ones(0, 2), numbers
    if with_pixels:
        pixels, pixel_superpixels = torch.ones(3, 2), torch.tensor([0, 0, 1])
    losses = [
        ppkt_loss(points, torch.ones(0, 2), 4096, 0.07),
        slidr_loss(points, numbers, pixels, pixel_superpixels, 0.07),
    ]
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, points)
        assert loss.item() == 0
        assert gradient.shape == (0, 2)


def test_points_and_pixels_on_different_superpixels_give_zero() -> None:
    points = torch.ones(2, 2, requires_grad=True)
    loss = slidr_loss(points, torch.tensor([0, 1]), torch.ones(1, 2), torch.tensor([2]), 0.07)
    loss.backward()
    assert loss.item() == 0
    assert points.grad is not None
    assert points.grad.abs().sum() == 0


PAIR = torch.ones(2, 3)
NUMBERS = torch.tensor([0, 1])


def test_bad_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match=r"of one shape, got \(2, 3\) and \(2, 4\)"):
        ppkt_loss(PAIR, torch.ones(2, 4), 2, 0.07)
    with pytest.raises(ValueError, match="num_pairs must be at least 1, got 0"):
        ppkt_loss(PAIR, PAIR, 0, 0.07)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        ppkt_loss(PAIR, PAIR, 2, 0.0)


def test_bad_superpixels_are_refused() -> None:
    with pytest.raises(ValueError, match=r"point_superpixels \(N,\), got \(2, 3\) and \(1,\)"):
        slidr_loss(PAIR, NUMBERS[:1], PAIR, NUMBERS, 0.07)
    with pytest.raises(ValueError, match=r"pixel_superpixels \(N,\), got \(2, 3\) and \(1,\)"):
        slidr_loss(PAIR, NUMBERS, PAIR, NUMBERS[:1], 0.07)
    with pytest.raises(ValueError, match="pixel_superpixels must be 0 or more, got -1"):
        slidr_loss(PAIR, NUMBERS, PAIR, NUMBERS - 1, 0.07)
    with pytest.raises(ValueError, match=r"of one shape"):
        slidr_loss(PAIR, NUMBERS, torch.ones(2, 4), NUMBERS, 0.07)
    with pytest.raises(ValueError, match="temperature must be positive, got -1"):
        slidr_loss(PAIR, NUMBERS, PAIR, NUMBERS, -1.0)
