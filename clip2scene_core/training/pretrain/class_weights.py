"""Class weights for the cross-entropy: rare classes weigh more, so small objects are learned."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.label_counts import LabelCounts, count_labels


def cached_label_counts(
    folder: Path,
    samples: Samples,
    keyframes: str,
    text: Tensor,
    config: PretrainConfig,
    consensus: ConsensusCache | None,
) -> LabelCounts:
    """Read the counts of labels that an earlier run made, or count and write them.

    Args:
        folder: Folder of the teacher's embeddings. Its name identifies the teacher.
        samples: Keyframes that are not augmented.
        keyframes: Digest of these keyframes and of the sweeps before them.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        config: Sweeps, occlusion, classes, input, seed and objects, which decide the labels.
        consensus: Consensus of the sequences, which does, too; None if there is none.
    """
    settings = [
        keyframes, asdict(config.sweeps), "" if consensus is None else consensus.folder.name,
        config.teacher.occlusion_margin_m, config.class_of_text, asdict(config.input),
        config.training.seed, asdict(config.consensus),
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(text.numpy().tobytes())
    path = folder / f"label-counts-{digest.hexdigest()[:16]}.json"
    if path.is_file():
        return LabelCounts.from_record(json.loads(path.read_text()))
    counts = count_labels(samples, text)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(counts.to_record()))
    return counts


def class_weights(samples: Samples, text: Tensor, power: float) -> Tensor:
    """Weigh each class by its share of the teacher's pseudo labels.

    Args:
        samples: Keyframes, see `count_labels`.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        power: See `weigh_counts`.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; 0 for classes that never occur.

    Raises:
        ValueError: If no camera sees any point of these keyframes.
    """
    return weigh_labels(count_labels(samples, text), power)


def weigh_labels(counts: LabelCounts, power: float) -> Tensor:
    """Weigh each class by its labels, see `class_weights`.

    Raises:
        ValueError: If there is no label at all.
    """
    if not counts.labels_of_text.any():
        raise ValueError(
            "no camera sees any point of the data set; check its calibration and that it has images"
        )
    return weigh_counts(counts.labels_of_text, power)


def weigh_counts(counts: NDArray[np.int64], power: float) -> Tensor:
    """Weigh classes by their share of the counts (C,), to the power of minus `power`: (C,) float32.

    The mean is 1 over the classes that occur; others have 0. At least one must occur.
    """
    occurs = counts > 0
    weights: NDArray[np.float64] = np.zeros(len(counts))
    weights[occurs] = (counts[occurs] / counts.sum()) ** -power
    return torch.from_numpy((weights / weights[occurs].mean()).astype(np.float32))
