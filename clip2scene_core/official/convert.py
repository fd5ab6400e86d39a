"""A released checkpoint to a student with words, or to a trunk for fine-tuning."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import torch.nn.functional as F
from torch import Tensor

from clip2scene_core.checkpoint import Checkpoint, CheckpointError, Trunk
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import InputConfig, NetworkConfig, TeacherConfig
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.network.student import Student, build_network
from clip2scene_core.official.pickled import PickledWeights, read_pickled
from clip2scene_core.official.sizes import network_of
from clip2scene_core.official.weights import Unclaimed, fill_linear, fill_network
from clip2scene_core.prompts.vocabulary import make_vocabulary

_TEXTS: Final = "text_embeddings"
_UNUSED_LAYERS: Final = ("classifier", "point_mapping_global_random", "final")
"""Heads that no student has: of labels, of no loss, and of SLidR's images."""

_NUSCENES_NAMES: Final = tuple(scene_class.name for scene_class in NUSCENES_CLASSES)
_PROMPTS: Final = {
    16: tuple({"traffic cone": "traffic_cone", "other flat": "other_flat"}.get(name, name)
              for name in _NUSCENES_NAMES),
    19: ("car", "bicycle", "motorcycle", "truck", "other vehicle", "person", "bicyclist",
         "motorcyclist", "road", "parking", "sidewalk", "other ground", "building", "fence",
         "vegetation", "trunk", "terrain", "pole", "traffic sign"),
}  # fmt: skip
"""Words of nuScenes and SemanticKITTI as CLIP2Scene's code encodes them, by their number."""


@dataclass(frozen=True)
class Imported:
    """What a released checkpoint became.

    Attributes:
        result: A student that has words, or a trunk for fine-tuning.
        set_aside: Layers of the file that it does not have.
    """

    result: Checkpoint | Trunk
    set_aside: tuple[str, ...]


def import_checkpoint(
    path: Path, words: Sequence[str] | None = None, teacher: str = TeacherConfig().clip
) -> Imported:
    """Convert a released checkpoint.

    SPVCNN of CLIP2Scene, with the embeddings of its words, becomes a student, which labels with
    them. SPVCNN of SPVNAS and MinkUNet of SLidR and PPKT know no words; they become a trunk.

    Args:
        path: File of torch.save; nothing of it is run, see `read_pickled`.
        words: Texts of a student's embeddings, in their order; by default the classes of nuScenes
            or of SemanticKITTI, by their number.
        teacher: The CLIP that encoded these words, as `load_clip` names it; others are encoded by
            it, too.

    Raises:
        CheckpointError: If the file cannot be read, a tensor is missing, left over or of another
            shape, or the words are not as many as their embeddings.
    """
    weights = read_pickled(path)
    config = network_of(weights)
    unclaimed = Unclaimed(path, weights.state)
    with_words = _TEXTS in weights.state and config.name == "spvcnn"
    if not with_words and words is not None:
        raise CheckpointError(f"{path}: holds no embeddings of words; leave them out")
    set_aside = unclaimed.set_aside(_UNUSED_LAYERS)
    if with_words:
        return Imported(_student(weights, config, unclaimed, words, teacher, set_aside), set_aside)
    network = build_network(config)
    fill_network(network, unclaimed)
    unclaimed.close()
    network.eval().requires_grad_(False)
    trunk = Trunk(network, config, InputConfig(), (), _record(weights, set_aside))
    return Imported(trunk, set_aside)


def _student(
    weights: PickledWeights,
    network: NetworkConfig,
    unclaimed: Unclaimed,
    words: Sequence[str] | None,
    teacher: str,
    set_aside: tuple[str, ...],
) -> Checkpoint:
    embeddings = _embeddings(weights.path, unclaimed.take(_TEXTS))
    names, prompts = _words(weights.path, len(embeddings), words)
    student = Student(network, embeddings.shape[1])
    fill_network(student.network, unclaimed)
    fill_linear(student.semantic_head, "point_mapping_global", unclaimed)
    fill_linear(student.spatial_head, "point_mapping_local", unclaimed)
    unclaimed.close()
    config = PretrainConfig(names, prompts, network, teacher=TeacherConfig(teacher))
    vocabulary = make_vocabulary(prompts, embeddings, names, config.texts_of_label)
    record = _record(weights, set_aside)
    return Checkpoint(student.eval().requires_grad_(False), vocabulary, config, (), record)


def _embeddings(path: Path, texts: Tensor | None) -> Tensor:
    """The texts without the row of zeros that the code puts on top for its class 0, unit length."""
    assert texts is not None
    if texts.ndim != 2 or len(texts) < 2:
        raise CheckpointError(f"{path}: its {_TEXTS} are {tuple(texts.shape)}, not (words, D)")
    rows = texts if texts[0].any() else texts[1:]
    empty = torch.nonzero(~rows.any(dim=1)).flatten().tolist()
    if empty:
        raise CheckpointError(f"{path}: rows {empty} of its {_TEXTS} are zero")
    return F.normalize(rows, dim=1)


def _words(
    path: Path, count: int, words: Sequence[str] | None
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names and prompts of the embeddings."""
    if words is None and count not in _PROMPTS:
        raise CheckpointError(
            f"{path}: has {count} embeddings of words; name the words with --words, in their order"
        )
    prompts = _PROMPTS[count] if words is None else tuple(words)
    if len(prompts) != count:
        raise CheckpointError(f"{path}: has {count} embeddings of words, got {len(prompts)} words")
    return (_NUSCENES_NAMES if words is None and count == 16 else prompts), prompts


def _record(weights: PickledWeights, set_aside: tuple[str, ...]) -> dict[str, Any]:
    return {
        "imported": {
            "file": weights.path.name,
            "sha256": hashlib.sha256(weights.path.read_bytes()).hexdigest(),
            "set_aside": list(set_aside),
            "settings": weights.settings,
        }
    }
