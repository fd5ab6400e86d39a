"""CLIP files as they circulate, of a tiny CLIP: what OpenAI, open_clip and transformers write."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from clip2scene_core.teacher.openclip import CLIP, open_clip

TINY = {
    "embed_dim": 16,
    "vision_cfg": {"layers": 2, "width": 16, "head_width": 8, "patch_size": 16, "image_size": 32},
    "text_cfg": {"width": 16, "heads": 2, "layers": 1},
}


def tiny_clip(monkeypatch: pytest.MonkeyPatch, quick_gelu: bool = True) -> tuple[str, CLIP]:
    """Make open_clip know a tiny architecture; its name, and a CLIP of it with random weights."""
    name = "tiny-quickgelu" if quick_gelu else "tiny"
    config = {**TINY, "quick_gelu": True} if quick_gelu else TINY
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, name, config)
    torch.manual_seed(1)
    return name, CLIP(**config).eval()


def save_as_openai(model: nn.Module, path: Path) -> None:
    """Write TorchScript as OpenAI did: half precision, and three numbers among the buffers."""

    class Archive(nn.Module):
        def forward(self, pixels: Tensor) -> Tensor:
            return pixels

    archive = Archive()
    for name, value in model.state_dict().items():
        *place, last = name.split(".")
        owner: nn.Module = archive
        for part in place:
            if part not in owner._modules:
                owner.add_module(part, nn.Module())
            owner = owner._modules[part]
        half = value.half() if value.is_floating_point() else value
        owner.register_parameter(last, nn.Parameter(half, requires_grad=False))
    for name, number in (("input_resolution", 32), ("context_length", 77), ("vocab_size", 49408)):
        archive.register_buffer(name, torch.tensor(number))
    torch.jit.trace(archive, torch.zeros(1)).save(str(path))


def as_transformers(model: CLIP) -> dict[str, Tensor]:
    """Rename the weights of a CLIP the way transformers' own conversion script does."""
    state = {
        "logit_scale": model.logit_scale,
        "text_projection.weight": model.text_projection.T,
        "visual_projection.weight": model.visual.proj.T,
        "text_model.embeddings.token_embedding.weight": model.token_embedding.weight,
        "text_model.embeddings.position_embedding.weight": model.positional_embedding,
        "text_model.embeddings.position_ids": torch.arange(77)[None],
        "vision_model.embeddings.class_embedding": model.visual.class_embedding,
        "vision_model.embeddings.patch_embedding.weight": model.visual.conv1.weight,
        "vision_model.embeddings.position_embedding.weight": model.visual.positional_embedding,
    }
    norms = {
        "text_model.final_layer_norm": model.ln_final,
        "vision_model.pre_layrnorm": model.visual.ln_pre,
        "vision_model.post_layernorm": model.visual.ln_post,
    }
    for tower, transformer in (
        ("text_model", model.transformer),
        ("vision_model", model.visual.transformer),
    ):
        for number, block in enumerate(transformer.resblocks):
            place = f"{tower}.encoder.layers.{number}"
            norms[f"{place}.layer_norm1"], norms[f"{place}.layer_norm2"] = block.ln_1, block.ln_2
            norms[f"{place}.mlp.fc1"], norms[f"{place}.mlp.fc2"] = block.mlp.c_fc, block.mlp.c_proj
            norms[f"{place}.self_attn.out_proj"] = block.attn.out_proj
            width = block.attn.embed_dim
            for third, letter in enumerate("qkv"):
                rows = slice(third * width, (third + 1) * width)
                name = f"{place}.self_attn.{letter}_proj"
                state[f"{name}.weight"] = block.attn.in_proj_weight[rows]
                state[f"{name}.bias"] = block.attn.in_proj_bias[rows]
    for name, layer in norms.items():
        state[f"{name}.weight"], state[f"{name}.bias"] = layer.weight, layer.bias
    return {name: value.detach().clone().contiguous() for name, value in state.items()}


TRANSFORMERS_CONFIG = {
    "model_type": "clip",
    "projection_dim": 16,
    "text_config": {
        "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 1,
        "num_attention_heads": 2,
    },
    "vision_config": {
        "hidden_size": 16, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 2, "patch_size": 16, "image_size": 32,
    },
}  # fmt: skip
