"""How much each class counts, so that the few points of small things are not forgotten."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
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


def kept_class_weights(
    folder: Path, samples: Samples, tokens: Sequence[str], text: Tensor, config: PretrainConfig
) -> Tensor:
    """Weigh classes as `class_weights` does, or read what an earlier run found.

    Args:
        folder: Of the teacher's embeddings; its name stands for the teacher.
        samples: Keyframes whose images are not varied.
        tokens: Theirs.
        text: (C, D) float32.
        config: What decides which points are named how.

    Raises:
        ValueError: If no camera sees any point of them.
    """
    settings = [
        list(tokens), asdict(config.sweeps), asdict(config.consensus),
        config.teacher.occlusion_margin_m, config.classes, config.training.seed,
    ]  # fmt: skip
    digest = hashlib.sha256(json.dumps(settings).encode())
    digest.update(text.numpy().tobytes())
    path = folder / f"class-weights-{digest.hexdigest()[:16]}.json"
    if path.is_file():
        return torch.tensor(json.loads(path.read_text()), dtype=torch.float32)
    weights = class_weights(samples, text)
    with atomic_write(path) as draft:
        draft.write_text(json.dumps(weights.tolist()))
    return weights


def class_weights(samples: Samples, text: Tensor) -> Tensor:
    """Weigh classes by the inverse square root of their share of the teacher's labels.

    Args:
        samples: Keyframes; at most 256, evenly spread, are counted.
        text: (C, D) float32.

    Returns:
        (C,) float32 with mean 1 over the classes that occur; classes that never occur get 0.

    Raises:
        ValueError: If no camera sees any point of them.
    """
    counts: NDArray[np.int64] = np.zeros(len(text), dtype=np.int64)
    spread = np.linspace(0, len(samples) - 1, min(len(samples), _KEYFRAMES_FOR_WEIGHTS))
    for index in spread.round().astype(int).tolist():
        labels = teacher_pseudo_labels(collate([samples[0, index]]), text, logit_scale=1.0)
        named = torch.cat([labels.of_pairs, labels.of_unseen])
        counts += torch.bincount(named, minlength=len(text)).numpy()
    if not counts.any():
        raise ValueError(
            "no camera sees any point of the data set; check its calibration and that it has images"
        )
    occurs = counts > 0
    weights: NDArray[np.float64] = np.zeros(len(text))
    weights[occurs] = 1 / np.sqrt(counts[occurs] / counts.sum())
    return torch.from_numpy((weights / weights[occurs].mean()).astype(np.float32))
