"""Embeddings in fewer numbers."""

import pytest
import torch
from torch import nn

from clip2scene_core.network.span import EmbeddingSpan


@pytest.fixture
def features():
    return torch.randn(50, 12, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("size", "coordinates"), [(64, 16), (12, 16), (7, 8), (8, 8)])
@pytest.mark.parametrize("has_bias", [True, False])
def test_lengths_and_products_with_texts_are_those_of_the_embeddings(
    features, size, coordinates, has_bias
):
    torch.manual_seed(1)
    head = nn.Linear(12, size, bias=has_bias).requires_grad_(False)
    span = EmbeddingSpan(head)
    embeddings, located = head(features), span(features)
    assert located.shape == (50, span.size) == (50, coordinates)
    texts = torch.randn(5, size)
    torch.testing.assert_close(located.norm(dim=1), embeddings.norm(dim=1))
    products = located @ span.reduce(texts).T
    torch.testing.assert_close(products, embeddings @ texts.T, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(span.expand(located), embeddings, atol=1e-5, rtol=1e-5)


def test_a_head_whose_embeddings_span_less_is_no_special_case(features):
    head = nn.Linear(12, 32).requires_grad_(False)
    head.weight[:, 6:] = head.weight[:, :6]  # six directions, twice each
    head.bias.zero_()
    span = EmbeddingSpan(head)
    located = span(features)
    assert located.isfinite().all()
    torch.testing.assert_close(span.expand(located), head(features), atol=1e-5, rtol=1e-5)
