"""Files of torch.save to tensors, without running anything that they hold."""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from clip2scene_core.checkpoint import CheckpointError
from clip2scene_core.files.kind import TORCH_SAVE, TORCH_SCRIPT, kind_of_file

_OWNERS: Final = ("model_points", "state_dict", "model_state", "model")
"""Keys under which the released trainers save the weights."""

_PREFIXES: Final = ("model.", "model_points.", "module.", "encoder.")
"""What Lightning and parallel training put before names, in the order in which it is taken off."""


@dataclass(frozen=True)
class PickledWeights:
    """The weights of one network, under the names of its code.

    Attributes:
        path: File that they are from.
        state: Tensors by name, on the CPU; floating ones are float32.
        settings: The configuration in the file, as far as it is numbers, texts and lists of them,
            without the paths of another machine; empty if the file has none.
    """

    path: Path
    state: dict[str, Tensor]
    settings: dict[str, Any]


def read_pickled(path: Path) -> PickledWeights:
    """Read the weights of a released checkpoint.

    The unpickler is torch's restricted one: it builds tensors, numbers, texts and containers of
    them, and refuses the file at the first other thing.

    Args:
        path: File of torch.save: a dictionary of tensors, or one that holds it as "model_points",
            "state_dict", "model_state" or "model". Other networks beside it are not read.

    Raises:
        CheckpointError: If the file is missing, damaged, holds more than weights, or none.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a file of torch.save")
    kind = kind_of_file(path)
    if kind not in (TORCH_SAVE, TORCH_SCRIPT, ""):
        remedy = "" if ";" in kind else ", not a file of torch.save"
        raise CheckpointError(f"{path}: {kind}{remedy}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{path}: not a file of weights alone ({_refused(error)}), so nothing of it was "
            f"loaded. If you trust whoever made it, save its weights again where its code is: "
            f"torch.save(torch.load(path, weights_only=False)['model_points'], 'weights.pt')"
        ) from error
    except Exception as error:  # what a damaged file raises is not documented, and is many things
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{path}: not a whole file of torch.save ({reason})") from error
    settings = content.get("config") if isinstance(content, dict) else None
    plain = {str(name): value for name, value in (settings or {}).items() if _is_plain(value)}
    return PickledWeights(path, _read_state(path, content), plain)


def _read_state(path: Path, content: Any) -> dict[str, Tensor]:
    state = content
    if isinstance(content, dict):
        state = next((content[key] for key in _OWNERS if key in content), content)
    if not isinstance(state, dict) or not any(isinstance(v, Tensor) for v in state.values()):
        held = ", ".join(map(str, content)) if isinstance(content, dict) else type(content).__name__
        raise CheckpointError(
            f"{path}: no weights in it, it holds {held or 'nothing'}; expected tensors by name, "
            f"under one of {', '.join(_OWNERS)} or alone"
        )
    for prefix in _PREFIXES:
        own = {k[len(prefix) :]: v for k, v in state.items() if str(k).startswith(prefix)}
        state = own or state
    odd = [str(name) for name, value in state.items() if not isinstance(value, Tensor)]
    if odd:
        raise CheckpointError(f"{path}: {', '.join(odd[:5])} among the weights are no tensors")
    broken = [n for n, v in state.items() if v.is_floating_point() and not v.isfinite().all()]
    if broken:
        raise CheckpointError(f"{path}: {', '.join(broken[:5])} hold numbers that are not finite")
    return {
        str(name): value.detach().float() if value.is_floating_point() else value
        for name, value in state.items()
    }


def _refused(error: Exception) -> str:
    """What the restricted unpickler met, in a few words of its long message."""
    found = re.search(r"(?:GLOBAL|Unsupported \w+:?(?: GLOBAL)?) ([\w.]+)", str(error))
    return f"it wants {found.group(1)}" if found else " ".join(str(error).split())[:120]


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    if isinstance(value, str):
        return "/" not in value
    return value is None or isinstance(value, (int, float))
