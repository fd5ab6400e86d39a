"""The state of an unfinished run: weights, optimizer and step in one safetensors file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.parser import config_to_dict

_OPTIMISER = "optimizer"


def save_training_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    config: Any,
    step: int,
) -> None:
    """Write the state; the file is replaced only when it is complete.

    Args:
        path: Ends in .safetensors.
        modules: What is being trained, by names without a dot.
        optimizer: Theirs.
        config: Of the run, a dataclass; a state belongs to one configuration.
        step: Steps that are done.
    """
    tensors = {
        f"{name}.{key}": value.detach().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for number, moments in optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            if value is not None:  # SGD keeps an empty momentum before its first step
                tensors[f"{_OPTIMISER}.{number}.{key}"] = value
    metadata = {"step": str(step), "config": json.dumps(config_to_dict(config))}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        save_file({k: v.contiguous() for k, v in tensors.items()}, draft, metadata=metadata)


def load_training_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    config: Any,
) -> int:
    """Continue from a state.

    Args:
        path: Written by `save_training_checkpoint`.
        modules: The same names; they take the weights.
        optimizer: Takes the moments.
        config: Must be the state's.

    Returns:
        Steps that are done.

    Raises:
        ValueError: If the file is damaged or belongs to another configuration.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged state ({error}); delete it to start anew") from error
    if metadata["config"] != json.dumps(config_to_dict(config)):
        raise ValueError(
            f"{path}: state of a run with another configuration; delete it to start anew"
        )
    by_owner: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        owner, _, name = key.partition(".")
        by_owner.setdefault(owner, {})[name] = value
    for name, module in modules.items():
        module.load_state_dict(by_owner[name])
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in by_owner.get(_OPTIMISER, {}).items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return int(metadata["step"])
