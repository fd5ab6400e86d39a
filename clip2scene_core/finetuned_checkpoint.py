"""Checkpoints of fine-tuned networks: weights with class names; there is no text in them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.checkpoint import CheckpointError, read_format, read_model, write_model
from clip2scene_core.config import build_config, config_to_dict
from clip2scene_core.config_sections import ConfigError
from clip2scene_core.finetune_config import FinetuneConfig
from clip2scene_core.network.classifier import Classifier

_FORMAT: Final = "clip2scene-classifier-1"


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
    return read_format(path) == _FORMAT


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
    write_model(path, _FORMAT, tensors, description)


def load_finetuned(path: Path) -> FinetunedCheckpoint:
    """Read a checkpoint strictly.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, or does not fit its own
            configuration.
    """
    if not is_finetuned(path):
        raise CheckpointError(
            f"{path}: not a fine-tuned network (format {read_format(path)!r}, expected "
            f"{_FORMAT!r}); 'clip2scene finetune' writes one"
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
