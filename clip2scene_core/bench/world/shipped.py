"""List the models that ship with the package, with sizes and scores."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from safetensors import SafetensorError, safe_open

from clip2scene_core.bench.provenance import digest_of
from clip2scene_core.bench.world.result import BenchResult, load_result

MODELS: Final = Path(__file__).resolve().parents[2] / "models"
RESULT: Final = "bench_world.json"
"""File beside the models; the cards hold its numbers."""


@dataclass(frozen=True)
class ShippedModel:
    """One model.

    Attributes:
        name: File name without the ending.
        kind: "clip" or "student".
        size_bytes: Size of the file in bytes.
        num_parameters: Number of parameters.
        width: Width of a student's network; None for a CLIP.
        voxel_size_m: Edge of the voxels of a student's network in metres; None for a CLIP.
        trained_on: Size of the training data, in words.
        scores: Scores on the test split in [0, 1]; empty if no bench measured this very file.
        card: File of the model card.
    """

    name: str
    kind: str
    size_bytes: int
    num_parameters: int
    width: float | None
    voxel_size_m: float | None
    trained_on: str
    scores: Mapping[str, float]
    card: Path


def list_models(folder: Path = MODELS) -> list[ShippedModel]:
    """List the models of a folder, by name.

    Raises:
        ValueError: If a file is not a model of this package.
        ResultError: If the result of the bench beside them cannot be read.
    """
    path = folder / RESULT
    result = load_result(path) if path.exists() else None
    return [_describe(file, result) for file in sorted(folder.glob("*.safetensors"))]


def _describe(path: Path, result: BenchResult | None) -> ShippedModel:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = [file.get_slice(key).get_shape() for key in file.keys()]  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: no model ({error})") from error
    kind = "student" if "student" in metadata.get("format", "") else "clip"
    description = json.loads(metadata.get("description", "{}"))
    network = description.get("config", {}).get("network", {})
    return ShippedModel(
        name=path.stem,
        kind=kind,
        size_bytes=path.stat().st_size,
        num_parameters=sum(math.prod(shape) for shape in shapes),
        width=network.get("width"),
        voxel_size_m=network.get("voxel_size_m"),
        trained_on=_trained_on(kind, metadata, description),
        scores=_scores(digest_of(path), result) if result else {},
        card=path.with_suffix(".md"),
    )


def _trained_on(kind: str, metadata: Mapping[str, str], description: Mapping[str, Any]) -> str:
    if kind == "student":
        keyframes = description["record"].get("num_keyframes")
        return f"{len(description['scene_tokens'])} scenes, {keyframes} keyframes, no 3D label"
    pictures = json.loads(metadata.get("training", "{}")).get("pictures")
    return f"{pictures} captioned pictures" if pictures else "captioned pictures"


def _scores(digest: str, result: BenchResult) -> dict[str, float]:
    if digest == result.clip.digest:
        clip = result.clip
        return {"zero-shot accuracy": clip.accuracy, "mean IoU of pixels": clip.mean_iou}
    for student in result.students:
        if digest in student.digests:
            number = student.digests.index(digest)
            return {
                f"mean IoU, {score.labeller}": score.mean_iou.values[
                    number if score.mean_iou.is_seeded else 0
                ]
                for score in student.scores
            }
    return {}
