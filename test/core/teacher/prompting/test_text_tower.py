"""The text tower reads each beginning of a text once, and says what open_clip's says."""

import pytest
import torch

from clip2scene_core.teacher.loading.architecture import make_model
from clip2scene_core.teacher.openclip import open_clip
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES
from clip2scene_core.teacher.prompting.text_tower import encode_tokens

VISION = {"layers": 1, "width": 16, "head_width": 8, "patch_size": 16, "image_size": 32}
TEXT = {"context_length": 16, "width": 16, "heads": 2, "layers": 3, "ls_init_value": 0.3}
TEXTS = [template.format(word) for word in ("bus", "tree") for template in PROMPT_TEMPLATES[:20]]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return make_model("tiny", {"embed_dim": 8, "vision_cfg": VISION, "text_cfg": TEXT}).eval()


def tokens_of(texts):
    return open_clip.SimpleTokenizer(context_length=16)(texts)


@torch.no_grad()
@pytest.mark.parametrize(
    "texts", [TEXTS, TEXTS[::-1], ["bus"], ["bus", "bus", "a bus", "bus"]], ids=len
)
def test_texts_that_begin_alike_are_embedded_as_by_open_clip(model, texts):
    tokens = tokens_of(texts)
    embeddings = encode_tokens(model, tokens)
    torch.testing.assert_close(embeddings, model.encode_text(tokens), atol=1e-5, rtol=0)


def test_the_gradient_is_that_of_open_clip(model):
    tokens = tokens_of(TEXTS)
    weights = [*model.transformer.parameters(), model.token_embedding.weight]
    ours = torch.autograd.grad(encode_tokens(model, tokens).square().sum(), weights)
    theirs = torch.autograd.grad(model.encode_text(tokens).square().sum(), weights)
    for own, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, other, atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_a_beginning_is_computed_once(model):
    tokens = tokens_of(["a photo of a bus", "a photo of a tree", "a photo of a tree"])
    rows = []
    handle = model.transformer.resblocks[0].mlp.register_forward_hook(
        lambda module, inputs, output: rows.append(len(output))
    )
    encode_tokens(model, tokens[:, :7])
    handle.remove()
    # Start and four words once, the fifth word and the end for each of two texts.
    assert rows == [5 + 2 * 2]
