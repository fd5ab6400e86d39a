"""What a program in another language must know to run a student: as JSON, and texts as lines."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any, Final

import torch

from clip2scene_core.checkpoint import Checkpoint
from clip2scene_core.config.parser import config_to_dict
from clip2scene_core.export.layout import TensorSpec
from clip2scene_core.preprocessing.reach import EGO_RADIUS_M, MAX_RANGE_M, MIN_RANGE_M
from clip2scene_core.prompts.vocabulary import Vocabulary

DESCRIPTION: Final = "clip2scene.json"
TEXTS: Final = "texts.tsv"
"""Names of these files in an archive."""

FORMAT: Final = "clip2scene-export-1"


def describe(
    checkpoint: Checkpoint, vocabulary: Vocabulary, tensors: tuple[TensorSpec, ...]
) -> str:
    """Describe an exported student as JSON.

    Args:
        checkpoint: The student.
        vocabulary: The labels that go with it.
        tensors: What goes from one graph to the other.
    """
    config = checkpoint.config
    texts_of_label = vocabulary.texts_of_label or tuple((text,) for text in vocabulary.prompts)
    calibration = checkpoint.calibration
    description: dict[str, Any] = {
        "format": FORMAT,
        "torch": torch.__version__,
        "network": config_to_dict(config.network),
        "input": config_to_dict(config.input),
        "min_range_m": MIN_RANGE_M,
        "ego_radius_m": EGO_RADIUS_M,
        "max_range_m": MAX_RANGE_M,
        "embedding_size": vocabulary.embeddings.shape[1],
        "logit_scale": 1 / config.losses.temperature,
        "calibration": None if calibration is None else asdict(calibration),
        "labels": [
            {"name": name, "color": color.tolist(), "texts": texts}
            for name, color, texts in zip(
                vocabulary.names, vocabulary.colors, texts_of_label, strict=True
            )
        ],
        "grouping": vocabulary.grouping,
        "tensors": [
            {"name": spec.name, "dims": spec.dims, "dtype": str(spec.dtype).removeprefix("torch.")}
            for spec in tensors
        ],
    }
    return json.dumps(description, indent=1)


def list_texts(vocabulary: Vocabulary) -> str:
    """Write texts with their embeddings so that a few lines of any language read them.

    Returns:
        One line for each of P texts: number of its label, the label's name, the text, and D
        numbers, with tabs between them; the numbers have spaces between.
    """
    rows = zip(
        vocabulary.label_of_text.tolist(),
        vocabulary.texts,
        vocabulary.embeddings.tolist(),
        strict=True,
    )
    lines = []
    for label, text, embedding in rows:
        words = [" ".join(written.split()) for written in (vocabulary.names[label], text)]
        numbers = " ".join(f"{value:.9g}" for value in embedding)
        lines.append("\t".join([str(label), *words, numbers]) + "\n")
    return "".join(lines)
