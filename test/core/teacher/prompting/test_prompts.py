"""Prompts: templates, averaging, what users are told about prompts that cannot be read."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from clip2scene_core.teacher.clip import Clip, clip_of_model
from clip2scene_core.teacher.loading.architecture import make_model
from clip2scene_core.teacher.openclip import CLIP, open_clip
from clip2scene_core.teacher.prompting.prompts import (
    IN_THE_SCENE_TEMPLATES,
    PROMPT_TEMPLATES,
    embed_prompts,
    tokenize,
)
from clip2scene_core.teacher.prompting.text_tower import encode_tokens
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer, PromptError
from clip2scene_core.teacher.small_clip import SmallClipShape, build_small_clip

VISION = {"layers": 1, "width": 16, "head_width": 8, "patch_size": 16, "image_size": 32}
CAPTIONS = ("a red car", "a traffic cone", "a green tree", "grass and a sidewalk")


@pytest.fixture(scope="module")
def small():
    shape = SmallClipShape(width=4, embedding_size=16, text_width=16, text_heads=2)
    tokenizer = CompactBytePairTokenizer.of_captions(
        CAPTIONS, PROMPT_TEMPLATES, shape.context_length
    )
    torch.manual_seed(0)
    model = build_small_clip(shape, tokenizer.size)
    return Clip("small", model, tokenizer, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), 112)


@pytest.fixture(scope="module")
def byte_pair():
    torch.manual_seed(0)
    model = CLIP(
        embed_dim=16,
        vision_cfg=VISION,
        text_cfg={"width": 16, "heads": 2, "layers": 2},
    )
    open_clip.model.set_model_preprocess_cfg(
        model, {"mean": (0.5, 0.4, 0.3), "std": (0.2, 0.3, 0.4), "size": 32}
    )
    return clip_of_model("tiny", model)


def test_there_are_85_distinct_templates_with_one_place_each():
    assert len(set(PROMPT_TEMPLATES)) == len(PROMPT_TEMPLATES) == 85
    assert all(template.count("{}") == 1 for template in PROMPT_TEMPLATES)
    assert sum("in the scene" in template for template in PROMPT_TEMPLATES) == 5
    assert PROMPT_TEMPLATES[-5:] == IN_THE_SCENE_TEMPLATES


@pytest.mark.parametrize("name", ["small", "byte_pair"])
def test_embedding_is_the_normalised_mean_of_normalised_sentences(name, request):
    clip = request.getfixturevalue(name)
    sentences = [template.format("traffic cone") for template in PROMPT_TEMPLATES]
    tokens = torch.zeros(85, clip.model.context_length, dtype=torch.int64)
    for row, sentence in enumerate(sentences):
        sentence_tokens = tokenize(clip.tokenizer, [sentence])[0]
        tokens[row, : len(sentence_tokens)] = sentence_tokens
    with torch.no_grad():
        by_sentence = clip.model.encode_text(tokens, normalize=True)
    expected = F.normalize(by_sentence.mean(dim=0), dim=0)
    embeddings = embed_prompts(clip, ["red car" if name == "small" else "dog", "traffic cone"])
    torch.testing.assert_close(embeddings[1], expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(embeddings.norm(dim=1), torch.ones(2))


@torch.no_grad()
def test_padding_never_changes_an_embedding(byte_pair):
    tokens = tokenize(byte_pair.tokenizer, ["a car", "a photo of two traffic cones on a road"])
    alone = tokenize(byte_pair.tokenizer, ["a car"])
    padded = encode_tokens(byte_pair.model, tokens)[0]
    torch.testing.assert_close(encode_tokens(byte_pair.model, alone)[0], padded)


@torch.no_grad()
@pytest.mark.parametrize("has_own_module", [False, True])
@pytest.mark.parametrize(
    "kind",
    [
        {},  # CLIP, PE, EVA
        {"no_causal_mask": True},  # MobileCLIP2-L-14
        {"no_causal_mask": True, "pool_type": "last", "proj_bias": True},  # SigLIP
        {"pool_type": "eos", "eos_id": 49407},
        {"qk_norm": True},  # other blocks than CLIP's
    ],
    ids=str,
)
def test_every_text_tower_is_run_as_open_clip_runs_it(kind, has_own_module):
    torch.manual_seed(0)
    text = {"context_length": 12, "width": 16, "heads": 2, "layers": 2, **kind}
    config = {"embed_dim": 8, "vision_cfg": {**VISION, "image_size": 32}, "text_cfg": text}
    model = make_model("tiny", {**config, "custom_text": has_own_module}).eval()
    open_clip.model.set_model_preprocess_cfg(
        model, {"mean": (0.5,) * 3, "std": (0.5,) * 3, "size": 32}
    )
    clip = clip_of_model("tiny", model)
    texts = ["a bus", "a traffic cone in the scene."]
    tokens = tokenize(clip.tokenizer, texts)
    by_open_clip = model.encode_text(open_clip.SimpleTokenizer(context_length=12)(texts))
    torch.testing.assert_close(encode_tokens(model, tokens), by_open_clip, atol=1e-5, rtol=0)
    assert clip.embedding_size == 8


def test_a_prompt_that_was_asked_before_is_not_computed_again(small, monkeypatch):
    first = embed_prompts(small, ["red car", "tree"])
    monkeypatch.setattr(
        "clip2scene_core.teacher.prompting.prompts.encode_tokens",
        lambda *args: pytest.fail("computed again"),
    )
    again = embed_prompts(small, ["tree", "red car", "tree"])
    assert torch.equal(again, first[[1, 0, 1]])


def test_embeddings_asked_for_in_inference_mode_can_be_trained_against_later(small):
    with torch.inference_mode():
        embed_prompts(small, ["green car"])
    weight = torch.ones(16, requires_grad=True)
    (embed_prompts(small, ["green car"]) * weight).sum().backward()
    assert weight.grad is not None


def test_the_cache_forgets_the_prompts_not_asked_for_longest(small, monkeypatch):
    monkeypatch.setattr("clip2scene_core.teacher.prompting.prompts._CACHED_PROMPTS", 2)
    small.prompt_cache.clear()
    embed_prompts(small, ["car", "tree"])
    embed_prompts(small, ["car"])
    embed_prompts(small, ["cone"])
    assert [prompt for prompt, _ in small.prompt_cache] == ["car", "cone"]


def test_underscores_hyphens_and_capitals_do_not_matter_to_the_small_clip(small):
    one, other = embed_prompts(small, ["Traffic_Cone", "traffic-cone"])
    assert torch.equal(one, other)


@pytest.mark.parametrize("prompt", ["", "   ", "\n", "?!", "___"])
def test_a_prompt_without_a_word_is_refused(small, byte_pair, prompt):
    for clip in (small, byte_pair):
        with pytest.raises(PromptError, match="holds no word") as refusal:
            embed_prompts(clip, ["car", prompt])
        assert "\n" not in str(refusal.value)


def test_no_prompt_is_refused(small):
    with pytest.raises(PromptError, match="no prompt given"):
        embed_prompts(small, [])


def test_an_unknown_word_is_named_with_the_closest_known_ones(small):
    with pytest.raises(PromptError) as refusal:
        embed_prompts(small, ["car", "trafik cone"])
    message = str(refusal.value)
    assert "prompt 'trafik cone'" in message
    assert "never saw the word 'trafik'; closest known words: traffic" in message
    assert "clip2scene words" in message
    assert "\n" not in message


def test_a_word_of_a_template_alone_is_unknown(small):
    assert small.tokenizer.encode("origami")
    with pytest.raises(PromptError, match="'origami'"):
        embed_prompts(small, ["origami"])
    assert "origami" not in small.known_words
    assert "sidewalk" in small.known_words


def test_a_long_prompt_is_refused_not_cut(small, byte_pair):
    for clip, prompt in ((small, "red car " * 30), (byte_pair, "traffic cone " * 40)):
        with pytest.raises(PromptError, match=r"is too long: .* say it in fewer words") as refusal:
            embed_prompts(clip, [prompt])
        assert len(str(refusal.value)) < 250


def test_the_longest_prompt_that_fits_is_read(byte_pair):
    # 77 tokens less the longest template ("a photo of ... ." without the prompt), start and end.
    longest = max(len(byte_pair.tokenizer.encode(t.format(""))) for t in PROMPT_TEMPLATES)
    prompt = " ".join(["car"] * (77 - longest))
    assert embed_prompts(byte_pair, [prompt]).shape == (1, 16)
    with pytest.raises(PromptError, match="too long"):
        embed_prompts(byte_pair, [prompt + " car"])
