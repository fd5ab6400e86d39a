"""Write predictions as the evaluators of SemanticKITTI and ScanNet read them."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.datasets.scannet import scene_of_token
from clip2scene_core.datasets.semantic_kitti import scan_of_token
from clip2scene_core.labels import (
    IGNORE_LABEL,
    SCANNET_CLASSES,
    SCANNET_RAW_LABELS,
    SEMANTIC_KITTI_CLASSES,
    SEMANTIC_KITTI_RAW_LABELS,
)

_UNLABELLED: Final = 0


def write_label_file(folder: Path, token: str, labels: NDArray[np.uint8]) -> Path:
    """Write the labels of one scan to sequences/NN/predictions/NNNNNN.label.

    Args:
        folder: Folder of the predictions; it may be packed for the server as it is.
        token: Token of the scan, such as "semantic-kitti-08-000012".
        labels: (N,) uint8, the 19 classes of SemanticKITTI; IGNORE_LABEL is written as unlabelled.

    Returns:
        Path of the file: N little-endian uint32, raw labels of SemanticKITTI.

    Raises:
        ValueError: If a label is none of the classes, or the scan none of SemanticKITTI.
    """
    scene_name, scan = scan_of_token(token)
    raw_of_label = np.full(256, _UNLABELLED, dtype="<u4")
    for label, one in enumerate(SEMANTIC_KITTI_CLASSES):
        raw_of_label[label] = SEMANTIC_KITTI_RAW_LABELS[one.name][0]
    _check_classes(labels, len(SEMANTIC_KITTI_CLASSES))
    path = folder / "sequences" / scene_name / "predictions" / f"{scan:06d}.label"
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        raw_of_label[labels].tofile(draft)
    return path


def write_scannet_labels(folder: Path, token: str, labels: NDArray[np.uint8]) -> Path:
    """Write the labels of one scene to NAME.txt, as ScanNet's benchmark takes them.

    Args:
        folder: Folder of the predictions; it may be packed for the server as it is.
        token: Token of the scene, such as "scannet-scene0707_00".
        labels: (N,) uint8, the 20 classes of ScanNet; IGNORE_LABEL is written as unlabelled.

    Returns:
        Path of the file: one of NYU's 40 labels in each line, in the order of the vertices.

    Raises:
        ValueError: If a label is none of the classes, or the scene none of ScanNet.
    """
    name = scene_of_token(token)
    _check_classes(labels, len(SCANNET_CLASSES))
    raw_of_label = np.full(256, _UNLABELLED)
    raw_of_label[: len(SCANNET_RAW_LABELS)] = SCANNET_RAW_LABELS
    path = folder / f"{name}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as draft:
        draft.write_text("".join(f"{raw}\n" for raw in raw_of_label[labels].tolist()))
    return path


def _check_classes(labels: NDArray[np.uint8], num_classes: int) -> None:
    others = labels[(labels >= num_classes) & (labels != IGNORE_LABEL)]
    if len(others):
        raise ValueError(
            f"labels must be 0 to {num_classes - 1} or {IGNORE_LABEL}, got {others[0]}"
        )
