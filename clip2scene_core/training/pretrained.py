"""What a training begins with: a trained network, and whether it fits the configuration."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from clip2scene_core.checkpoint import (
    SHIPPED,
    Checkpoint,
    Trunk,
    is_student,
    load_checkpoint,
    load_trunk,
)
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.config.sections import ConsensusConfig, InputConfig, NetworkConfig
from clip2scene_core.network.student import Student
from clip2scene_core.prompts.text_encoder import TextEncoder, is_taught_by

_LOGGER = logging.getLogger(__name__)

SCRATCH: Final = "scratch"
"""Stands for random weights, in the records of trainings."""


@dataclass(frozen=True)
class Pretrained:
    """A trained network that a training begins with.

    Attributes:
        name: Path of the checkpoint, or a shipped one's name, as the user typed it.
        sha256: SHA-256 of the checkpoint file, in hexadecimal digits.
        trunk: Content of the file, without heads.
        student: Content of the file, with heads; None if it has none, or none that can be used.
    """

    name: str
    sha256: str
    trunk: Trunk
    student: Checkpoint | None = None

    @property
    def record(self) -> dict[str, str]:
        """Facts for the record of a checkpoint."""
        return {"weights": self.name, "sha256": self.sha256}


def load_pretrained(weights: str) -> Pretrained:
    """Read a trained network.

    Args:
        weights: Path of a checkpoint of any training here or an imported one; a name of SHIPPED
            for one that ships.

    Raises:
        CheckpointError: If the file cannot be used.
    """
    student = load_checkpoint(weights) if is_student(weights) else None
    trunk = load_trunk(weights) if student is None else student.trunk
    path = SHIPPED.get(weights, Path(weights))
    return Pretrained(weights, hashlib.sha256(path.read_bytes()).hexdigest(), trunk, student)


def check_fit(network: NetworkConfig, told: InputConfig, start: Trunk) -> None:
    """Refuse a configuration of another network, or one that is told something else of a cloud.

    Args:
        network: The configuration's network.
        told: The configuration's input.
        start: The trained network.

    Raises:
        ValueError: If they differ; the message names every key with both values.
    """
    wanted = _flat({"network": config_to_dict(network), "input": config_to_dict(told)})
    given = _flat({"network": config_to_dict(start.config), "input": config_to_dict(start.input)})
    differing = [
        f"{key} is {wanted[key]}, of the student {given[key]}"
        for key in wanted
        if wanted[key] != given[key]
    ]
    if differing:
        raise ValueError(
            f"the configuration does not fit the student to begin with: {'; '.join(differing)}; "
            f"leave these keys out of the configuration, or begin with another student"
        )


def check_voter(voter: Pretrained | None, consensus: ConsensusConfig) -> None:
    """Refuse a student that was named to vote beside the cameras and would not be asked.

    Raises:
        ValueError: If there is one, and its votes count nothing.
    """
    if voter is not None and consensus.student_weight == 0:
        raise ValueError(
            f"{voter.name} would not be asked: consensus.student_weight is 0; set it, such as 0.5"
        )


def keep_fitting_heads(start: Pretrained, clip_name: str, device: torch.device) -> Pretrained:
    """Let go of heads that lead into the space of another CLIP: there they mean nothing.

    Args:
        start: The trained network.
        clip_name: The CLIP of the training, as `load_clip` names it.
        device: Where that CLIP is loaded, to compare a text.

    Returns:
        `start`, without `student` if another CLIP taught it.

    Raises:
        ValueError: If the CLIP cannot be used.
        FileNotFoundError: If its file is missing.
    """
    if start.student is None:
        _LOGGER.warning("%s has no heads: they begin with random weights", start.name)
        return start
    if is_taught_by(start.student.vocabulary, TextEncoder(clip_name, str(device)).clip):
        return start
    _LOGGER.warning(
        "CLIP %r did not teach %s, whose heads therefore begin with random weights; the network "
        "below them begins with its own",
        clip_name,
        start.name,
    )
    return replace(start, student=None)


def make_student(config: NetworkConfig, embedding_size: int, start: Pretrained | None) -> Student:
    """Make a student with its initial weights.

    Args:
        config: The network.
        embedding_size: D, size of the embeddings of the CLIP of the training.
        start: What it begins with, after `check_fit` and `keep_fitting_heads`; None, and heads
            that it does not have, begin with random weights.
    """
    student = Student(config, embedding_size)
    if start is not None and start.student is not None:
        student.load_state_dict(start.student.student.state_dict())
    elif start is not None:
        student.network.load_state_dict(start.trunk.network.state_dict())
    return student


def record_start(start: Pretrained | None) -> dict[str, str] | str:
    """What a student began with, for its record; see `make_student`."""
    if start is None:
        return SCRATCH
    return start.record | {"heads": "random" if start.student is None else "kept"}


def seen_scenes(start: Pretrained | None, scenes: list[str]) -> tuple[str, ...]:
    """Tokens of the scenes of both trainings, each once; evaluation refuses them."""
    before = start.trunk.scene_tokens if start is not None else ()
    return tuple(dict.fromkeys([*before, *scenes]))


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested keys with dots between: {"network": {"width": 1}} -> {"network.width": 1}."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat
