"""CLIP files of others: each layout gives the same embeddings, everything else is one line."""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from clip_files import TINY, TRANSFORMERS_CONFIG, as_transformers, save_as_openai, tiny_clip
from safetensors.torch import save_file

from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.openclip import open_clip


class Harmful:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


@pytest.fixture
def tiny(monkeypatch):
    return tiny_clip(monkeypatch)


@torch.no_grad()
def embeddings(clip_or_model):
    """Of an image and of a text."""
    model = getattr(clip_or_model, "model", clip_or_model)
    torch.manual_seed(5)
    tokens = torch.zeros(1, 77, dtype=torch.int64)
    tokens[0, :3] = torch.tensor([49406, 320, 49407])
    return torch.cat([model.encode_image(torch.rand(1, 3, 32, 32)), model.encode_text(tokens)])


def same(clip, model):
    torch.testing.assert_close(embeddings(clip), embeddings(model))
    return True


def halved(model):
    for value in model.state_dict().values():
        value.copy_(value.half())
    return model


def test_openai_s_archive_is_read_as_its_weights_are(tiny, tmp_path):
    name, model = tiny
    path = tmp_path / "openai.pt"
    save_as_openai(model, path)
    assert same(load_clip(f"{name}:{path}"), halved(model))


def test_openai_s_archive_is_run_with_quick_gelu_whatever_is_said(tmp_path, monkeypatch, caplog):
    _, quick = tiny_clip(monkeypatch)
    name, _ = tiny_clip(monkeypatch, quick_gelu=False)
    path = tmp_path / "openai.pt"
    save_as_openai(quick, path)
    assert same(load_clip(f"{name}:{path}"), halved(quick))
    assert caplog.text == ""


def test_the_code_in_an_archive_is_not_even_read(tiny, tmp_path):
    name, model = tiny
    path, changed = tmp_path / "openai.pt", tmp_path / "changed.pt"
    save_as_openai(model, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for info in old.infolist():
            code = b"this is no code" if "/code/" in info.filename else old.read(info)
            new.writestr(info.filename, code)
    assert same(load_clip(f"{name}:{changed}"), halved(model))


@pytest.mark.parametrize(
    "layout",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "epoch": 3},
        lambda state: {"state_dict": {f"module.{k}": v for k, v in state.items()}},
        lambda state: {f"_orig_mod.module.{k}": v for k, v in state.items()},
        lambda state: {"model": {f"clip_model.{k}": v for k, v in state.items()}},
        lambda state: {"epoch": 3, "best": np.float64(0.5), "state_dict": state},
        lambda state: {k: torch.nn.Parameter(v) for k, v in state.items()},
        lambda state: {k: v.bfloat16().float() for k, v in state.items()},
        lambda state: {**state, "attn_mask": torch.zeros(77, 77)},
        lambda state: {**state, "logit_scale": state["logit_scale"][None]},
        lambda state: {
            k if k.startswith("visual") or k == "logit_scale" else f"text.{k}": v
            for k, v in state.items()
        },
    ],
    ids=range(11),
)
@pytest.mark.parametrize("is_legacy", [False, True])
def test_what_torch_save_wrote_is_found_under_its_wrappings(tiny, tmp_path, layout, is_legacy):
    name, model = tiny
    content = layout(model.state_dict())
    if is_legacy and "best" in content:
        pytest.skip("torch's own restricted unpickler refuses numpy's numbers")
    if "attn_mask" not in content and "module" not in str(list(content)[:1]):
        for value in model.state_dict().values():
            value.copy_(value.bfloat16())
        content = layout(model.state_dict())
    path = tmp_path / "clip.pt"
    torch.save(content, path, _use_new_zipfile_serialization=not is_legacy)
    assert same(load_clip(f"{name}:{path}"), model)


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_transformers_layout_is_converted(tiny, tmp_path, file):
    name, model = tiny
    path = tmp_path / file
    state = as_transformers(model)
    save_file(state, path) if path.suffix == ".safetensors" else torch.save(state, path)
    assert same(load_clip(f"{name}:{path}"), model)


@pytest.mark.parametrize("prefix", ["", "model."])
def test_a_folder_of_transformers_says_its_architecture(tmp_path, monkeypatch, prefix):
    for activation, is_quick in (("quick_gelu", True), ("gelu", False)):
        _, model = tiny_clip(monkeypatch, quick_gelu=is_quick)
        state = {prefix + k: v for k, v in as_transformers(model).items()}
        save_file(state, tmp_path / "model.safetensors")
        config = json.loads(json.dumps(TRANSFORMERS_CONFIG))
        for tower in ("text_config", "vision_config"):
            config[tower]["hidden_act"] = activation
        (tmp_path / "config.json").write_text(json.dumps(config))
        colors = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.2, 0.1]}
        (tmp_path / "preprocessor_config.json").write_text(json.dumps(colors))
        clip = load_clip(f"local-dir:{tmp_path}")
        assert same(clip, model)
        assert (clip.mean, clip.std, clip.image_height) == ((0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 32)


def test_a_folder_of_open_clip_says_its_architecture(tiny, tmp_path):
    _, model = tiny
    torch.save(model.state_dict(), tmp_path / "open_clip_pytorch_model.bin")
    config = {"model_cfg": {**TINY, "quick_gelu": True}, "preprocess_cfg": {"mean": [0.5] * 3}}
    (tmp_path / "open_clip_config.json").write_text(json.dumps(config))
    clip = load_clip(f"local-dir:{tmp_path}")
    assert same(clip, model)
    assert clip.mean == (0.5, 0.5, 0.5)
    assert clip.std == open_clip.OPENAI_DATASET_STD


def test_a_name_of_the_hub_is_the_tag_that_open_clip_has(monkeypatch):
    asked = []

    def create_model(name, **arguments):
        asked.append((name, arguments))
        raise ZeroDivisionError("a division")

    monkeypatch.setattr(open_clip, "create_model", create_model)
    with pytest.raises(ValueError, match="division"):
        load_clip("hf-hub:laion/CLIP-ViT-B-16-laion2B-s34B-b88K")
    assert asked[0][0] == "ViT-B-16"
    assert asked[0][1]["pretrained"] == "laion2b_s34b_b88k"


def test_other_names_of_the_hub_are_downloaded_as_folders(tiny, tmp_path, monkeypatch):
    _, model = tiny
    save_file(as_transformers(model), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(TRANSFORMERS_CONFIG))
    wanted = []

    def download(repository, filename):
        wanted.append((repository, filename))
        if filename.startswith("open_clip"):
            raise FileNotFoundError("none\nhere")
        return str(tmp_path / filename.replace("pytorch_model.bin", "model.safetensors"))

    monkeypatch.setattr(open_clip.pretrained, "download_pretrained_from_hf", download)
    clip = load_clip("hf-hub:somebody/tiny")
    assert same(clip, model)
    assert clip.name == "hf-hub:somebody/tiny"
    monkeypatch.setattr(
        open_clip.pretrained,
        "download_pretrained_from_hf",
        lambda *a, **k: download("", "open_clip"),
    )
    with pytest.raises(ValueError, match=r"none here.*local-dir:FOLDER") as refusal:
        load_clip("hf-hub:somebody/tiny")
    assert "\n" not in str(refusal.value)
    for name in ("hf-hub:", "hf-hub:one", "hf-hub:a/b/c"):
        with pytest.raises(ValueError, match="hf-hub:OWNER/NAME"):
            load_clip(name)


def refusal_of(name):
    with pytest.raises((ValueError, OSError)) as refusal:
        load_clip(name)
    text = str(refusal.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "git lfs pull"),
        (b"<!DOCTYPE html><html><body>404 Not Found</body></html>", "a web page"),
        (b"  \n<html><body>404 Not Found</body></html>", "a web page"),
        (b"", "an empty file"),
        (b"\0" * 5000, "a file of zeros"),
        (b'{"error": "Access to model is restricted"}', "a JSON text"),
        (b"Repository not found", "a text"),
        (b"\x1f\x8b\x08\0\0\0", "a gzip archive"),
        (b"PK\x03\x04 cut off", "cut off"),
        (b"\x93NUMPY\x01\0", "a NumPy array"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
        (pickle.dumps({"a": 1}), "a Python pickle"),
        (bytes(range(1, 256)), "no file of weights"),
    ],
)
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".bin"])
def test_a_file_that_is_no_clip_is_named_for_what_it_is(tiny, tmp_path, content, said, suffix):
    path = tmp_path / f"clip{suffix}"
    path.write_bytes(content)
    assert said in refusal_of(f"{tiny[0]}:{path}")


def test_halves_of_files_are_refused_in_one_line(tiny, tmp_path):
    name, model = tiny
    whole = {
        suffix: tmp_path / f"whole{suffix}" for suffix in (".safetensors", ".pt", ".jit", ".old")
    }
    save_file(model.state_dict(), whole[".safetensors"])
    torch.save(model.state_dict(), whole[".pt"])
    save_as_openai(model, whole[".jit"])
    torch.save(model.state_dict(), whole[".old"], _use_new_zipfile_serialization=False)
    for suffix, path in whole.items():
        content = path.read_bytes()
        for part in (1, 7, 100, 1000, len(content) // 2, len(content) - 1):
            cut = tmp_path / f"cut{suffix}"
            cut.write_bytes(content[:part])
            refusal_of(f"{name}:{cut}")


def test_nothing_that_a_file_holds_is_run(tiny, tmp_path):
    name, model = tiny
    trap = tmp_path / "trap"
    harmful = {"state_dict": model.state_dict(), "extra": Harmful(trap)}
    torch.save(harmful, tmp_path / "new.pt")
    same(load_clip(f"{name}:{tmp_path / 'new.pt'}"), model)  # what is not read cannot harm
    torch.save(harmful, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    assert "nothing of it was run" in refusal_of(f"{name}:{tmp_path / 'old.pt'}")
    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(harmful))
    refusal_of(f"{name}:{tmp_path / 'pickle.pt'}")
    assert not trap.exists()


def test_what_is_no_whole_clip_is_named(tiny, tmp_path):
    name, model = tiny
    state = model.state_dict()
    path = tmp_path / "clip.pt"
    tower = {k.removeprefix("visual."): v for k, v in state.items() if k.startswith("visual.")}
    text = {k: v for k, v in state.items() if not k.startswith("visual.")}
    for content, said in (
        (model, "a pickled module"),
        ({}, "holds no weights, but nothing"),
        ({"epoch": 3}, "holds no weights, but epoch"),
        ([torch.zeros(1)], "holds no weights, but list"),
        (tower, "an image tower alone"),
        ({f"visual.{k}": v for k, v in tower.items()}, "an image tower alone"),
        (text, "a text tower alone"),
        ({"base.q.lora_A.weight": torch.zeros(1)}, "an adapter"),
        ({"stem.0.kernel": torch.zeros(1)}, "holds no CLIP; its first weights are stem.0.kernel"),
        ({**state, "visual.proj": torch.full((16, 16), torch.nan)}, "not finite"),
        ({**state, "visual.proj": torch.zeros(16, 8)}, "of another architecture: of 50"),
        ({**state, "more": torch.zeros(16, 8)}, "1 are left over (more)"),
        ({k: v for k, v in state.items() if k != "ln_final.bias"}, "1 are missing (ln_final.bias)"),
        (
            {**state, "visual.positional_embedding": torch.zeros(10, 16)},
            "name the architecture of this image size",
        ),
        ({k: v for k, v in as_transformers(model).items() if "k_proj" not in k}, "only q, v"),
        ({**as_transformers(model), "vision_model.odd": torch.zeros(1)}, "CLIPModel"),
    ):
        torch.save(content, path)
        assert said in refusal_of(f"{name}:{path}"), said


def test_folders_that_cannot_be_read_are_refused_in_one_line(tiny, tmp_path):
    name, model = tiny
    folder = f"local-dir:{tmp_path}"
    assert "no folder" in refusal_of("local-dir:nowhere")
    assert "has neither" in refusal_of(folder)
    assert f"local-dir:{tmp_path} reads folders" in refusal_of(f"{name}:{tmp_path}")
    config = tmp_path / "config.json"
    for content, said in (
        ("{", "damaged configuration"),
        ("[" * 100_000, "nested too deeply"),
        ("[]", "damaged configuration"),
        ('{"model_type": "siglip"}', "'siglip'; only 'clip'"),
        (json.dumps({**TRANSFORMERS_CONFIG, "vision_config": {"hidden_act": "silu"}}), "silu"),
        (
            json.dumps({**TRANSFORMERS_CONFIG, "projection_dim": 10**12}),
            "embed_dim must be in 1 to",
        ),
        (json.dumps({**TRANSFORMERS_CONFIG, "text_config": {"num_hidden_layers": 0}}), "layers"),
        (json.dumps(TRANSFORMERS_CONFIG), "has no weights"),
    ):
        config.write_text(content)
        assert said in refusal_of(folder), said
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert "in several files" in refusal_of(folder)
    large = json.loads(json.dumps(TRANSFORMERS_CONFIG))
    large["vision_config"] |= {"hidden_size": 16000, "num_attention_heads": 250}
    config.write_text(json.dumps(large))
    save_file(as_transformers(model), tmp_path / "model.safetensors")
    assert "of another architecture" in refusal_of(folder)  # compared before it is built
    config.write_text(json.dumps({**TRANSFORMERS_CONFIG, "text_config": {"vocab_size": 30522}}))
    assert "byte pairs" in refusal_of(folder)


def test_sizes_that_an_archive_claims_are_not_believed(tiny, tmp_path):
    name, model = tiny
    path, changed = tmp_path / "clip.pt", tmp_path / "changed.pt"
    one = torch.zeros(1)
    torch.save({**model.state_dict(), "visual.proj": one.expand(10**6, 10**6)}, path)
    refusal_of(f"{name}:{path}")
    torch.save(model.state_dict(), path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, old.read(info))
    assert "compressed" in refusal_of(f"{name}:{changed}")
