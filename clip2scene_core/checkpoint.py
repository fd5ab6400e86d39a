"""Student checkpoints: one safetensors file with weights, classes, text embeddings and config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clip2scene_core.config import PretrainConfig, config_from_dict, config_to_dict
from clip2scene_core.config_sections import ConfigError
from clip2scene_core.network.student import Student
from clip2scene_core.vocabulary import Vocabulary, make_vocabulary

SMALL_STUDENT = Path(__file__).parent / "models" / "small_student.safetensors"
"""The student that ships with the package."""

_FORMAT = "clip2scene-student-1"
_TEXT_EMBEDDINGS = "text_embeddings"


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Checkpoint:
    """A trained student and what is needed to use it without CLIP.

    Attributes:
        student: The network, in evaluation mode, on the CPU.
        vocabulary: The classes that it was trained on.
        config: The resolved configuration of its training.
        scene_tokens: The scenes that it was trained on; evaluation refuses them.
        record: Free facts about the run for people: seconds, keyframes, last loss.
    """

    student: Student
    vocabulary: Vocabulary
    config: PretrainConfig
    scene_tokens: tuple[str, ...]
    record: dict[str, Any]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file appears only when it is complete.

    Args:
        path: Ends in .safetensors.
        checkpoint: What to write.
    """
    tensors = {f"student.{k}": v.contiguous() for k, v in checkpoint.student.state_dict().items()}
    tensors[_TEXT_EMBEDDINGS] = checkpoint.vocabulary.embeddings.contiguous()
    description = {
        "names": checkpoint.vocabulary.names,
        "prompts": checkpoint.vocabulary.prompts,
        "config": config_to_dict(checkpoint.config),
        "scene_tokens": checkpoint.scene_tokens,
        "record": checkpoint.record,
    }
    write_model(path, _FORMAT, tensors, description)


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint strictly.

    Args:
        path: A file, or "small" for the student that ships with the package.

    Returns:
        The checkpoint, student in evaluation mode on the CPU.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, or does not fit its own
            configuration.
    """
    path = SMALL_STUDENT if str(path) == "small" else Path(path)
    found = read_format(path)
    if found != _FORMAT:
        raise CheckpointError(
            f"{path}: not a clip2scene student (format {found!r}, "
            f"expected {_FORMAT!r}); 'clip2scene pretrain' writes one"
        )
    tensors, description = read_model(path)
    try:
        config = config_from_dict(description["config"], str(path))
        embeddings = tensors.pop(_TEXT_EMBEDDINGS)
        vocabulary = make_vocabulary(description["prompts"], embeddings, description["names"])
        student = Student(config.network, embeddings.shape[1])
        student.load_state_dict({k.removeprefix("student."): v for k, v in tensors.items()})
    except (KeyError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error})") from error
    except RuntimeError as error:  # load_state_dict lists every key that does not fit
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path}: weights do not fit their configuration ({first})"
        ) from error
    return Checkpoint(
        student.eval().requires_grad_(False),
        vocabulary,
        config,
        tuple(description["scene_tokens"]),
        description["record"],
    )


def untrained_checkpoint(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """The same student with random weights: the baseline that a trained one must beat."""
    torch.manual_seed(seed)
    config = checkpoint.config
    student = Student(config.network, checkpoint.vocabulary.embeddings.shape[1])
    return Checkpoint(
        student.eval().requires_grad_(False),
        checkpoint.vocabulary,
        config,
        (),
        {},
    )


def write_model(
    path: Path, model_format: str, tensors: dict[str, Tensor], description: dict[str, Any]
) -> None:
    """Write tensors with a description; the file appears only when it is complete.

    Args:
        path: Ends in .safetensors.
        model_format: Name and version of what is in the file.
        tensors: By their names, contiguous.
        description: What JSON can hold.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    metadata = {"format": model_format, "description": json.dumps(description)}
    save_file(tensors, unfinished, metadata=metadata)
    unfinished.replace(path)


def read_format(path: Path) -> str | None:
    """What a file says that it holds; None if it does not say.

    Raises:
        CheckpointError: If the file is missing or no safetensors file.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such checkpoint; give a .safetensors file or 'small'")
    try:
        with safe_open(path, framework="pt") as file:
            found: str | None = (file.metadata() or {}).get("format")
            return found
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error})") from error


def read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write_model` wrote: tensors and description.

    Raises:
        CheckpointError: If the file is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description = json.loads(file.metadata()["description"])
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, json.JSONDecodeError, KeyError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error})") from error
    return tensors, description
