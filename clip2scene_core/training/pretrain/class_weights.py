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
from clip2scene_core.training.pretrain.data.batch import collate
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.pseudo_labels import teacher_pseudo_labels

_KEYFRAMES_FOR_WEIGHTS = 256


def cached_class_weights(
    folder: Path, samples: Samples, keyframes: str, text: Tensor, config: PretrainConfig
) -> Tensor:
    """Read the class weights that an earlier run computed, or compute and write them.

    Args:
        folder: Folder of the teacher's embeddings. Its name identifies the teacher.
        samples: Keyframes whose images are not augmented.
        keyframes: Digest of these keyframes and of the sweeps before them.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        config: Sweeps, consensus, occlusion, classes and seed, which decide the pseudo labels, and
            the power of the weights.

    Returns:
        (C,) float32, see `class_weights`.

    Raises:
        ValueError: If no camera sees any point of these keyframes.
    """
    settings = [
        keyframes, asdict(config.sweeps), asdict(config.consensus),
        config.teacher.occlusion_margin_m, config.class_of_text, config.training.seed,
        config.losses.class_balance_power,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(text.numpy().tobytes())
    path = folder / f"class-weights-{digest.hexdigest()[:16]}.json"
    if path.is_file():
        return torch.tensor(json.loads(path.read_text()), dtype=torch.float32)
    weights = class_weights(samples, text, config.losses.class_balance_power)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(weights.tolist()))
    return weights


def class_weights(samples: Samples, text: Tensor, power: float) -> Tensor:
    """Weigh each class by its share of the teacher's pseudo labels.

    Args:
        samples: Keyframes. At most 256 of them, evenly spread, are counted.
        text: (C, D) float32 embeddings of the C texts of all classes, unit length.
        power: See `weigh_counts`.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; 0 for classes that never occur.

    Raises:
        ValueError: If no camera sees any point of these keyframes.
    """
    counts: NDArray[np.int64] = np.zeros(len(text), dtype=np.int64)
    for index in spread_keyframes(len(samples)):
        labels = teacher_pseudo_labels(collate([samples[0, index]]), text, logit_scale=1.0)
        classes = torch.cat([labels.pair_labels, labels.unseen_labels])
        counts += torch.bincount(classes, minlength=len(text)).numpy()
    if not counts.any():
        raise ValueError(
            "no camera sees any point of the data set; check its calibration and that it has images"
        )
    return weigh_counts(counts, power)


def spread_keyframes(num_keyframes: int) -> list[int]:
    """Indices of the keyframes whose labels are counted: at most 256, evenly spread."""
    spread = np.linspace(0, num_keyframes - 1, min(num_keyframes, _KEYFRAMES_FOR_WEIGHTS))
    indices: list[int] = spread.round().astype(int).tolist()
    return indices


def weigh_counts(counts: NDArray[np.int64], power: float) -> Tensor:
    """Weigh classes by their share of the counts (C,), to the power of minus `power`: (C,) float32.

    The mean is 1 over the classes that occur; others have 0. At least one must occur.
    """
    occurs = counts > 0
    weights: NDArray[np.float64] = np.zeros(len(counts))
    weights[occurs] = (counts[occurs] / counts.sum()) ** -power
    return torch.from_numpy((weights / weights[occurs].mean()).astype(np.float32))
