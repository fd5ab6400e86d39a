"""Loading a CLIP by name, and the file of the small one."""

from __future__ import annotations

import logging
from copy import deepcopy

import numpy as np
import pytest
import torch
from checkout import SHARED_DATA
from clip_files import tiny_clip
from PIL import Image
from safetensors.torch import load_file, save_file

from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.openclip import VisionTransformer, open_clip
from clip2scene_core.teacher.prompting.prompts import PROMPT_TEMPLATES, embed_prompts
from clip2scene_core.teacher.prompting.tokenizer import CompactBytePairTokenizer
from clip2scene_core.teacher.small_clip import (
    SMALL_VIT,
    SmallClipFile,
    SmallClipShape,
    build_small_clip,
    load_small_clip,
    save_small_clip,
)

SHAPE = SmallClipShape(width=4, embedding_size=16, text_width=16, text_heads=2, image_height=40)
PHOTO = SHARED_DATA / "clip_preprocessing"


def small_clip_file(shape=SHAPE):
    tokenizer = CompactBytePairTokenizer.of_captions(
        ["a car"], ["a photo of a {}."], shape.context_length
    )
    torch.manual_seed(0)
    return SmallClipFile(
        model=build_small_clip(shape, tokenizer.size).eval(),
        shape=shape,
        tokenizer=tokenizer,
        mean=(0.4, 0.5, 0.6),
        std=(0.1, 0.2, 0.3),
        training={"num_pictures": 7},
    )


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "clip.safetensors"
    small_clip = small_clip_file()
    save_small_clip(path, small_clip)
    return path, small_clip


def halved_matrices(model):
    """A copy whose matrices went through half precision, as the file keeps them."""
    copied = deepcopy(model)
    for weight in copied.state_dict().values():
        if weight.ndim > 1:
            weight.copy_(weight.half())
    return copied


def test_a_small_clip_comes_back_as_it_was_saved(saved):
    path, small_clip = saved
    loaded = load_small_clip(path)
    assert loaded.shape == small_clip.shape
    assert loaded.tokenizer == small_clip.tokenizer
    assert (loaded.mean, loaded.std) == (small_clip.mean, small_clip.std)
    assert loaded.training == {"num_pictures": 7}
    images = torch.rand(2, 3, 48, 80)
    halved = halved_matrices(small_clip.model)
    assert torch.equal(loaded.model.visual(images), halved.visual(images))


def test_a_small_clip_is_loaded_by_name(saved):
    clip = load_clip(f"small:{saved[0]}")
    assert clip.image_height == 40
    assert clip.embedding_size == 16
    assert clip.known_words == ("a", "car")
    assert not any(parameter.requires_grad for parameter in clip.model.parameters())
    assert not clip.model.training
    assert embed_prompts(clip, ["car"], ["a photo of a {}."]).shape == (1, 16)


@pytest.mark.parametrize("stride", [4, 8, 16, 32])
def test_the_small_clip_has_the_wanted_stride(stride):
    shape = SmallClipShape(
        width=4, stride=stride, embedding_size=16, text_width=16, text_heads=2, image_height=64
    )
    clip_file = small_clip_file(shape)
    assert clip_file.model.visual(torch.rand(1, 3, 64, 96)).shape == (1, 16)
    features = clip_file.model.visual.forward_intermediates(
        torch.rand(1, 3, 64, 96), indices=1, intermediates_only=True
    )["image_intermediates"][-1]
    assert features.shape[2:] == (64 // stride, 96 // stride)


@torch.no_grad()
def test_the_tower_may_be_a_vision_transformer(tmp_path):
    shape = SmallClipShape(
        layers=2, width=32, head_width=16, embedding_size=16, text_width=16, text_heads=2,
        image_height=40,
    )  # fmt: skip
    path = tmp_path / "clip.safetensors"
    small_clip = small_clip_file(shape)
    save_small_clip(path, small_clip)
    clip = load_clip(f"small:{path}")
    assert load_small_clip(path).shape == shape
    assert isinstance(clip.model.visual, VisionTransformer)
    dense = DenseClip(clip).embed_pixels(torch.rand(1, 3, 80, 160))
    assert dense.shape == (1, 16, 5, 10)
    images = torch.rand(2, 3, 112, 112)
    halved = halved_matrices(small_clip.model)
    assert torch.equal(clip.model.visual(images), halved.visual(images))


@pytest.mark.parametrize("shape", [SmallClipShape(), SMALL_VIT])
def test_a_small_clip_s_file_is_small(shape, tmp_path):
    path = tmp_path / "clip.safetensors"
    words = " ".join(open_clip.IMAGENET_CLASSNAMES)  # many more than any caption of ours
    tokenizer = CompactBytePairTokenizer.of_captions([words], PROMPT_TEMPLATES, 56)
    model = build_small_clip(shape, tokenizer.size)
    save_small_clip(path, SmallClipFile(model, shape, tokenizer, (0.5,) * 3, (0.5,) * 3, {}))
    assert len(tokenizer.words) > 1000
    assert path.stat().st_size < 10e6


@torch.no_grad()
def test_pooling_mixes_exactly_the_dense_embeddings(saved):
    # One colour everywhere but at the border: with equal places, pooled = dense at each place.
    model = saved[1].model
    features = torch.rand(1, 128, 1, 1).expand(1, 128, 3, 5)
    pooled = model.visual.attnpool(features)[0]
    pool = model.visual.attnpool
    dense = pool.c_proj(pool.v_proj(features[0, :, 2, 4]))
    torch.testing.assert_close(pooled, dense)


@torch.no_grad()
def test_the_position_free_pool_equals_open_clip_s_with_zero_positions():
    torch.manual_seed(1)
    stock = open_clip.CLIP(
        embed_dim=16,
        vision_cfg={"layers": [1, 1, 1, 1], "width": 4, "head_width": 32, "image_size": 64},
        text_cfg={"vocab_size": 8, "context_length": 4, "width": 16, "heads": 2, "layers": 1},
    ).visual.attnpool
    stock.positional_embedding.zero_()
    ours = build_small_clip(SHAPE, 8).visual.attnpool
    ours.load_state_dict({n: w for n, w in stock.state_dict().items() if "positional" not in n})
    ours.num_heads = stock.num_heads
    features = torch.rand(3, 128, 2, 2)
    torch.testing.assert_close(ours(features), stock(features), atol=1e-5, rtol=1e-5)


def test_a_missing_weight_is_an_error(saved, tmp_path):
    path, small_clip = saved
    weights = load_file(path)
    del weights["visual.conv1.weight"]
    broken = tmp_path / "broken.safetensors"
    small_clip.model.visual.conv1.weight = None
    save_small_clip(broken, small_clip)
    with pytest.raises(ValueError, match=r"weights do not fit.*visual\.conv1\.weight"):
        load_clip(f"small:{broken}")


def test_other_files_are_refused(tmp_path):
    text = tmp_path / "text.safetensors"
    text.write_text("not weights at all")
    with pytest.raises(ValueError, match="damaged small CLIP"):
        load_clip(f"small:{text}")
    weights = tmp_path / "weights.safetensors"
    save_file({"x": torch.zeros(1)}, weights)
    with pytest.raises(ValueError, match="is not a small CLIP"):
        load_clip(f"small:{weights}")
    save_file({"x": torch.zeros(1)}, weights, {"format": "clip2scene small CLIP 1"})
    with pytest.raises(ValueError, match=r"older clip2scene .* `clip2scene clip train`"):
        load_clip(f"small:{weights}")
    with pytest.raises(FileNotFoundError, match="no small CLIP at"):
        load_clip(f"small:{tmp_path / 'absent.safetensors'}")


def test_impossible_shapes_are_refused():
    with pytest.raises(ValueError, match="stride must be 4, 8, 16 or 32, got 7"):
        SmallClipShape(stride=7)
    with pytest.raises(ValueError, match=r"width \* 32 must be a multiple of head_width"):
        SmallClipShape(width=5, head_width=64)
    with pytest.raises(ValueError, match="width must be a multiple of head_width, got 16 and 64"):
        SmallClipShape(layers=3, width=16, head_width=64)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("large", "cannot be read; say small, ARCHITECTURE/TAG"),
        ("", "cannot be read"),
        ("ViT-B-16/", "cannot be read"),
        ("ViT-Z-16/openai", "open_clip has no architecture 'ViT-Z-16'"),
        ("ViT-B-16/nobody", "has no weights 'nobody' for ViT-B-16; it has openai"),
        ("coca_ViT-B-32/laion2b_s13b_b90k", r"writes captions and pools them \(CoCa\).*RN\* work"),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", "has the text tower roberta-base of transformers"),
        ("convnext_base/laion400m_s13b_b51k", "has a ConvNeXt, whose patches are not read"),
        ("MobileCLIP-S1/datacompdr", "has a FastVit, whose patches are not read"),
    ],
)
def test_names_that_cannot_be_loaded_are_explained_in_one_line(name, message):
    with pytest.raises(ValueError, match=message) as refusal:
        load_clip(name)
    assert "\n" not in str(refusal.value)


def test_a_bare_file_is_asked_what_it_is(tmp_path):
    path = tmp_path / "clip.safetensors"
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=f"is a file; say whose weights it holds: small:{path}"):
        load_clip(str(path))


def test_a_missing_weight_file_is_named():
    with pytest.raises(FileNotFoundError, match=r"no file nowhere\.pt; correct the path"):
        load_clip("ViT-B-16:nowhere.pt")


def test_local_weights_of_another_architecture_are_refused_in_one_line(tmp_path, caplog):
    path = tmp_path / "weights.safetensors"
    save_file({"x": torch.zeros(1)}, path)
    caplog.set_level(logging.ERROR)
    with pytest.raises(ValueError, match="CLIP 'RN50:") as refusal:
        load_clip(f"RN50:{path}")
    assert "\n" not in str(refusal.value)


def test_openai_s_tag_is_run_with_quick_gelu(monkeypatch):
    asked = {}

    def create_model(architecture, **arguments):
        asked.update(arguments, architecture=architecture)
        raise OSError("no network here")

    monkeypatch.setattr(open_clip, "create_model", create_model)
    with pytest.raises(ValueError, match="CLIP 'ViT-B-16/openai': no network here"):
        load_clip("ViT-B-16/openai")
    assert asked["force_quick_gelu"] is True
    assert asked["require_pretrained"] is True
    with pytest.raises(ValueError, match="no network here"):
        load_clip("ViT-B-16/laion2b_s34b_b88k")
    assert asked["force_quick_gelu"] is False


def test_local_weights_without_quick_gelu_are_pointed_out(tmp_path, caplog, monkeypatch):
    path = tmp_path / "weights.safetensors"
    for quick_gelu in (False, True):
        architecture, model = tiny_clip(monkeypatch, quick_gelu)
        save_file(model.state_dict(), path)
        load_clip(f"{architecture}:{path}")
    assert caplog.text.count("name tiny-quickgelu if they are OpenAI's") == 1


def test_local_weights_are_loaded_with_openai_s_constants(tmp_path, monkeypatch):
    path = tmp_path / "weights.safetensors"
    _, model = tiny_clip(monkeypatch)
    save_file(model.state_dict(), path)
    clip = load_clip(f"tiny-quickgelu:{path}")
    assert clip.mean == (0.48145466, 0.4578275, 0.40821073)
    assert clip.std == (0.26862954, 0.26130258, 0.27577711)
    assert clip.image_height == 32
    assert type(clip.model.visual.transformer.resblocks[0].mlp.gelu).__name__ == "QuickGELU"
    torch.testing.assert_close(clip.model.visual.proj, model.visual.proj)


@pytest.mark.skipif(
    not PHOTO.is_dir(), reason="the photo that OpenAI preprocessed is not beside this repository"
)
def test_normalised_pixels_equal_clip_s_published_preprocessing(monkeypatch):
    expected = torch.from_numpy(np.load(PHOTO / "expected_preprocessed_image.npy"))
    model = open_clip.create_model("RN50-quickgelu")
    mean, std = model.visual.image_mean, model.visual.image_std
    transform = open_clip.transform.image_transform(
        224, is_train=False, mean=(0,) * 3, std=(1,) * 3
    )
    image = transform(Image.open(PHOTO / "franz-kafka.jpg"))[None]  # resized, cropped, in [0, 1]
    clip = load_clip_of(model)
    assert (clip.mean, clip.std) == (mean, std)
    pixels = DenseClip(clip)._preprocess(image)
    assert pixels.shape == expected.shape == (1, 3, 224, 224)
    torch.testing.assert_close(pixels, expected.float(), atol=1e-2, rtol=0)


def load_clip_of(model):
    from clip2scene_core.teacher.clip import clip_of_model

    return clip_of_model("RN50", model)


@torch.no_grad()
@pytest.mark.parametrize(
    ("architecture", "places"), [("ViT-B-16-quickgelu", (4, 7)), ("RN50-quickgelu", (2, 4))]
)
def test_real_architectures_give_dense_embeddings(architecture, places):
    clip = load_clip_of(open_clip.create_model(architecture))
    dense = DenseClip(clip, image_height=64).embed_pixels(torch.rand(1, 3, 90, 160))
    assert dense.shape == (1, clip.embedding_size, *places)
    torch.testing.assert_close(dense.norm(dim=1), torch.ones(1, *places))
