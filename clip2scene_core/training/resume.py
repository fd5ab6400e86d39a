"""The training checkpoint: all that an unfinished run needs to resume, in a safetensors file.

It holds the weights, the moments of the optimizer, the number of steps and the configuration.
"""

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

_OPTIMIZER = "optimizer"


def save_training_checkpoint(
    path: Path,
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    config: Any,
    step: int,
) -> None:
    """Write a training checkpoint. An older file is replaced when the new one is complete.

    Args:
        path: File to write, .safetensors.
        modules: Modules to save, by names without a dot.
        optimizer: Optimizer of their parameters.
        config: Dataclass with everything that decides the result of the run.
        step: Number of steps that are done.
    """
    tensors = {
        f"{name}.{key}": value.detach().clone()
        for name, module in modules.items()
        for key, value in module.state_dict().items()
    }
    for number, moments in optimizer.state_dict()["state"].items():
        for key, value in moments.items():
            if value is not None:  # SGD keeps an empty momentum before its first step
                tensors[f"{_OPTIMIZER}.{number}.{key}"] = value
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
    """Load a training checkpoint.

    Args:
        path: File that `save_training_checkpoint` wrote.
        modules: Modules to load the weights into, by the names in the file.
        optimizer: Optimizer to load the moments into.
        config: Must be equal to the configuration in the file.

    Returns:
        Number of steps that are done.

    Raises:
        ValueError: If the file is damaged or belongs to another configuration.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata()
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(
            f"{path}: damaged training checkpoint ({error}); delete it to start anew"
        ) from error
    if metadata["config"] != json.dumps(config_to_dict(config)):
        raise ValueError(
            f"{path}: training checkpoint of a run with another configuration; delete it to start "
            "anew"
        )
    by_owner: dict[str, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        owner, _, name = key.partition(".")
        by_owner.setdefault(owner, {})[name] = value
    for name, module in modules.items():
        module.load_state_dict(by_owner[name])
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in by_owner.get(_OPTIMIZER, {}).items():
        number, _, name = key.partition(".")
        moments.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict(optimizer.state_dict() | {"state": moments})
    return int(metadata["step"])
