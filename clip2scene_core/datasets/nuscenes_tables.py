"""The JSON tables of a nuScenes data set as records of scenes and of sensor readings."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.keyframe_dataset import SceneRecord
from clip2scene_core.datasets.nuscenes_format.rows import choose_version, integer_of, text_of
from clip2scene_core.datasets.nuscenes_format.sensors import (
    CAMERA_CHANNELS,
    LIDAR_CHANNEL,
    RECORDED,
    Sensor,
    check_sensors,
    read_intrinsics,
    read_sensor,
)
from clip2scene_core.files.damage import name_damage, one_line, shortened
from clip2scene_core.files.names import checked_name, checked_path
from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_core.sample import DatasetError

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class SensorRecord:
    """One reading of one sensor: its file, and the pose of the sensor.

    Attributes:
        token: Identifier of the reading in the data set.
        channel: Name of the sensor, for example "LIDAR_TOP" or "CAM_FRONT".
        modality: "lidar" or "camera".
        path: File of the reading; it is not opened here.
        stamp_ns: Time, nanoseconds.
        T_global_ego: (4, 4) float64, pose of the ego vehicle at the stamp of this reading.
        T_ego_sensor: (4, 4) float64, extrinsics of the sensor.
        intrinsics: (3, 3) float64 in pixels; None for the LiDAR.
        is_key_frame: Whether the reading belongs to a keyframe.
        sample_token: Token of the keyframe that it belongs to or is nearest to.
        image_size: (height, width) in pixels; None for the LiDAR.
        previous_token: Token of the previous reading of the same sensor, "" at the start of a
            scene.
    """

    token: str
    channel: str
    modality: str
    path: Path
    stamp_ns: int
    T_global_ego: NDArray[np.float64]
    T_ego_sensor: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None
    is_key_frame: bool
    sample_token: str
    image_size: tuple[int, int] | None
    previous_token: str

    @property
    def T_global_sensor(self) -> NDArray[np.float64]:
        """Pose of the sensor at the stamp of this reading, (4, 4) float64."""
        return self.T_global_ego @ self.T_ego_sensor


class _Calibration(NamedTuple):
    channel: str
    modality: str
    T_ego_sensor: NDArray[np.float64]
    intrinsics: NDArray[np.float64] | None


class _Reading(NamedTuple):
    """A row of sample_data. It is small, because the full data set has 2.6 million rows."""

    token: str
    sample_token: str
    ego_pose_token: str
    calibration: _Calibration
    stamp_us: int
    is_key_frame: bool
    previous_token: str
    filename: str
    height: int
    width: int


class NuScenesTables:
    """The tables of the chosen scenes, for the LiDAR and the cameras. Radar readings are left out.

    Args:
        root: Folder with `samples/` and the version folder.
        version: Name of the version folder, for example "v1.0-mini"; None means the only `v1.0-*`.
        scenes: Names of the scenes, in the wanted order; None means all.
        cameras: Names of the cameras to read, in the wanted order; None means nuScenes' six, or all
            of a recording.

    Attributes:
        root: Folder of the data set.
        version: Name of the opened version folder.
        scenes: The chosen scenes.
        keyframes: Tokens of all keyframes, scene by scene, in time order.
        unread_cameras: Names of the cameras that the data set has beside those.

    Raises:
        DatasetError: If a table, a field, a scene or a token is missing.
    """

    def __init__(
        self,
        root: Path,
        version: str | None,
        scenes: Sequence[str] | None,
        cameras: Sequence[str] | None = None,
    ) -> None:
        self.root = root
        self._cameras = CAMERA_CHANNELS if cameras is None else tuple(dict.fromkeys(cameras))
        self.version = choose_version(root, version)
        self._takes_all_cameras = cameras is None and self.version == RECORDED
        with name_damage(root / self.version, "data set", DatasetError):
            self._read(scenes)

    def _read(self, scenes: Sequence[str] | None) -> None:
        chosen = self._choose_scenes(scenes)
        self._scene_token_of_keyframe = self._read_keyframes(chosen)
        counts: defaultdict[str, int] = defaultdict(int)
        for scene_token in self._scene_token_of_keyframe.values():
            counts[scene_token] += 1
        self.scenes = tuple(
            SceneRecord(token, name, counts[token]) for name, token in chosen.items()
        )
        self.keyframes = tuple(self._scene_token_of_keyframe)
        sensors = dict(self.read_table("sensor", read_sensor))
        if self._takes_all_cameras:
            self._cameras = tuple(one.channel for one in sensors.values() if one.is_camera)
        self._readings = self._read_readings(sensors)
        self.unread_cameras = check_sensors(self.table("sensor"), sensors.values(), self._cameras)
        self._poses = self._read_poses()
        self._scene_readings: defaultdict[str, list[_Reading]] = defaultdict(list)
        self._keyframe_readings: defaultdict[str, dict[str, _Reading]] = defaultdict(dict)
        for reading in self._readings.values():
            self._scene_readings[self.scene_token(reading.sample_token)].append(reading)
            if reading.is_key_frame:
                channel = reading.calibration.channel
                self._keyframe_readings[reading.sample_token][channel] = reading
        for sample_token in self.keyframes:
            if LIDAR_CHANNEL not in self._keyframe_readings[sample_token]:
                raise DatasetError(
                    f"{self.table('sample_data')}: keyframe {sample_token} has no {LIDAR_CHANNEL} "
                    f"reading; the tables are incomplete"
                )

    def table(self, name: str) -> Path:
        """Path of one table."""
        return self.root / self.version / f"{name}.json"

    def scene_token(self, sample_token: str) -> str:
        """Token of the scene that a keyframe belongs to."""
        return self._scene_token_of_keyframe[sample_token]

    def keyframe_records(self, sample_token: str) -> dict[str, SensorRecord]:
        """The readings of one keyframe by channel: the LiDAR, then the cameras in their order."""
        readings = self._keyframe_readings[sample_token]
        return {
            channel: self._record(readings[channel])
            for channel in (LIDAR_CHANNEL, *self._cameras)
            if channel in readings
        }

    def previous_record(self, record: SensorRecord) -> SensorRecord | None:
        """The reading of the same sensor before this one, None at the start of a scene.

        Raises:
            DatasetError: If the tables name a reading that they do not hold.
        """
        if not record.previous_token:
            return None
        if record.previous_token not in self._readings:
            raise DatasetError(
                f"{self.table('sample_data')}: reading {record.token} names the previous reading "
                f"{record.previous_token}, which is not in the table"
            )
        return self._record(self._readings[record.previous_token])

    def scene_records(self, scene_name: str) -> Iterator[SensorRecord]:
        """All readings of one scene in time order, in keyframes and between them.

        Raises:
            DatasetError: If the scene was not chosen.
        """
        tokens = {scene.name: scene.token for scene in self.scenes}
        if scene_name not in tokens:
            raise DatasetError(f"no scene {scene_name!r}; the open scenes are {_some(tokens)}")
        readings = self._scene_readings[tokens[scene_name]]
        in_time_order = sorted(readings, key=lambda row: (row.stamp_us, row.calibration.channel))
        return (self._record(reading) for reading in in_time_order)

    def label_paths(self) -> dict[str, Path]:
        """Files of lidarseg by the token of their sweep.

        Raises:
            DatasetError: If the table is missing, damaged, or leads out of the data set.
        """

        def pick(row: dict[str, Any]) -> tuple[str, Path]:
            name = checked_path(row["filename"], "the file of labels")
            return text_of(row, "sample_data_token"), self.root / name

        return dict(self.read_table("lidarseg", pick))

    def read_table(self, name: str, pick: Callable[[dict[str, Any]], _Row | None]) -> list[_Row]:
        """Read one table; keep what `pick` returns for each row, unless it is None.

        Raises:
            DatasetError: If the file is missing or is not a table, or if a row lacks a field that
                `pick` reads.
        """
        path = self.table(name)
        try:
            # `pick` runs while the file is parsed: as dicts, large tables do not fit in memory.
            with path.open(encoding="utf-8") as stream:
                rows = json.load(stream, object_hook=pick)
        except FileNotFoundError:
            raise DatasetError(f"{path} is missing; the data set is incomplete") from None
        except KeyError as error:
            raise DatasetError(f"{path}: a row has no field {error}") from None
        except DatasetError:
            raise
        except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError) as error:
            raise DatasetError(f"{path} is not a valid table: {one_line(error)}") from error
        except OSError as error:
            raise DatasetError(f"{path} cannot be read ({error.strerror})") from error
        if not isinstance(rows, list):
            raise DatasetError(f"{path} must hold a list of rows, got {type(rows).__name__}")
        # What is no object was never picked from.
        foreign = next((row for row in rows if isinstance(row, (list, str, int, float))), None)
        if foreign is not None:
            raise DatasetError(f"{path}: a row is {shortened(repr(foreign), 60)}, not an object")
        return [row for row in rows if row is not None]

    def _choose_scenes(self, names: Sequence[str] | None) -> dict[str, str]:
        def pick(row: dict[str, Any]) -> tuple[str, str]:
            return text_of(row, "name"), checked_name(row["token"], "the token of a scene")

        rows = self.read_table("scene", pick)
        token_of_name: dict[str, str] = dict(rows)
        if names is None:
            return token_of_name
        unknown = [name for name in names if name not in token_of_name]
        if unknown:
            raise DatasetError(
                f"{self.table('scene')} has no scene {_some(dict.fromkeys(unknown))}; "
                f"it has {_some(token_of_name)}"
            )
        return {name: token_of_name[name] for name in names}

    def _read_keyframes(self, token_of_scene: Mapping[str, str]) -> dict[str, str]:
        """Map keyframe tokens to scene tokens, in the order of the scenes and of time."""
        order = {token: index for index, token in enumerate(token_of_scene.values())}

        def pick(row: dict[str, Any]) -> tuple[int, int, str, str] | None:
            scene_token = row["scene_token"]
            if scene_token not in order:
                return None
            token = checked_name(row["token"], "the token of a sample")
            return order[scene_token], integer_of(row, "timestamp"), token, scene_token

        rows = sorted(self.read_table("sample", pick))
        return {token: scene_token for _, _, token, scene_token in rows}

    def _read_readings(self, sensors: Mapping[str, Sensor]) -> dict[str, _Reading]:
        calibrations = self._read_calibrations(sensors)
        # One string per keyframe token instead of one per reading.
        keyframe_tokens = {token: token for token in self.keyframes}
        path = self.table("sample_data")

        def pick(row: dict[str, Any]) -> _Reading | None:
            sample_token = keyframe_tokens.get(row["sample_token"])
            if sample_token is None:
                return None
            calibration_token = row["calibrated_sensor_token"]
            if calibration_token not in calibrations:
                unknown = shortened(str(calibration_token), 60)
                raise DatasetError(
                    f"{path}: reading {row['token']} names the calibration {unknown}, which is "
                    f"not in {self.table('calibrated_sensor')}"
                )
            calibration = calibrations[calibration_token]
            if calibration is None:
                return None
            return _Reading(
                token=checked_name(row["token"], "the token of a reading"),
                sample_token=sample_token,
                ego_pose_token=text_of(row, "ego_pose_token"),
                calibration=calibration,
                stamp_us=integer_of(row, "timestamp"),
                is_key_frame=bool(row["is_key_frame"]),
                # A data set of single keyframes has no such field.
                previous_token=row.get("prev") or "",
                filename=checked_path(row["filename"], "the file of a reading"),
                height=integer_of(row, "height") if row.get("height") else 0,
                width=integer_of(row, "width") if row.get("width") else 0,
            )

        return {reading.token: reading for reading in self.read_table("sample_data", pick)}

    def _read_calibrations(self, sensors: Mapping[str, Sensor]) -> dict[str, _Calibration | None]:
        """Calibrations by token; None for a sensor that is not read."""

        def pick(row: dict[str, Any]) -> tuple[str, _Calibration | None]:
            sensor_token = row["sensor_token"]
            if sensor_token not in sensors:
                raise DatasetError(
                    f"{self.table('calibrated_sensor')}: calibration {row['token']} names the "
                    f"sensor {sensor_token}, which is not in {self.table('sensor')}"
                )
            channel = sensors[sensor_token].channel
            if channel != LIDAR_CHANNEL and channel not in self._cameras:
                return row["token"], None
            intrinsics = row["camera_intrinsic"]
            return row["token"], _Calibration(
                channel,
                "lidar" if channel == LIDAR_CHANNEL else "camera",
                matrix_from_quaternion(row["rotation"], row["translation"]),
                read_intrinsics(intrinsics, row["token"]) if intrinsics else None,
            )

        return dict(self.read_table("calibrated_sensor", pick))

    def _read_poses(self) -> dict[str, tuple[list[float], list[float]]]:
        wanted = {reading.ego_pose_token for reading in self._readings.values()}

        def pick(row: dict[str, Any]) -> tuple[str, tuple[list[float], list[float]]] | None:
            token = row["token"]
            return (token, (row["rotation"], row["translation"])) if token in wanted else None

        poses = dict(self.read_table("ego_pose", pick))
        missing = wanted - poses.keys()
        if missing:
            raise DatasetError(
                f"{self.table('ego_pose')} lacks {len(missing)} poses that sample_data names, "
                f"for example {shortened(min(missing), 60)}"
            )
        return poses

    def _record(self, reading: _Reading) -> SensorRecord:
        calibration = reading.calibration
        rotation, translation = self._poses[reading.ego_pose_token]
        try:
            T_global_ego = matrix_from_quaternion(rotation, translation)
        except (ValueError, TypeError) as error:
            token = shortened(reading.ego_pose_token, 60)
            raise DatasetError(
                f"{self.table('ego_pose')}: pose {token}: {one_line(error)}"
            ) from None
        return SensorRecord(
            token=reading.token,
            channel=calibration.channel,
            modality=calibration.modality,
            path=self.root / reading.filename,
            stamp_ns=reading.stamp_us * 1000,
            T_global_ego=T_global_ego,
            T_ego_sensor=calibration.T_ego_sensor,
            intrinsics=calibration.intrinsics,
            is_key_frame=reading.is_key_frame,
            sample_token=reading.sample_token,
            image_size=(reading.height, reading.width) if reading.height else None,
            previous_token=reading.previous_token,
        )


def list_scenes(root: Path, version: str | None) -> tuple[Path, list[str]]:
    """Path of scene.json, and the names of all scenes in it.

    Raises:
        DatasetError: If the version is unknown, or the table damaged.
    """
    path = root / choose_version(root, version) / "scene.json"
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        return path, [row["name"] for row in rows]
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except (ValueError, TypeError, KeyError) as error:
        raise DatasetError(f"{path} is not a valid table: {error}") from None


def _some(names: Mapping[str, object]) -> str:
    shown = list(names)[:5]
    return ", ".join(shown) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
