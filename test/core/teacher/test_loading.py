"""Local files of CLIPs with own towers and tokenizers, and what open_clip knows of tags."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from clip_files import tiny_clip
from safetensors.torch import save_file
from tiny_timm import PE, SIGLIP, shrink_timm, tiny_timm_config

from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.loading.architecture import (
    architecture_config,
    check_config,
    make_model,
    trainings_of,
)
from clip2scene_core.teacher.openclip import open_clip
from clip2scene_core.teacher.prompting.prompts import embed_prompts, tokenize

KNOWN = {
    "openai": {"quick_gelu": True},
    "laion": {"mean": (0.5, 0.5, 0.5), "std": (0.4, 0.4, 0.4)},
}
WORDS = ["<pad>", "</s>", "[CLS]", "[SEP]", "a", "bus", "traffic", "cone", "there", "is", "<unk>"]


def save_tokenizer(folder, template="$A </s>", **config):
    """Write a tokenizer of WORDS in Hugging Face's format, and its configuration."""
    tokenizers = pytest.importorskip("tokenizers", reason="pip install '.[tokenizers]'")
    numbers = {word: number for number, word in enumerate(WORDS)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="<unk>"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    special = [(word, numbers[word]) for word in ("</s>", "[CLS]", "[SEP]")]
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(template, None, special)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {"pad_token": {"content": "<pad>"}, **config}
    (folder / "tokenizer_config.json").write_text(json.dumps(names))


def save_folder(monkeypatch, folder, tower, **text):
    """Write a CLIP as open_clip keeps it; returns its model."""
    shrink_timm(monkeypatch)
    torch.manual_seed(0)
    config = tiny_timm_config(tower)
    config["text_cfg"] = {**config["text_cfg"], **text}
    model = make_model("tiny", config).eval()
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    pixels = {"mean": [0.5] * 3, "std": [0.5] * 3}
    content = {"model_cfg": config, "preprocess_cfg": pixels}
    (folder / "open_clip_config.json").write_text(json.dumps(content))
    return model


OF_SIGLIP = {
    "vocab_size": len(WORDS),
    "hf_tokenizer_name": "timm/ViT-B-16-SigLIP",
    "tokenizer_kwargs": {"clean": "canonicalize"},
    "no_causal_mask": True,
    "proj_bias": True,
    "pool_type": "last",
}


@torch.no_grad()
def test_a_folder_of_siglip_is_read_with_its_tokenizer(monkeypatch, tmp_path):
    model = save_folder(monkeypatch, tmp_path, SIGLIP, **OF_SIGLIP)
    save_tokenizer(tmp_path)
    clip = load_clip(f"local-dir:{tmp_path}")
    assert clip.mean == clip.std == (0.5, 0.5, 0.5)
    tokens = tokenize(clip.tokenizer, ["A Traffic-Cone?", "bus"])
    assert tokens.tolist() == [[4, 10, 1] + [0] * 13, [5, 1] + [0] * 14]  # cleaned: no hyphen
    found = embed_prompts(clip, ["traffic cone"], ["a {}", "there is a {}"])
    by_hand = torch.tensor([[4, 6, 7, 1] + [0] * 12, [8, 9, 4, 6, 7, 1] + [0] * 10])
    sentences = torch.nn.functional.normalize(model.encode_text(by_hand), dim=1)
    expected = torch.nn.functional.normalize(sentences.mean(dim=0, keepdim=True), dim=1)
    torch.testing.assert_close(found, expected)
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(clip.model.visual(image), model.visual(image))


@pytest.fixture
def siglip_folder(monkeypatch, tmp_path):
    save_folder(monkeypatch, tmp_path, SIGLIP, **OF_SIGLIP)
    return tmp_path


def test_a_long_prompt_is_refused_by_every_tokenizer(siglip_folder):
    save_tokenizer(siglip_folder)
    clip = load_clip(f"local-dir:{siglip_folder}")
    with pytest.raises(ValueError, match="reads 14 beside the longest template"):
        embed_prompts(clip, ["bus " * 15], ["a {}"])  # 16 places, less "a" and the end


def test_the_separator_of_clipa_is_removed_and_gemma_s_flags_are_kept(siglip_folder):
    folder, config = siglip_folder, siglip_folder / "open_clip_config.json"
    content = json.loads(config.read_text())
    content["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {"strip_sep_token": True}
    config.write_text(json.dumps(content))
    save_tokenizer(folder, "[CLS] $A [SEP]", sep_token="[SEP]")
    tokens = tokenize(load_clip(f"local-dir:{folder}").tokenizer, ["bus"])
    assert tokens[0, :4].tolist() == [2, 5, 0, 0]
    content["model_cfg"]["text_cfg"]["tokenizer_kwargs"] = {}
    config.write_text(json.dumps(content))
    flags = {"add_bos_token": False, "add_eos_token": True}
    save_tokenizer(folder, "[CLS] $A", bos_token="[CLS]", eos_token="</s>", **flags)
    tokens = tokenize(load_clip(f"local-dir:{folder}").tokenizer, ["bus"])
    assert tokens[0, :4].tolist() == [5, 1, 0, 0]


def test_missing_files_of_a_tokenizer_are_named(siglip_folder):
    pytest.importorskip("tokenizers", reason="pip install '.[tokenizers]'")
    with pytest.raises(ValueError, match=r"no tokenizer\.json in .* must lie beside its weights"):
        load_clip(f"local-dir:{siglip_folder}")
    (siglip_folder / "tokenizer.json").write_text("{}")
    (siglip_folder / "tokenizer_config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer\.json: damaged tokenizer"):
        load_clip(f"local-dir:{siglip_folder}")


def test_without_the_package_the_extra_is_named(siglip_folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(ValueError, match=r"pip install 'clip2scene\[tokenizers\]'"):
        load_clip(f"local-dir:{siglip_folder}")


def test_a_tokenizer_that_cannot_be_downloaded_is_said(monkeypatch):
    pytest.importorskip("tokenizers", reason="pip install '.[tokenizers]'")

    def download(repository, filename):
        raise FileNotFoundError("no network here")

    monkeypatch.setattr(open_clip.pretrained, "download_pretrained_from_hf", download)
    with pytest.raises(ValueError, match=r"no network here.*save the folder of timm/ViT-B-1"):
        load_clip("ViT-B-16-SigLIP/webli")


@torch.no_grad()
def test_a_file_for_an_architecture_with_a_tower_of_timm(monkeypatch, tmp_path):
    model = save_folder(monkeypatch, tmp_path, PE)
    config = json.loads((tmp_path / "open_clip_config.json").read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny-pe", config)
    clip = load_clip(f"tiny-pe:{tmp_path / 'open_clip_model.safetensors'}")
    image = torch.rand(1, 3, 64, 64)
    torch.testing.assert_close(clip.model.visual(image), model.visual(image))
    tokens = tokenize(clip.tokenizer, ["a bus"])
    assert tokens.shape == (1, 4)  # CLIP's byte pairs, and a causal tower
    # Another prefix, as trainers leave it.
    prefixed = {f"module.{name}": value for name, value in model.state_dict().items()}
    save_file(prefixed, tmp_path / "prefixed.safetensors")
    again = load_clip(f"tiny-pe:{tmp_path / 'prefixed.safetensors'}")
    torch.testing.assert_close(again.model.visual(image), model.visual(image))


def test_a_tag_says_how_the_weights_of_a_file_were_trained(tmp_path, monkeypatch, caplog):
    name, model = tiny_clip(monkeypatch, quick_gelu=False)
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, KNOWN)
    path = tmp_path / "weights.safetensors"
    save_file(model.state_dict(), path)
    openai, laion = load_clip(f"{name}/openai:{path}"), load_clip(f"{name}/laion:{path}")
    kinds = [type(c.model.visual.transformer.resblocks[0].mlp.gelu) for c in (openai, laion)]
    assert [kind.__name__ for kind in kinds] == ["QuickGELU", "GELU"]
    assert openai.mean == open_clip.OPENAI_DATASET_MEAN
    assert (laion.mean, laion.std) == ((0.5, 0.5, 0.5), (0.4, 0.4, 0.4))
    assert not caplog.text
    assert load_clip(f"{name}:{path}").mean == open_clip.OPENAI_DATASET_MEAN
    assert "other known ones with their tag, tiny/TAG:FILE" in caplog.text
    with pytest.raises(ValueError, match="has no weights 'nobody' for tiny; it has openai, laion"):
        load_clip(f"{name}/nobody:{path}")
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, name, {"laion": KNOWN["laion"]})
    assert load_clip(f"{name}:{path}").mean == (0.5, 0.5, 0.5)  # there is no other training


@pytest.mark.parametrize("architecture", open_clip.list_models())
def test_every_architecture_is_taken_or_refused_by_name(architecture):
    config = open_clip.get_model_config(architecture)
    is_other = "multimodal_cfg" in config or config["text_cfg"].get("hf_model_name")
    if is_other or config["text_cfg"].get("tokenizer_mode"):
        with pytest.raises(ValueError, match=f"CLIP 'x': {architecture} .* RN\\* work"):
            check_config("x", architecture, config)
    else:
        check_config("x", architecture, config)


def test_what_open_clip_knows_of_known_weights_is_known():
    (siglip,) = trainings_of("ViT-B-16-SigLIP2")
    assert (siglip.mean, siglip.std, siglip.quick_gelu) == ((0.5,) * 3, (0.5,) * 3, False)
    assert len(trainings_of("ViT-L-14")) == 3  # OpenAI's, laion2b's with mean 0.5, the others
    assert architecture_config("x", "ViT-B-32-quickgelu")["quick_gelu"]


def test_a_folder_names_no_tower_that_would_be_downloaded(siglip_folder):
    config = siglip_folder / "open_clip_config.json"
    content = json.loads(config.read_text())
    content["model_cfg"]["vision_cfg"]["timm_model_name"] = "hf-hub:someone/something"
    config.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="names the image tower 'hf-hub:someone/something'"):
        load_clip(f"local-dir:{siglip_folder}")
    content["model_cfg"]["vision_cfg"] = {**content["model_cfg"]["vision_cfg"], "qk_norm": True}
    content["model_cfg"]["vision_cfg"]["timm_model_name"] = None
    config.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="has another attention in its image tower"):
        load_clip(f"local-dir:{siglip_folder}")
