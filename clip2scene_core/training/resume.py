"""The training checkpoint: all that an unfinished run needs to resume, in a safetensors file.

It holds the weights, the moments of the optimizer, the number of steps and the configuration.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.files.damage import name_damage

_OPTIMIZER = "optimizer"


class LossError(ValueError):
    """A training that is not finite any more; the message says where."""


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

    Raises:
        LossError: If a number is not finite; an older file stays.
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
    refuse_not_finite(tensors)
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
    with name_damage(path, "training checkpoint", remedy="; delete it to start anew"):
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        step, differs = (
            int(metadata["step"]),
            _difference(metadata["config"], config_to_dict(config)),
        )
        refuse_not_finite(tensors)
    if differs:
        raise ValueError(
            f"{path}: training checkpoint of a run with {differs}; delete it to start anew"
        )
    with name_damage(path, "training checkpoint", remedy="; delete it to start anew"):
        _take(tensors, modules, optimizer)
    return step


def _take(
    tensors: Mapping[str, torch.Tensor],
    modules: Mapping[str, nn.Module],
    optimizer: torch.optim.Optimizer,
) -> None:
    """Load weights and moments."""
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


def refuse_not_finite(tensors: Mapping[str, torch.Tensor]) -> None:
    """Refuse to keep what a loss that is not finite has made.

    Args:
        tensors: By name, "owner.name". Thresholds are NaN where nothing is known of a class yet.

    Raises:
        LossError: If a number is not finite.
    """
    for name, value in tensors.items():
        is_checked = value.is_floating_point() and not name.startswith("thresholds.")
        if is_checked and not bool(torch.isfinite(value).all()):
            raise LossError(
                f"{name} is not finite after this training; lower training.learning_rate, and "
                f"check that all points of the data set are finite"
            )


def _difference(written: str, wanted: dict[str, Any]) -> str:
    """Say in which way a run differs from the one that wrote a checkpoint; "" if it does not."""
    found = json.loads(written)
    if not isinstance(found, dict):
        raise ValueError(f"its configuration is {written[:40]!r}")
    if found == json.loads(json.dumps(wanted)):
        return ""
    # A run is a configuration, or one among other things that decide the result.
    same_config = "config" in wanted and found.get("config") == json.loads(
        json.dumps(wanted["config"])
    )
    others = [key for key in ("start", "tokens", "keyframes") if found.get(key) != wanted.get(key)]
    if same_config and others == ["start"]:
        return "other weights to begin with"
    return "other keyframes, teacher or words" if same_config else "another configuration"
