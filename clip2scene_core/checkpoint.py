"""Student checkpoints: one safetensors file with weights, classes, text embeddings and config."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import build_config, config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig, config_from_dict
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.network.student import Student
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary

SMALL_STUDENT = Path(__file__).parent / "models" / "small_student.safetensors"
"""The student that ships with the package."""

_STUDENT_FORMAT: Final = "clip2scene-student-1"
_CLASSIFIER_FORMAT: Final = "clip2scene-classifier-1"
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
    write_model(path, _STUDENT_FORMAT, tensors, description)


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
    if found != _STUDENT_FORMAT:
        raise CheckpointError(
            f"{path}: not a clip2scene student (format {found!r}, "
            f"expected {_STUDENT_FORMAT!r}); 'clip2scene pretrain' writes one"
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
    metadata = {"format": model_format, "description": json.dumps(description)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        save_file(tensors, draft, metadata=metadata)


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


@dataclass(frozen=True)
class FinetunedCheckpoint:
    """A network fine-tuned on labels.

    Attributes:
        classifier: In evaluation mode, on the CPU.
        class_names: Of its C logits.
        config: The resolved configuration of its fine-tuning.
        scene_tokens: The scenes of its labels and of the pre-training; evaluation refuses them.
        record: Facts about the run: the student that it began with, the keyframes and their hash.
    """

    classifier: Classifier
    class_names: tuple[str, ...]
    config: FinetuneConfig
    scene_tokens: tuple[str, ...]
    record: dict[str, Any]


def is_finetuned(path: Path) -> bool:
    """Whether a file holds a fine-tuned network.

    Raises:
        CheckpointError: If it is missing or damaged.
    """
    return read_format(path) == _CLASSIFIER_FORMAT


def save_finetuned(path: Path, checkpoint: FinetunedCheckpoint) -> None:
    """Write a checkpoint; the file appears only when it is complete.

    Args:
        path: Ends in .safetensors.
        checkpoint: What to write.
    """
    tensors = {key: value.contiguous() for key, value in checkpoint.classifier.state_dict().items()}
    description = {
        "names": checkpoint.class_names,
        "config": config_to_dict(checkpoint.config),
        "scene_tokens": checkpoint.scene_tokens,
        "record": checkpoint.record,
    }
    write_model(path, _CLASSIFIER_FORMAT, tensors, description)


def load_finetuned(path: Path) -> FinetunedCheckpoint:
    """Read a checkpoint strictly.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, or does not fit its own
            configuration.
    """
    if not is_finetuned(path):
        raise CheckpointError(
            f"{path}: not a fine-tuned network (format {read_format(path)!r}, expected "
            f"{_CLASSIFIER_FORMAT!r}); 'clip2scene finetune' writes one"
        )
    tensors, description = read_model(path)
    try:
        names = tuple(description["names"])
        config = build_config(FinetuneConfig(), description["config"], str(path))
        classifier = Classifier(config.network, len(names))
        classifier.load_state_dict(tensors)
        scene_tokens, record = tuple(description["scene_tokens"]), description["record"]
    except (KeyError, ConfigError) as error:
        raise CheckpointError(f"{path}: damaged checkpoint ({error})") from error
    except RuntimeError as error:  # load_state_dict lists every key that does not fit
        first = str(error).splitlines()[-1].strip()
        raise CheckpointError(
            f"{path}: weights do not fit their configuration ({first})"
        ) from error
    return FinetunedCheckpoint(
        classifier.eval().requires_grad_(False), names, config, scene_tokens, record
    )
