"""The state of an unfinished run: weights, optimiser and epoch in one safetensors file."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from clip2scene_core.config import PretrainConfig, config_to_dict


def save_state(
    path: Path,
    student: nn.Module,
    optimiser: torch.optim.Optimizer,
    config: PretrainConfig,
    epochs_done: int,
) -> None:
    """Write the state; the file is replaced only when it is complete.

    Args:
        path: Ends in .safetensors.
        student: Being trained.
        optimiser: Its AdamW.
        config: Of the run; a state belongs to one configuration.
        epochs_done: Whole epochs.
    """
    tensors = {f"student.{key}": value for key, value in student.state_dict().items()}
    for number, moments in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser.{number}.{key}": value for key, value in moments.items()}
    metadata = {"epochs_done": str(epochs_done), "config": json.dumps(config_to_dict(config))}
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file({k: v.contiguous() for k, v in tensors.items()}, unfinished, metadata=metadata)
    unfinished.replace(path)


def load_state(
    path: Path, student: nn.Module, optimiser: torch.optim.Optimizer, config: PretrainConfig
) -> int:
    """Continue from a state.

    Args:
        path: Written by `save_state`.
        student: Takes the weights.
        optimiser: Takes the moments.
        config: Must be the state's.

    Returns:
        Epochs that are done.

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
    weights = {k.removeprefix("student."): v for k, v in tensors.items() if k[0] == "s"}
    student.load_state_dict(weights)
    moments: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimiser."):
            _, number, name = key.split(".")
            moments.setdefault(int(number), {})[name] = value
    optimiser.load_state_dict(optimiser.state_dict() | {"state": moments})
    return int(metadata["epochs_done"])
