"""A local file of CLIP's weights, of whatever origin, to tensors by open_clip's names."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors.torch import load_file
from torch import Tensor

from clip2scene_core.files.damage import name_damage, shortened
from clip2scene_core.files.kind import SAFETENSORS, TORCH_SAVE, TORCH_SCRIPT, kind_of_file
from clip2scene_core.files.pickled import Unread, read_archive, tensors_of
from clip2scene_core.teacher.loading.transformers_layout import (
    from_transformers,
    is_transformers_layout,
)
from clip2scene_core.teacher.openclip import CLIP, CustomTextCLIP

_OWNERS: Final = ("state_dict", "model_state_dict", "model_state", "model", "module")
"""Keys under which trainers save the weights."""

_MARKS: Final = ("visual.proj", "visual.conv1.weight", "visual_projection.weight", "logit_scale")
"""Weights that a CLIP has, in open_clip's or transformers' layout."""

_OF_BOTH: Final = ("visual.", "logit_scale", "logit_bias")
"""What is called the same in a CLIP and a CustomTextCLIP."""

_OPENAI_NUMBERS: Final = ("input_resolution", "context_length", "vocab_size")
"""Buffers beside the weights by which OpenAI's archives are known."""

_MADE_ANEW: Final = ("attn_mask", *_OPENAI_NUMBERS)


@dataclass(frozen=True)
class ClipWeights:
    """The weights of one CLIP.

    Attributes:
        path: File that they are from.
        state: Tensors by the names of open_clip.CLIP, on the CPU, finite.
        is_openai: Whether the file is one of OpenAI's archives, which were trained with QuickGELU.
    """

    path: Path
    state: dict[str, Tensor]
    is_openai: bool = False


def read_clip_weights(path: Path) -> ClipWeights:
    """Read the weights of a CLIP; no code of the file is run.

    Read are safetensors, torch.save (a dictionary of tensors, or one that holds it as "state_dict"
    or the like, with "module." before the names or another prefix), and TorchScript as OpenAI
    released it; in open_clip's layout or that of transformers' CLIPModel.

    Args:
        path: An existing file.

    Raises:
        ValueError: If the file is none of these, damaged, or holds no whole CLIP.
    """
    with name_damage(path, "file of weights"):
        kind = kind_of_file(path)
        content = _read_content(path, kind)
    if isinstance(content, Unread) and kind == TORCH_SCRIPT:
        with name_damage(path, kind):
            content = tensors_of(content)
    state = _without_prefix(_state_of(path, content))
    if "text.token_embedding.weight" in state:  # open_clip's CustomTextCLIP of the same parts
        state = {name.removeprefix("text."): value for name, value in state.items()}
    is_openai = all(number in state for number in _OPENAI_NUMBERS)
    if is_transformers_layout(state):
        try:
            state = from_transformers(state)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from error
    state = {name: value for name, value in state.items() if name not in _MADE_ANEW}
    else_it_is = _what_else(state)
    if else_it_is:
        raise ValueError(f"{path}: {else_it_is}")
    broken = [n for n, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise ValueError(f"{path}: {', '.join(broken[:3])} hold numbers that are not finite")
    return ClipWeights(path, state, is_openai)


def fill_clip(model: CLIP | CustomTextCLIP, weights: ClipWeights) -> None:
    """Put weights into a CLIP; all must be there and fit.

    Args:
        model: The CLIP. It may be on the meta device, to compare sizes before any memory is taken;
            then nothing is copied.
        weights: For it.

    Raises:
        ValueError: If weights are missing, left over, or of another size.
    """
    wanted = model.state_dict()
    state = dict(weights.state)
    if isinstance(model, CustomTextCLIP):
        state = {n if n.startswith(_OF_BOTH) else f"text.{n}": v for n, v in state.items()}
    for name in ("logit_scale", "logit_bias"):
        if name in state and name in wanted and state[name].numel() == 1:
            state[name] = state[name].reshape(wanted[name].shape)
    for name in ("visual.positional_embedding", "positional_embedding"):
        if name in state and state[name].shape[1:] == wanted[name].shape[1:]:
            _check_positions(weights.path, name, state[name], wanted[name])
    others = [
        f"{name} is {tuple(state[name].shape)} and not {tuple(value.shape)}"
        for name, value in wanted.items()
        if name in state and state[name].shape != value.shape
    ]
    missing = [name for name in wanted if name not in state]
    unknown = [name for name in state if name not in wanted]
    if others or missing or unknown:
        parts = [
            *([f"{len(others)} have another size ({others[0]})"] if others else []),
            *([f"{len(missing)} are missing ({missing[0]})"] if missing else []),
            *([f"{len(unknown)} are left over ({shortened(unknown[0], 60)})"] if unknown else []),
        ]
        raise ValueError(
            f"{weights.path}: its weights are of another architecture: of {len(wanted)} "
            f"{', '.join(parts)}"
        )
    if not model.logit_scale.is_meta:
        model.load_state_dict(state)


def _read_content(path: Path, kind: str) -> Any:
    if kind == SAFETENSORS:
        return load_file(path)
    if kind == TORCH_SCRIPT:
        return read_archive(path)
    if kind == TORCH_SAVE:
        if zipfile.is_zipfile(path):
            return read_archive(path)
        try:
            return torch.load(path, map_location="cpu", weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"it holds more than weights, nothing of it was run: {error}"
            ) from error
    raise ValueError(f"it is {kind or 'no file of weights'}")


def _state_of(path: Path, content: Any) -> dict[str, Tensor]:
    """Find the tensors by name in what was saved."""
    state = content
    if isinstance(content, dict):
        state = next(
            (content[key] for key in _OWNERS if isinstance(content.get(key), dict)), content
        )
    if isinstance(content, Unread) or (
        isinstance(content, dict) and isinstance(content.get("model"), Unread)
    ):
        raise ValueError(
            f"{path}: a pickled module, whose code would have to be run; save its weights where "
            f"its code is: torch.save(model.state_dict(), 'weights.pt')"
        )
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        held = type(state).__name__
        if isinstance(content, dict):
            held = ", ".join(str(key) for key in list(content)[:5])
        raise ValueError(f"{path}: holds no weights, but {shortened(held) or 'nothing'}")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def _without_prefix(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Take off what is before the names of a CLIP's weights; others do not belong to it."""
    for mark in _MARKS:
        for name in state:
            if name == mark or name.endswith(f".{mark}"):
                prefix = name.removesuffix(mark)
                return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}
    return state


def _what_else(state: Mapping[str, Tensor]) -> str:
    if any(name.startswith("visual.") for name in state) and "token_embedding.weight" in state:
        return ""
    if "visual.proj" in state or any(name.startswith("visual.") for name in state):
        return "it holds an image tower alone, without the text tower"
    if "class_embedding" in state or "vision_model.embeddings.class_embedding" in state:
        return "it holds an image tower alone, without the text tower"
    if "token_embedding.weight" in state or "text_model.final_layer_norm.weight" in state:
        return "it holds a text tower alone, without the image tower"
    if "adapter" in " ".join(state) or any(".lora_" in name for name in state):
        return "it holds an adapter (LoRA), not the weights of a CLIP; merge it into its CLIP first"
    names = ", ".join(list(state)[:3])
    return f"it holds no CLIP; its first weights are {shortened(names, 120)}"


def _check_positions(path: Path, name: str, given: Tensor, wanted: Tensor) -> None:
    if given.shape[0] != wanted.shape[0]:
        what = "image size" if name.startswith("visual") else "length of texts"
        raise ValueError(
            f"{path}: its {name} has {given.shape[0]} places, the architecture {wanted.shape[0]}; "
            f"name the architecture of this {what}, such as ViT-L-14-336"
        )
