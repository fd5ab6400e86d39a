"""CLIP as Hugging Face's transformers saves it: its names and configuration made open_clip's.

transformers keeps queries, keys and values apart, and the two projections as linear layers;
open_clip has one weight for the three, and the projections as matrices from the left.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

import torch
from torch import Tensor

_MARKS: Final = ("text_model.embeddings.token_embedding.weight", "visual_projection.weight")

_WHOLE: Final = {
    "text_model.embeddings.token_embedding.weight": "token_embedding.weight",
    "text_model.embeddings.position_embedding.weight": "positional_embedding",
    "text_model.final_layer_norm.weight": "ln_final.weight",
    "text_model.final_layer_norm.bias": "ln_final.bias",
    "vision_model.embeddings.class_embedding": "visual.class_embedding",
    "vision_model.embeddings.patch_embedding.weight": "visual.conv1.weight",
    "vision_model.embeddings.position_embedding.weight": "visual.positional_embedding",
    # The letter is missing in transformers.
    "vision_model.pre_layrnorm.weight": "visual.ln_pre.weight",
    "vision_model.pre_layrnorm.bias": "visual.ln_pre.bias",
    "vision_model.post_layernorm.weight": "visual.ln_post.weight",
    "vision_model.post_layernorm.bias": "visual.ln_post.bias",
    "logit_scale": "logit_scale",
}
_TRANSPOSED: Final = {
    "text_projection.weight": "text_projection",
    "visual_projection.weight": "visual.proj",
}
_TOWERS: Final = {"text_model": "transformer", "vision_model": "visual.transformer"}
_PARTS: Final = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_BLOCK: Final = re.compile(
    r"(text_model|vision_model)\.encoder\.layers\.(\d+)\.(.+)\.(weight|bias)"
)
_SPLIT: Final = re.compile(r"self_attn\.([qkv])_proj")

_TEXT_DEFAULTS: Final = {
    "vocab_size": 49408, "hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 12,
    "num_attention_heads": 8, "max_position_embeddings": 77, "hidden_act": "quick_gelu",
}  # fmt: skip
_VISION_DEFAULTS: Final = {
    "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "image_size": 224, "patch_size": 32, "hidden_act": "quick_gelu",
}  # fmt: skip
"""What transformers leaves out of config.json."""


def is_transformers_layout(state: Mapping[str, Tensor]) -> bool:
    """Whether weights have transformers' names."""
    return all(mark in state for mark in _MARKS)


def from_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the weights of a CLIPModel, and join its queries, keys and values.

    Args:
        state: Tensors by the names of transformers.CLIPModel.

    Returns:
        Tensors by the names of open_clip.CLIP.

    Raises:
        ValueError: If a name is not a CLIPModel's, or a query, key or value is missing.
    """
    renamed: dict[str, Tensor] = {}
    split: dict[str, dict[str, Tensor]] = {}
    for name, value in state.items():
        block = _BLOCK.fullmatch(name)
        if name.endswith(".position_ids"):
            continue
        if name in _WHOLE:
            renamed[_WHOLE[name]] = value
        elif name in _TRANSPOSED:
            renamed[_TRANSPOSED[name]] = value.T.contiguous()
        elif block is None:
            raise ValueError(f"the weight {name!r} is not of transformers' CLIPModel")
        else:
            tower, number, part, kind = block.groups()
            place = f"{_TOWERS[tower]}.resblocks.{number}"
            letter = _SPLIT.fullmatch(part)
            if letter is not None:
                split.setdefault(f"{place}.attn.in_proj_{kind}", {})[letter[1]] = value
            elif part in _PARTS:
                renamed[f"{place}.{_PARTS[part]}.{kind}"] = value
            else:
                raise ValueError(f"the weight {name!r} is not of transformers' CLIPModel")
    for name, thirds in split.items():
        if sorted(thirds) != ["k", "q", "v"]:
            raise ValueError(f"of {name} there are only {', '.join(sorted(thirds))}")
        renamed[name] = torch.cat([thirds[letter] for letter in "qkv"])
    return renamed


def config_of_transformers(config: Mapping[str, Any]) -> dict[str, Any]:
    """Turn transformers' config.json of a CLIPModel into open_clip's model configuration.

    Raises:
        ValueError: If it is of another model, or of an activation that open_clip's CLIP lacks.
    """
    if config.get("model_type") != "clip":
        raise ValueError(
            f"config.json is of the model {config.get('model_type')!r}; only 'clip' is read"
        )
    text = {**_TEXT_DEFAULTS, **config.get("text_config", {})}
    vision = {**_VISION_DEFAULTS, **config.get("vision_config", {})}
    activations = {text["hidden_act"], vision["hidden_act"]}
    if len(activations) > 1 or not activations <= {"quick_gelu", "gelu"}:
        raise ValueError(f"its activations are {', '.join(sorted(map(str, activations)))}")
    return {
        "embed_dim": config.get("projection_dim", 512),
        "quick_gelu": activations == {"quick_gelu"},
        "vision_cfg": {
            "image_size": vision["image_size"],
            "layers": vision["num_hidden_layers"],
            "width": vision["hidden_size"],
            "head_width": vision["hidden_size"] // vision["num_attention_heads"],
            "mlp_ratio": vision["intermediate_size"] / vision["hidden_size"],
            "patch_size": vision["patch_size"],
        },
        "text_cfg": {
            "context_length": text["max_position_embeddings"],
            "vocab_size": text["vocab_size"],
            "width": text["hidden_size"],
            "heads": text["num_attention_heads"],
            "layers": text["num_hidden_layers"],
            "mlp_ratio": text["intermediate_size"] / text["hidden_size"],
        },
    }
