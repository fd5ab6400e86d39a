"""Files of a data set that are missing, empty or cut off; few bytes of each are read."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.scannet_format.ply import read_ply_vertices
from clip2scene_core.doctor.finding import Finding, ok, problem, some
from clip2scene_core.sample import DatasetError
from clip2scene_core.training.data_check import missing_files

REACH: Final = 10
"""Sweeps before each keyframe that are looked for: those of half a second of nuScenes."""
_TAIL_BYTES: Final = 64
_ENDS: Final = {".jpg": b"\xff\xd9", ".jpeg": b"\xff\xd9", ".png": b"IEND\xaeB`\x82"}


def check_all_files(
    dataset: KeyframeDataset, progress: Callable[[int, int], None] = lambda done, total: None
) -> list[Finding]:
    """Look at every file that a training of a data set may read.

    Missing files are counted by scene, as a download in parts leaves them. Of the others size and
    end are looked at: whole points, as many labels as points, and pictures that end as pictures do.

    Args:
        dataset: Opened with labels if it has some.
        progress: Called with the number of keyframes done and in total.

    Raises:
        DatasetError: If the tables name a sweep or labels that they do not hold.
    """
    findings = []
    missing = missing_files(dataset, REACH)
    if missing:
        names = {scene.token: scene.name for scene in dataset.scenes}
        paths = list(dict.fromkeys(path for lacking in missing.values() for path in lacking))
        whole = [scene.name for scene in dataset.scenes if scene.token not in missing]
        remedy = "complete the download"
        if whole:
            remedy += f", or name the scenes that are whole in a file for --scenes: {some(whole)}"
        findings.append(
            problem(
                "files",
                f"{len(paths)} files are missing, the first is {paths[0]}; {len(whole)} of "
                f"{len(names)} scenes are whole, not so {some(names[one] for one in missing)}",
                remedy,
            )
        )
    damaged: dict[Path, str] = {}
    seen: set[Path] = set()
    for index in range(len(dataset)):
        files = dataset.files(index, range(1, REACH + 1))
        for path in files.all:
            if path not in seen:
                seen.add(path)
                fault = describe_damage(path, _record_bytes(path))
                if fault:
                    damaged[path] = fault
        if files.labels is not None and not {files.labels, files.points[0]} & damaged.keys():
            fault = _compare_labels(files.points[0], files.labels)
            if fault:
                damaged[files.labels] = fault
        progress(index + 1, len(dataset))
    if damaged:
        path, fault = next(iter(damaged.items()))
        findings.append(
            problem(
                "files",
                f"{len(damaged)} of {len(seen)} files are damaged, the first is {path}: {fault}; "
                f"others: {some(list(damaged)[1:]) or 'none'}",
                "get these files again",
            )
        )
    if not findings:
        findings.append(ok("files", f"all {len(seen)} are there, and as long as they should be"))
    return findings


def describe_damage(path: Path, record_bytes: int | None = None) -> str:
    """Say what is wrong with a file, by its size and its end.

    Args:
        path: File of points, labels or a picture.
        record_bytes: Bytes of one point or label; None if that is not known.

    Returns:
        A few words; "" if nothing is, or the file is missing.
    """
    try:
        size = os.stat(path).st_size
        if size == 0:
            return "it is empty"
        if record_bytes is not None and size % record_bytes:
            return f"its {size} bytes are not a multiple of {record_bytes}; it is cut off"
        end = _ENDS.get(path.suffix.lower())
        with path.open("rb") as file:
            head = file.read(_TAIL_BYTES)
            file.seek(max(0, size - _TAIL_BYTES))
            tail = file.read()
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"it cannot be read ({error.strerror})"
    if not any(head) and not any(tail) and end is not None:
        return "it holds zeros, as a download leaves that never ended"
    if end is not None and end not in tail:
        return "it does not end as a picture of its kind; it is cut off"
    return _describe_ply(path) if path.suffix == ".ply" else ""


def _record_bytes(path: Path) -> int | None:
    """Bytes of a point of nuScenes or KITTI, or of a label of KITTI, by the file's place."""
    if path.name.endswith(".pcd.bin"):
        return 20
    if path.suffix == ".bin" and path.parent.name == "velodyne":
        return 16
    return 4 if path.suffix == ".label" else None


def _compare_labels(points: Path, labels: Path) -> str:
    """Compare the numbers of points and labels by the sizes of the files."""
    point_bytes = _record_bytes(points)
    if point_bytes is None or not points.exists() or not labels.exists():
        return ""
    num_points = points.stat().st_size // point_bytes
    num_labels = labels.stat().st_size // (_record_bytes(labels) or 1)
    if num_points == num_labels:
        return ""
    return f"it has {num_labels} labels for {num_points} points"


def _describe_ply(path: Path) -> str:
    """Read the vertices: a file that was cut off may lack faces, which nobody reads."""
    try:
        read_ply_vertices(path, ("x", "y", "z"))
    except DatasetError as error:
        return str(error).removeprefix(f"{path} ")
    return ""
