"""The tables of a corrupted data set: those of the original, with changed rows."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets import SensorRecord
from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables
from clip2scene_core.geometry.se3 import quaternion_from_matrix

Row = dict[str, Any]

_COPIED: Final = ("attribute", "category", "instance", "log", "map", "sensor", "visibility")


@dataclass
class Readings:
    """The readings of a corrupted data set.

    Attributes:
        written: Tokens of all readings.
        moved: Old and new record, by token, of readings with another pose, extrinsics or stamp.
    """

    written: set[str] = field(default_factory=set)
    moved: dict[str, tuple[SensorRecord, SensorRecord]] = field(default_factory=dict)


def write_tables(tables: NuScenesTables, readings: Readings, folder: Path) -> None:
    """Write the tables of the open scenes. Boxes keep their point counts of the original.

    Args:
        tables: Tables of the original; a missing table is left out.
        readings: Readings of the corrupted data set.
        folder: Folder `<data set>/<version>`; it is created.

    Raises:
        DatasetError: If a file is not a table.
    """
    folder.mkdir(parents=True)
    scenes, keyframes = {scene.token for scene in tables.scenes}, set(tables.keyframes)
    copied: dict[str, Callable[[Row], bool]] = {
        "scene": lambda row: row["token"] in scenes,
        "sample": lambda row: row["token"] in keyframes,
        "sample_annotation": lambda row: row["sample_token"] in keyframes,
        "lidarseg": lambda row: row["sample_data_token"] in readings.written,
        **{name: lambda row: True for name in _COPIED},
    }
    for name, is_copied in copied.items():
        if tables.table(name).exists():
            _save(folder, name, _rows(tables, name, is_copied))
    _write_readings(tables, readings, folder)


def _write_readings(tables: NuScenesTables, readings: Readings, folder: Path) -> None:
    sample_data = _rows(tables, "sample_data", lambda row: row["token"] in readings.written)
    new_poses: list[Row] = []
    extrinsics: defaultdict[str, dict[str, NDArray[np.float64]]] = defaultdict(dict)
    for row in sample_data:
        if row["token"] not in readings.moved:
            continue
        before, after = readings.moved[row["token"]]
        row["timestamp"] = after.stamp_ns // 1000
        if not np.array_equal(before.T_global_ego, after.T_global_ego):
            row["ego_pose_token"] = token_of("ego_pose", row["token"])
            pose = {"token": row["ego_pose_token"], "timestamp": row["timestamp"]}
            new_poses.append(pose | _placement(after.T_global_ego))
        if not np.array_equal(before.T_ego_sensor, after.T_ego_sensor):
            old = row["calibrated_sensor_token"]
            row["calibrated_sensor_token"] = token_of(old, after.T_ego_sensor.tolist())
            extrinsics[old][row["calibrated_sensor_token"]] = after.T_ego_sensor
    used_poses = {row["ego_pose_token"] for row in sample_data}
    poses = _rows(tables, "ego_pose", lambda row: row["token"] in used_poses)
    calibrations = _rows(tables, "calibrated_sensor", lambda row: True)
    new_calibrations = [
        {**row, "token": token, **_placement(T_ego_sensor)}
        for row in calibrations
        for token, T_ego_sensor in extrinsics[row["token"]].items()
    ]
    _save(folder, "sample_data", sample_data)
    _save(folder, "ego_pose", poses + new_poses)
    _save(folder, "calibrated_sensor", calibrations + new_calibrations)


def _rows(tables: NuScenesTables, name: str, is_copied: Callable[[Row], bool]) -> list[Row]:
    return tables.read_table(name, lambda row: row if is_copied(row) else None)


def _save(folder: Path, name: str, rows: list[Row]) -> None:
    (folder / f"{name}.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")


def _placement(transform: NDArray[np.float64]) -> Row:
    return {
        "rotation": quaternion_from_matrix(transform).tolist(),
        "translation": transform[:3, 3].tolist(),
    }
