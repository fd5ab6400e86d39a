"""Write samples as a data set in nuScenes' format, scene by scene."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.datasets.nuscenes_format.sensors import LIDAR_CHANNEL, RECORDED
from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.geometry.se3 import invert, quaternion_from_matrix
from clip2scene_core.labels import (
    IGNORE_LABEL,
    NUSCENES_CLASSES,
    NUSCENES_RAW_CATEGORIES,
    nuscenes_label_map,
)
from clip2scene_core.sample import CameraView, Sample, Sweep

LIDAR: Final = "lidar"
"""Key of the LiDAR's extrinsics, beside the names of the cameras."""

_JPEG_QUALITY: Final = 95
_FULL_SCALE: Final = 255  # of nuScenes' intensities
_TABLES: Final = (
    "attribute", "calibrated_sensor", "category", "ego_pose", "instance", "lidarseg", "log", "map",
    "sample", "sample_annotation", "sample_data", "scene", "sensor", "visibility",
)  # fmt: skip
_NO_CATEGORY: Final = 0  # "noise", which has no class

_Row = dict[str, Any]


class NuScenesWriter:
    """Writes samples into a folder; `close` writes the tables, without which it is no data set.

    Keyframes become `samples/`, their previous sweeps `sweeps/`, labels `lidarseg/`. Images are
    JPEG of quality 95. There are no boxes and no map.

    Args:
        root: Folder of the data set; it exists and is empty.
        log: What the recordings are called in the tables.
    """

    def __init__(self, root: Path, log: str) -> None:
        self._root = root
        self._rows: dict[str, list[_Row]] = {name: [] for name in _TABLES}
        self._log_token = token_of("log", log)
        self._newest: dict[tuple[str, str], _Row] = {}
        self._calibrations: dict[str, str] = {}
        self._scenes: dict[str, _Row] = {}
        self._rows["log"].append(
            {
                "token": self._log_token,
                "logfile": log,
                "vehicle": "recording",
                "date_captured": "",
                "location": "",
            }
        )
        for index, name in enumerate(NUSCENES_RAW_CATEGORIES):
            self._rows["category"].append(
                {
                    "token": token_of("category", name),
                    "name": name,
                    "description": "",
                    "index": index,
                }
            )

    @property
    def num_keyframes(self) -> int:
        """Number of keyframes written so far."""
        return len(self._rows["sample"])

    @property
    def num_scenes(self) -> int:
        """Number of scenes written so far."""
        return len(self._scenes)

    def add(
        self, sample: Sample, scene_name: str, T_ego_sensor: Mapping[str, NDArray[np.float64]]
    ) -> None:
        """Write one keyframe, in the order of time within its scene.

        Args:
            sample: Keyframe with previous sweeps that no earlier sample had, and views. Labels are
                of nuScenes' 16 classes.
            scene_name: Name of the scene; samples of one name are one scene.
            T_ego_sensor: (4, 4) float64 extrinsics by name of the camera, and of LIDAR. What is
                missing counts as the identity: poses of sensors are right all the same, but the
                ego vehicle is then where that sensor is.

        Raises:
            OSError: If a file cannot be written.
        """
        scene = self._scenes.get(scene_name) or self._add_scene(sample, scene_name)
        row: _Row = {
            "token": sample.token,
            "timestamp": sample.keyframe.stamp_ns // 1000,
            "scene_token": scene["token"],
            "prev": "",
            "next": "",
        }
        self._chain("sample", scene_name, row)
        scene["nbr_samples"] += 1
        scene["last_sample_token"] = sample.token
        T_ego_lidar = T_ego_sensor.get(LIDAR, np.eye(4))
        for sweep in (*reversed(sample.sweeps[1:]), sample.keyframe):
            self._add_sweep(sample, scene_name, sweep, T_ego_lidar)
        for view in sample.cameras:
            self._add_view(sample, scene_name, view, T_ego_sensor.get(view.name, np.eye(4)))

    def close(self) -> None:
        """Write the tables."""
        folder = self._root / RECORDED
        folder.mkdir()
        for name, rows in self._rows.items():
            (folder / f"{name}.json").write_text(json.dumps(rows, indent=0), encoding="utf-8")

    def _add_scene(self, sample: Sample, name: str) -> _Row:
        scene: _Row = {
            "token": sample.scene_token,
            "log_token": self._log_token,
            "name": name,
            "description": "",
            "nbr_samples": 0,
            "first_sample_token": sample.token,
            "last_sample_token": sample.token,
        }
        self._rows["scene"].append(scene)
        self._scenes[name] = scene
        return scene

    def _add_sweep(
        self, sample: Sample, scene_name: str, sweep: Sweep, T_ego_lidar: NDArray[np.float64]
    ) -> None:
        is_keyframe = sweep is sample.keyframe
        calibration = self._calibrate(LIDAR_CHANNEL, T_ego_lidar, None)
        row = self._describe(
            sample, scene_name, calibration, LIDAR_CHANNEL, sweep.stamp_ns, "pcd.bin", is_keyframe
        )
        self._place(row, sweep.T_global_lidar @ invert(T_ego_lidar))
        rings = np.zeros((len(sweep.points), 1), np.float32)
        values = np.concatenate([sweep.points, rings], axis=1)
        values[:, 3] *= _FULL_SCALE
        values.astype("<f4").tofile(self._path(row))
        if is_keyframe and sweep.labels is not None:
            self._write_labels(row["token"], sweep.labels)

    def _add_view(
        self, sample: Sample, scene_name: str, view: CameraView, T_ego_camera: NDArray[np.float64]
    ) -> None:
        channel = channel_of(view.name)
        calibration = self._calibrate(channel, T_ego_camera, view.intrinsics)
        row = self._describe(sample, scene_name, calibration, channel, view.stamp_ns, "jpg", True)
        row["height"], row["width"] = view.image.shape[:2]
        self._place(row, view.T_global_camera @ invert(T_ego_camera))
        # Without subsampling colors: the teacher sees patches of few pixels.
        Image.fromarray(view.image).save(self._path(row), quality=_JPEG_QUALITY, subsampling=0)

    def _describe(
        self,
        sample: Sample,
        scene_name: str,
        calibration: str,
        channel: str,
        stamp_ns: int,
        suffix: str,
        is_keyframe: bool,
    ) -> _Row:
        token = token_of(sample.scene_token, channel, stamp_ns)
        folder = "samples" if is_keyframe else "sweeps"
        row: _Row = {
            "token": token,
            "sample_token": sample.token,
            "ego_pose_token": token,
            "calibrated_sensor_token": calibration,
            "timestamp": stamp_ns // 1000,
            "fileformat": suffix.split(".")[0],
            "is_key_frame": is_keyframe,
            "height": 0,
            "width": 0,
            "filename": f"{folder}/{channel}/{scene_name}__{channel}__{stamp_ns // 1000}.{suffix}",
            "prev": "",
            "next": "",
        }
        self._chain("sample_data", f"{scene_name}/{channel}", row)
        return row

    def _chain(self, table: str, chain: str, row: _Row) -> None:
        """Append a row behind the newest one of its chain."""
        before = self._newest.get((table, chain))
        if before is not None:
            before["next"], row["prev"] = row["token"], before["token"]
        self._newest[table, chain] = row
        self._rows[table].append(row)

    def _place(self, row: _Row, T_global_ego: NDArray[np.float64]) -> None:
        self._rows["ego_pose"].append(
            {"token": row["token"], "timestamp": row["timestamp"], **_placement(T_global_ego)}
        )

    def _calibrate(
        self,
        channel: str,
        T_ego_sensor: NDArray[np.float64],
        intrinsics: NDArray[np.float64] | None,
    ) -> str:
        """Token of a calibration; equal ones are one row."""
        matrix = [] if intrinsics is None else intrinsics.tolist()
        token = token_of(channel, T_ego_sensor.round(9).tolist(), matrix)
        if token in self._calibrations:
            return token
        sensor = token_of("sensor", channel)
        if all(row["token"] != sensor for row in self._rows["sensor"]):
            modality = "lidar" if channel == LIDAR_CHANNEL else "camera"
            self._rows["sensor"].append({"token": sensor, "channel": channel, "modality": modality})
        self._rows["calibrated_sensor"].append(
            {
                "token": token,
                "sensor_token": sensor,
                "camera_intrinsic": matrix,
                **_placement(T_ego_sensor),
            }
        )
        self._calibrations[token] = channel
        return token

    def _write_labels(self, token: str, labels: NDArray[np.uint8]) -> None:
        name = f"lidarseg/{RECORDED}/{token}_lidarseg.bin"
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        _raw_of_label()[labels].tofile(path)
        self._rows["lidarseg"].append(
            {"token": token, "sample_data_token": token, "filename": name}
        )

    def _path(self, row: _Row) -> Path:
        path = self._root / str(row["filename"])
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def channel_of(camera: str) -> str:
    """Name of a camera as nuScenes writes it: "cam_front" is CAM_FRONT; what is no letter is _."""
    return "".join(sign if sign.isalnum() else "_" for sign in camera).upper()


def _raw_of_label() -> NDArray[np.uint8]:
    """(256,) uint8: the first raw category of each class; noise for every other label."""
    labels = nuscenes_label_map()[: len(NUSCENES_RAW_CATEGORIES)]
    raw = np.full(IGNORE_LABEL + 1, _NO_CATEGORY, dtype=np.uint8)
    for label in range(len(NUSCENES_CLASSES)):
        raw[label] = np.flatnonzero(labels == label)[0]
    return raw


def _placement(transform: NDArray[np.float64]) -> _Row:
    return {
        "rotation": quaternion_from_matrix(transform).tolist(),
        "translation": transform[:3, 3].tolist(),
    }
