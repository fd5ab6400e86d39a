import math

import torch

from clip2scene_core.inference.fusion import fuse
from clip2scene_core.mapping.evidence import Source, semantic_guided

TEXTS = torch.eye(3)


def unit(*numbers: float) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.tensor([numbers]), dim=1)


def test_pixels_and_points_weigh_by_their_similarity_with_the_text():
    pixel, point = unit(0.6, 0.8, 0.0), unit(0.0, 0.8, 0.6)
    half = torch.tensor([0.5])
    sources = [Source(pixel, 1.0, half), Source(point, 1.0, half)]
    evidence = semantic_guided(sources, TEXTS, torch.tensor([0]))
    # Eq. (4) by hand: similarities 0.6 and 0.0.
    a, b = math.exp(0.6), math.exp(0.0)
    expected = (a * pixel + b * point) / (a + b)
    torch.testing.assert_close(evidence.vectors, expected)
    torch.testing.assert_close(evidence.weights, torch.tensor([0.5 * (a + b)]))


def test_logits_of_the_evidence_are_those_of_the_sweep():
    pixel, point = unit(0.6, 0.8, 0.0), unit(0.0, 0.8, 0.6)
    sources = [Source(pixel, 5.0, torch.tensor([0.2])), Source(point, 4.0, torch.tensor([0.8]))]
    # A text that fits both equally well leaves the shares as they are.
    evidence = semantic_guided(sources, TEXTS, torch.tensor([1]))
    of_point, of_pixel = (torch.softmax(s * x @ TEXTS.T, 1) for s, x in ((4, point), (5, pixel)))
    expected = fuse(of_point, of_pixel, torch.tensor([True]).numpy(), camera_weight=0.2)
    torch.testing.assert_close(
        torch.softmax(evidence.vectors @ TEXTS.T, dim=1), expected, rtol=1e-5, atol=1e-6
    )


def test_what_nothing_has_seen_weighs_nothing():
    blind = Source(torch.zeros(1, 3), 100.0, torch.zeros(1))
    evidence = semantic_guided([blind], TEXTS, torch.tensor([0]))
    assert evidence.weights.tolist() == [0.0]
    assert torch.isfinite(evidence.vectors).all()


def test_points_are_alone_however_many_there_are():
    generator = torch.Generator().manual_seed(0)
    embeddings = torch.nn.functional.normalize(torch.randn(5000, 3, generator=generator), dim=1)
    text_of_point = torch.randint(3, (5000,), generator=generator)
    evidence = semantic_guided([Source(embeddings, 4.0, torch.ones(5000))], TEXTS, text_of_point)
    torch.testing.assert_close(evidence.vectors, 4 * embeddings)
    torch.testing.assert_close(
        evidence.weights, embeddings[torch.arange(5000), text_of_point].exp()
    )
