"""The teacher's word on every keyframe, in a file: the teacher is frozen, so once is enough."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from clip2scene_core.camera_segmenter import CameraSegmenter
from clip2scene_core.config import PretrainConfig, TrainingConfig
from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.datasets.sample import Sweep
from clip2scene_core.teacher.clip import Clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.vocabulary import Vocabulary

_FORMAT = "clip2scene pseudo labels 1"


@dataclass(frozen=True)
class PseudoLabelledSweep:
    """One sweep with the teacher's word on the points that cameras see.

    Attributes:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity.
        point_index: (P,) int32 point of each pixel-point pair.
        pseudo_labels: (P,) uint8 class of each pair's pixel.
    """

    points: NDArray[np.float32]
    point_index: NDArray[np.int32]
    pseudo_labels: NDArray[np.uint8]


ReportLabelled = Callable[[int, int], None]
"""Told after each keyframe how many are done, and the number of its pairs."""


def pseudo_labels_of(
    dataset: NuScenesDataset,
    config: PretrainConfig,
    clip: Clip,
    vocabulary: Vocabulary,
    path: Path,
    report: ReportLabelled = lambda done, num_pairs: None,
) -> list[PseudoLabelledSweep]:
    """Read the pseudo labels of a data set from a file, or make them and write it.

    Runs that differ in nothing but network, schedule and seed share one file.

    Args:
        dataset: S keyframes with images.
        config: Names teacher, range and prompts.
        clip: The teacher.
        vocabulary: The prompts, embedded by `clip`.
        path: The file, .safetensors.
        report: Told of every keyframe that is labelled.

    Returns:
        S sweeps.

    Raises:
        ValueError: If the file is damaged or was made from something else, or no camera sees any
            point of the whole data set.
    """
    origin = _origin(dataset, config, clip, vocabulary)
    if path.exists():
        return _load(path, origin)
    teacher = CameraSegmenter(
        DenseClip(
            clip, config.teacher.image_height, config.teacher.key_smoothing, config.teacher.scales
        ),
        config.teacher.occlusion_margin_m,
    )
    sweeps = label_keyframes(dataset, teacher, vocabulary, config.training, report)
    _save(path, sweeps, origin)
    return sweeps


def label_keyframes(
    dataset: NuScenesDataset,
    teacher: CameraSegmenter,
    vocabulary: Vocabulary,
    training: TrainingConfig,
    report: ReportLabelled = lambda done, num_pairs: None,
) -> list[PseudoLabelledSweep]:
    """Let the teacher label every point of every keyframe that a camera sees.

    Args:
        dataset: S keyframes with images.
        teacher: The frozen CLIP.
        vocabulary: C classes.
        training: Gives the range of the points that are used.
        report: Told of every keyframe.

    Returns:
        S sweeps.

    Raises:
        ValueError: If no point of the whole data set is seen by a camera.
    """
    text = vocabulary.embeddings
    sweeps = []
    for index in range(len(dataset)):
        sample = dataset[index]
        keyframe = sample.keyframe
        range_m = np.linalg.norm(keyframe.points[:, :3], axis=1)
        used = (range_m >= training.min_range_m) & (range_m <= training.max_range_m)
        keyframe = Sweep(keyframe.points[used], keyframe.T_global_lidar, keyframe.stamp_ns)
        paired = teacher.embed_pairs([keyframe], sample.cameras)
        pseudo_labels = (paired.embeddings @ text.T).argmax(dim=1)  # (P,)
        sweeps.append(
            PseudoLabelledSweep(
                keyframe.points,
                paired.pairs.point_index.astype(np.int32),
                pseudo_labels.numpy().astype(np.uint8),
            )
        )
        report(index + 1, len(pseudo_labels))
    if not any(len(sweep.point_index) for sweep in sweeps):
        raise ValueError(
            "no camera sees any point of the data set; check its calibration and that it has images"
        )
    return sweeps


def _origin(
    dataset: NuScenesDataset, config: PretrainConfig, clip: Clip, vocabulary: Vocabulary
) -> str:
    """Everything that pseudo labels depend on, as text."""
    digest = hashlib.sha256()
    for tensor in (vocabulary.embeddings, *clip.model.visual.state_dict().values()):
        digest.update(tensor.detach().cpu().numpy().tobytes())
    return json.dumps(
        {
            "clip": digest.hexdigest(),
            "teacher": {key: v for key, v in asdict(config.teacher).items() if key != "clip"},
            "range_m": [config.training.min_range_m, config.training.max_range_m],
            "scenes": [scene.token for scene in dataset.scenes],
            "num_keyframes": len(dataset),
        }
    )


def _save(path: Path, sweeps: Sequence[PseudoLabelledSweep], origin: str) -> None:
    """Write the sweeps one after the other; the file appears only when it is complete."""
    tensors = {
        "points": np.concatenate([sweep.points for sweep in sweeps]),
        "num_points": np.array([len(sweep.points) for sweep in sweeps]),
        "point_index": np.concatenate([sweep.point_index for sweep in sweeps]),
        "pseudo_labels": np.concatenate([sweep.pseudo_labels for sweep in sweeps]),
        "num_pairs": np.array([len(sweep.point_index) for sweep in sweeps]),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".unfinished")
    save_file(tensors, unfinished, metadata={"format": _FORMAT, "origin": origin})
    unfinished.replace(path)


def _load(path: Path, origin: str) -> list[PseudoLabelledSweep]:
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: damaged pseudo labels ({error}); delete the file") from error
    if metadata.get("format") != _FORMAT or metadata["origin"] != origin:
        raise ValueError(
            f"{path}: pseudo labels of another teacher, range, data set or other prompts; name "
            "another file, or delete this one"
        )
    points = np.split(tensors["points"], np.cumsum(tensors["num_points"])[:-1])
    cuts = np.cumsum(tensors["num_pairs"])[:-1]
    point_index = np.split(tensors["point_index"], cuts)
    pseudo_labels = np.split(tensors["pseudo_labels"], cuts)
    return [
        PseudoLabelledSweep(*parts)
        for parts in zip(points, point_index, pseudo_labels, strict=True)
    ]
