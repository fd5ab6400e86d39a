"""Checkpoints of students, trunks and fine-tuned networks: one safetensors file each.

A file holds the weights and a description (classes, configuration, scenes of the training) as JSON.
A student's file also holds the texts of its classes with their embeddings. A trunk's file holds a
network that was trained without words: only fine-tuning begins with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.parser import build_config, config_to_dict
from clip2scene_core.config.pretrain import PretrainConfig, config_from_dict
from clip2scene_core.config.sections import ConfigError, InputConfig, NetworkConfig
from clip2scene_core.files.damage import name_damage, shortened
from clip2scene_core.files.kind import SAFETENSORS, kind_of_file
from clip2scene_core.files.text import load_json
from clip2scene_core.network.blocks import PointNetwork
from clip2scene_core.network.classifier import Classifier
from clip2scene_core.network.student import Student, build_network
from clip2scene_core.prompts.scoring import ScoreCalibration
from clip2scene_core.prompts.vocabulary import Vocabulary, make_vocabulary

MODELS: Final = Path(__file__).parent / "models"
SHIPPED: Final = {name: MODELS / f"{name}_student.safetensors" for name in ("small", "large")}
"""The students that ship with the package, by the names that stand for their files."""
SMALL_STUDENT: Final = SHIPPED["small"]
"""File of the student that ships with the package."""

_STUDENT_FORMAT: Final = "clip2scene-student-1"
_TRUNK_FORMAT: Final = "clip2scene-trunk-1"
_CLASSIFIER_FORMAT: Final = "clip2scene-classifier-1"
_TEXT_EMBEDDINGS = "text_embeddings"

_NO_CHECKPOINT: Final = (
    "not a checkpoint of clip2scene; weights of other projects cannot be read here, but "
    "'clip2scene import-checkpoint' makes some of them ours"
)


_Network = TypeVar("_Network", bound=nn.Module)


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file and the reason."""


@dataclass(frozen=True)
class Trunk:
    """A trained network without heads, for fine-tuning to begin with.

    Attributes:
        network: From points to features, in evaluation mode, on the CPU.
        config: How the network is built: kind, width, voxels, input features.
        input: What the network was told of a cloud: levelled or not, which intensities.
        scene_tokens: Tokens of the scenes of its training, as far as they are known.
        record: Facts about the run for people.
    """

    network: PointNetwork
    config: NetworkConfig
    input: InputConfig
    scene_tokens: tuple[str, ...]
    record: dict[str, Any]


@dataclass(frozen=True)
class Checkpoint:
    """A trained student with the text embeddings of its classes, so that it needs no CLIP.

    Attributes:
        student: The network, in evaluation mode, on the CPU.
        vocabulary: The classes of its training, with text embeddings.
        config: The configuration of its training.
        scene_tokens: Tokens of the scenes of its training; evaluation refuses them.
        record: Facts about the run for people: seconds, keyframes, last loss.
        calibration: Of its scores, by `clip2scene calibrate`; None before.
    """

    student: Student
    vocabulary: Vocabulary
    config: PretrainConfig
    scene_tokens: tuple[str, ...]
    record: dict[str, Any]
    calibration: ScoreCalibration | None = None

    @property
    def trunk(self) -> Trunk:
        """The student without its heads."""
        config = self.config
        return Trunk(
            self.student.network, config.network, config.input, self.scene_tokens, self.record
        )


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; the file appears only when it is complete.

    Args:
        path: File; its name ends in .safetensors.
        checkpoint: The student.
    """
    tensors = {f"student.{k}": v.contiguous() for k, v in checkpoint.student.state_dict().items()}
    tensors[_TEXT_EMBEDDINGS] = checkpoint.vocabulary.embeddings.contiguous()
    description: dict[str, Any] = {
        "names": checkpoint.vocabulary.names,
        "prompts": checkpoint.vocabulary.prompts,
        "texts_of_label": checkpoint.vocabulary.texts_of_label,
        "config": config_to_dict(checkpoint.config),
        "scene_tokens": checkpoint.scene_tokens,
        "record": checkpoint.record,
    }
    if checkpoint.calibration is not None:
        description["calibration"] = asdict(checkpoint.calibration)
    _write_model(path, _STUDENT_FORMAT, tensors, description)


def load_checkpoint(path: Path | str) -> Checkpoint:
    """Read a checkpoint; all weights must be there and fit.

    Args:
        path: A file, or "small" or "large" for a student that ships with the package.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, or its weights do not fit
            its configuration.
    """
    path = SHIPPED.get(str(path), Path(path))
    found = _read_format(path)
    if found == _TRUNK_FORMAT:
        raise CheckpointError(
            f"{path}: a network that was trained without words labels nothing yet; "
            f"'clip2scene finetune --from' begins with it"
        )
    if found == _CLASSIFIER_FORMAT:
        raise CheckpointError(
            f"{path}: a fine-tuned network has classes and no words; 'clip2scene segment', the "
            f"node, 'evaluate' and 'finetune --from' take it, in the library load_online_segmenter"
        )
    if found != _STUDENT_FORMAT:
        raise CheckpointError(
            f"{path}: not a clip2scene student (format {found!r}, "
            f"expected {_STUDENT_FORMAT!r}); 'clip2scene pretrain' writes one"
        )
    with _name_damage(path):
        tensors, description = _read_model(path)
        config = config_from_dict(description["config"], str(path))
        embeddings = tensors.pop(_TEXT_EMBEDDINGS)
        vocabulary = make_vocabulary(
            description["prompts"],
            embeddings,
            description["names"],
            # Older files have no such key: their prompts are the texts.
            tuple(tuple(texts) for texts in description.get("texts_of_label", ())),
        )
        weights = {k.removeprefix("student."): v for k, v in tensors.items()}
        student = _fill(lambda: Student(config.network, embeddings.shape[1]), weights)
        scene_tokens, record = tuple(description["scene_tokens"]), description["record"]
        calibration = None
        if "calibration" in description:
            calibration = _read_calibration(description["calibration"])
    return Checkpoint(student, vocabulary, config, scene_tokens, record, calibration)


def save_trunk(path: Path, trunk: Trunk) -> None:
    """Write a trunk; the file appears only when it is complete.

    Args:
        path: File; its name ends in .safetensors.
        trunk: The network.
    """
    tensors = {key: value.contiguous() for key, value in trunk.network.state_dict().items()}
    description = {
        "network": config_to_dict(trunk.config),
        "input": config_to_dict(trunk.input),
        "scene_tokens": trunk.scene_tokens,
        "record": trunk.record,
    }
    _write_model(path, _TRUNK_FORMAT, tensors, description)


def load_trunk(path: Path | str) -> Trunk:
    """Read a trunk, or that of a student or a fine-tuned network; all weights must fit.

    Args:
        path: A file, or "small" or "large" for a student that ships with the package.

    Raises:
        CheckpointError: As `load_checkpoint`.
    """
    found = _STUDENT_FORMAT if str(path) in SHIPPED else _read_format(Path(path))
    if found == _CLASSIFIER_FORMAT:
        tuned = load_finetuned(Path(path))
        config, told = tuned.config.network, tuned.config.input
        return Trunk(tuned.classifier.network, config, told, tuned.scene_tokens, tuned.record)
    if found != _TRUNK_FORMAT:
        return load_checkpoint(path).trunk
    path = Path(path)
    with _name_damage(path):
        tensors, description = _read_model(path)
        config = build_config(NetworkConfig(), description["network"], str(path))
        told = build_config(InputConfig(), description["input"], str(path))
        network = _fill(lambda: build_network(config), tensors)
        scene_tokens, record = tuple(description["scene_tokens"]), description["record"]
    return Trunk(network, config, told, scene_tokens, record)


def untrained_checkpoint(checkpoint: Checkpoint, seed: int = 0) -> Checkpoint:
    """Make the same student with random weights, as a baseline."""
    torch.manual_seed(seed)
    config = checkpoint.config
    student = Student(config.network, checkpoint.vocabulary.embeddings.shape[1])
    return Checkpoint(student.eval().requires_grad_(False), checkpoint.vocabulary, config, (), {})


@dataclass(frozen=True)
class FinetunedCheckpoint:
    """A network fine-tuned on labels.

    Attributes:
        classifier: The network, in evaluation mode, on the CPU.
        class_names: C names, one for each logit.
        config: The configuration of its fine-tuning.
        scene_tokens: Tokens of the scenes of fine-tuning and pre-training; evaluation refuses them.
        record: Facts about the run: the student it started from, the keyframes and their hash.
    """

    classifier: Classifier
    class_names: tuple[str, ...]
    config: FinetuneConfig
    scene_tokens: tuple[str, ...]
    record: dict[str, Any]


def is_student(path: Path | str) -> bool:
    """Whether a file, or "small" or "large", holds a student with the words of its training.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    return str(path) in SHIPPED or _read_format(Path(path)) == _STUDENT_FORMAT


def is_finetuned(path: Path) -> bool:
    """Whether a file holds a fine-tuned network.

    Raises:
        CheckpointError: If the file is missing or damaged.
    """
    return _read_format(path) == _CLASSIFIER_FORMAT


def save_finetuned(path: Path, checkpoint: FinetunedCheckpoint) -> None:
    """Write a checkpoint; the file appears only when it is complete.

    Args:
        path: File; its name ends in .safetensors.
        checkpoint: The network.
    """
    tensors = {key: value.contiguous() for key, value in checkpoint.classifier.state_dict().items()}
    description = {
        "names": checkpoint.class_names,
        "config": config_to_dict(checkpoint.config),
        "scene_tokens": checkpoint.scene_tokens,
        "record": checkpoint.record,
    }
    _write_model(path, _CLASSIFIER_FORMAT, tensors, description)


def load_finetuned(path: Path) -> FinetunedCheckpoint:
    """Read a checkpoint; all weights must be there and fit.

    Raises:
        CheckpointError: If the file is missing, damaged, of another kind, or its weights do not fit
            its configuration.
    """
    found = _read_format(path)
    if found != _CLASSIFIER_FORMAT:
        raise CheckpointError(
            f"{path}: not a fine-tuned network (format {found!r}, expected "
            f"{_CLASSIFIER_FORMAT!r}); 'clip2scene finetune' writes one"
        )
    with _name_damage(path):
        tensors, description = _read_model(path)
        names = tuple(description["names"])
        config = build_config(FinetuneConfig(), description["config"], str(path))
        classifier = _fill(lambda: Classifier(config.network, len(names)), tensors)
        scene_tokens, record = tuple(description["scene_tokens"]), description["record"]
    return FinetunedCheckpoint(classifier, names, config, scene_tokens, record)


def _read_calibration(values: dict[str, float]) -> ScoreCalibration:
    try:
        return ScoreCalibration(float(values["temperature"]), float(values["nothing_cosine"]))
    except (TypeError, ValueError) as error:
        raise ConfigError(f"calibration {values!r}: {error}") from error


def _write_model(
    path: Path, model_format: str, tensors: dict[str, Tensor], description: dict[str, Any]
) -> None:
    """Write tensors by name, and a description that JSON can hold.

    Raises:
        CheckpointError: If a number is not finite; nothing is written.
    """
    _refuse_not_finite(path, tensors)
    metadata = {"format": model_format, "description": json.dumps(description)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        save_file(tensors, draft, metadata=metadata)


def _read_format(path: Path) -> str | None:
    """Name and version of the file's content; None if the file does not state it."""
    if not path.is_file():
        raise CheckpointError(
            f"{path}: no such checkpoint; give a .safetensors file, 'small' or 'large'"
        )
    with _name_damage(path):
        kind = kind_of_file(path)
        if kind not in (SAFETENSORS, ""):
            has_remedy = ";" in kind
            raise CheckpointError(f"{path}: {kind}" + ("" if has_remedy else f", {_NO_CHECKPOINT}"))
        with safe_open(path, framework="pt") as file:
            found: str | None = (file.metadata() or {}).get("format")
    return found


def _read_model(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read the tensors and the description that `_write_model` wrote."""
    with safe_open(path, framework="pt") as file:
        description = load_json(file.metadata()["description"])
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    _refuse_not_finite(path, tensors)
    return tensors, description


def _refuse_not_finite(path: Path, tensors: dict[str, Tensor]) -> None:
    """Refuse weights with which a network would say the same of every point.

    Raises:
        CheckpointError: If a number is not finite.
    """
    for name, value in tensors.items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                f"{path}: {name} is not finite (NaN or infinite); the training that made it went "
                f"wrong: train anew on finite points, or with a lower learning rate"
            )


@contextmanager
def _name_damage(path: Path) -> Iterator[None]:
    """Turn the errors of a damaged file into CheckpointError."""
    try:
        with name_damage(path, "checkpoint", CheckpointError):
            yield
    except _MisfitError as error:
        raise CheckpointError(
            f"{path}: weights do not fit their configuration ({error})"
        ) from error


class _MisfitError(Exception):
    """Weights of other names or sizes than the network's."""


def _fill(make_network: Callable[[], _Network], tensors: dict[str, Tensor]) -> _Network:
    """Build a network with the weights of a file, for inference.

    Sizes are compared on the meta device first: a configuration may claim a network that no memory
    holds.
    """
    try:
        with torch.device("meta"):
            make_network().load_state_dict(tensors, assign=True)
        network = make_network()
        network.load_state_dict(tensors)
    except RuntimeError as error:  # load_state_dict lists every key that does not fit
        raise _MisfitError(shortened(str(error).splitlines()[-1].strip())) from error
    return network.eval().requires_grad_(False)
