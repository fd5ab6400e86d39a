"""Configurations of open_clip to models, as far as images can be read densely and texts at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch

from clip2scene_core.teacher.openclip import (
    CLIP,
    CustomTextCLIP,
    ModifiedResNet,
    TimmModel,
    VisionTransformer,
    open_clip,
)
from clip2scene_core.teacher.timm_tower import is_readable

_VOCABULARY: Final = 49408

_OWN_ATTENTION: Final = (
    "block_type", "qk_norm", "scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn",
    "scale_fc",
)  # fmt: skip
"""Of an image tower with another attention than that whose weights are read out."""

_WORKING: Final = (
    "ViT-* (also with SigLIP, SigLIP2 or CLIPA), PE-Core-*, EVA0*, MobileCLIP*-B and -L, ViTamin-* "
    "and RN* work"
)


@dataclass(frozen=True)
class TrainedAs:
    """What open_clip knows of the training of weights, beside the architecture.

    Attributes:
        mean: (red, green, blue), subtracted from images in [0, 1].
        std: (red, green, blue), divisor of images after that.
        quick_gelu: Whether towers of open_clip's own had QuickGELU.
    """

    mean: tuple[float, ...] = open_clip.OPENAI_DATASET_MEAN
    std: tuple[float, ...] = open_clip.OPENAI_DATASET_STD
    quick_gelu: bool = False


def trained_as(architecture: str, tag: str) -> TrainedAs | None:
    """Say how weights that open_clip knows by a tag were trained; None if it has no such tag."""
    config = open_clip.get_pretrained_cfg(architecture, tag)
    if not config:
        return None
    usual = TrainedAs()
    return TrainedAs(
        tuple(config.get("mean") or usual.mean),
        tuple(config.get("std") or usual.std),
        bool(config.get("quick_gelu", False)),
    )


def trainings_of(architecture: str) -> list[TrainedAs]:
    """List the ways in which the weights that open_clip knows of an architecture were trained."""
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    return list({known for tag in tags if (known := trained_as(architecture, tag)) is not None})


def architecture_config(name: str, architecture: str) -> dict[str, Any]:
    """Read open_clip's configuration of an architecture.

    Args:
        name: What the user calls the CLIP, for errors.
        architecture: Name of open_clip, such as "ViT-B-16".

    Returns:
        Its model configuration, with "quick_gelu".

    Raises:
        ValueError: If open_clip has none, or the model cannot be used, see `check_config`.
    """
    config: dict[str, Any] | None = open_clip.get_model_config(architecture)
    if config is None:
        raise ValueError(
            f"CLIP {name!r}: open_clip has no architecture {architecture!r}; "
            "ViT-B-16, ViT-L-14 and RN50 are three that it has"
        )
    check_config(name, architecture, config)
    is_quick = architecture.endswith("-quickgelu") or config.get("quick_gelu", False)
    return {**config, "quick_gelu": is_quick}


def check_config(name: str, architecture: str, config: dict[str, Any]) -> None:
    """Refuse a configuration whose model has no dense embeddings, or texts that are not read.

    Raises:
        ValueError: Naming what the model has, and which models work.
    """
    vision, text = config["vision_cfg"], config["text_cfg"]
    reason = ""
    if "multimodal_cfg" in config or vision.get("attentional_pool"):
        reason = "writes captions and pools them (CoCa)"
    elif text.get("hf_model_name"):
        reason = f"has the text tower {text['hf_model_name']} of transformers"
    elif text.get("tokenizer_mode"):
        reason = f"has a tokenizer of the mode {text['tokenizer_mode']!r}"
    elif any(vision.get(key) for key in _OWN_ATTENTION):
        reason = "has another attention in its image tower"
    elif any(mark in str(vision.get("timm_model_name") or "") for mark in ":/\\"):
        reason = f"names the image tower {vision['timm_model_name']!r}, which is none of timm's"
    if reason:
        raise ValueError(f"CLIP {name!r}: {architecture} {reason}, which is not read; {_WORKING}")
    if not text.get("hf_tokenizer_name") and text.get("vocab_size", _VOCABULARY) != _VOCABULARY:
        raise ValueError(
            f"CLIP {name!r}: {architecture} has {text['vocab_size']} tokens; without a tokenizer "
            f"of its own only CLIP's {_VOCABULARY} byte pairs are read"
        )


def check_buildable(name: str, config: dict[str, Any]) -> None:
    """Refuse a configuration whose image tower has no dense embeddings.

    The tower is made on the meta device: nothing takes memory or is downloaded before it is known
    to be of use.

    Args:
        name: What the user calls the CLIP, for errors.
        config: From `architecture_config`, or checked by `check_config`.

    Raises:
        ValueError: Naming the tower, and which models work.
    """
    with torch.device("meta"):
        make_model(name, config)


def make_model(name: str, config: dict[str, Any]) -> CLIP | CustomTextCLIP:
    """Make the model of a configuration, with random weights on the current default device.

    Args:
        name: What the user calls the CLIP, for errors.
        config: From `architecture_config`, or checked by `check_config`.

    Raises:
        ValueError: If its image tower has no dense embeddings.
    """
    parts = {key: value for key, value in config.items() if key != "custom_text"}
    # A folder's configuration must not make timm download weights.
    parts["vision_cfg"] = {**parts["vision_cfg"], "timm_model_pretrained": False}
    model = CustomTextCLIP(**parts) if config.get("custom_text") else CLIP(**parts)
    check_tower(name, model.visual)
    return model


def check_tower(name: str, visual: torch.nn.Module) -> None:
    """Refuse an image tower without dense embeddings.

    Raises:
        ValueError: Naming the tower, and which models work.
    """
    if isinstance(visual, (VisionTransformer, ModifiedResNet)):
        return
    if isinstance(visual, TimmModel) and is_readable(visual):
        return
    kind = type(visual.trunk if isinstance(visual, TimmModel) else visual).__name__
    raise ValueError(
        f"CLIP {name!r} has a {kind}, whose patches are not read; MaskCLIP needs a ViT or CLIP's "
        f"ResNet: {_WORKING}"
    )
