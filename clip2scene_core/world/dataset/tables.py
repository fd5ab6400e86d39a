"""The relational tables of nuScenes, filled scene by scene and written at the end."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.files.damage import name_damage, one_line
from clip2scene_core.geometry.se3 import quaternion_from_matrix
from clip2scene_core.labels import NUSCENES_RAW_CATEGORIES
from clip2scene_core.sample import DatasetError
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.sensors.lidar_models import NUSCENES
from clip2scene_core.world.sensors.sensor_rig import (
    RIG_CAMERAS,
    RIG_LIDAR,
    RigSensor,
    misaligned,
)

VERSION: Final = "v1.0-mini"
CALIBRATION_STREAM: Final = 3
ONE_RIG_VEHICLE: Final = "synthetic"
"""Vehicle in the log of a scene with nuScenes' sensors."""

LIDAR_LABEL: Final = "synthetic with "
"""Stands before the name of the LiDAR model in the log of another scene."""

TABLES: Final = (
    "attribute", "calibrated_sensor", "category", "ego_pose", "instance", "lidarseg", "log", "map",
    "sample", "sample_annotation", "sample_data", "scene", "sensor", "visibility",
)  # fmt: skip
ATTRIBUTES: Final = (
    "vehicle.moving", "vehicle.stopped", "vehicle.parked", "cycle.with_rider",
    "cycle.without_rider", "pedestrian.sitting_lying_down", "pedestrian.standing",
    "pedestrian.moving",
)  # fmt: skip
VISIBILITIES: Final = (("1", "v0-40"), ("2", "v40-60"), ("3", "v60-80"), ("4", "v80-100"))

Record = dict[str, Any]


class Tables:
    """Tables of one world, or of some of its scenes.

    Attributes:
        options: Options of the world; tokens of scenes depend on its seed.
        records: Records by name of the table.
    """

    def __init__(self, options: WorldOptions) -> None:
        self.options = options
        self.records: dict[str, list[Record]] = {name: [] for name in TABLES}

    def add(self, table: str, **fields: Any) -> str:
        """Append a record; return its token."""
        self.records[table].append(fields)
        return str(fields["token"])

    def token(self, *parts: object) -> str:
        """Make a token that depends on the seed of the world and on the parts."""
        return token_of("clip2scene world", self.options.seed, *parts)

    def add_pose(self, token: str, T_global_ego: NDArray[np.float64], stamp_us: int) -> str:
        """Append an ego pose; return its token."""
        return self.add(
            "ego_pose",
            token=token,
            timestamp=stamp_us,
            rotation=quaternion_from_matrix(T_global_ego).tolist(),
            translation=T_global_ego[:3, 3].tolist(),
        )

    def write(self, folder: Path) -> None:
        """Write one JSON file per table.

        Args:
            folder: Folder `<data set>/<version>`; it is created.
        """
        folder.mkdir(parents=True)
        for name, records in self.records.items():
            (folder / f"{name}.json").write_text(json.dumps(records, indent=0))

    def add_all(self, others: Tables) -> None:
        """Append all records of other tables."""
        for name, records in others.records.items():
            self.records[name] += records

    def add_constants(self) -> None:
        """Append the records without a scene: categories, attributes, sensors, calibrations."""
        for raw, name in enumerate(NUSCENES_RAW_CATEGORIES):
            self.add(
                "category", token=token_of("category", name), name=name, description="", index=raw
            )
        for name in ATTRIBUTES:
            self.add("attribute", token=token_of("attribute", name), name=name, description="")
        for token, level in VISIBILITIES:
            self.add("visibility", token=token, level=level, description="")
        for sensor in (*RIG_CAMERAS, RIG_LIDAR):
            self.add(
                "sensor",
                token=token_of("sensor", sensor.channel),
                channel=sensor.channel,
                modality="camera" if sensor.is_camera else "lidar",
            )
        if self.options.has_one_rig:
            self.add_calibrations(RIG_CAMERAS, RIG_LIDAR)

    def add_calibrations(self, cameras: Sequence[RigSensor], lidar: RigSensor, *scene: int) -> None:
        """Append the recorded calibration of each sensor; cameras have the calibration error.

        Args:
            cameras: The cameras.
            lidar: The LiDAR.
            scene: Index of the scene, nothing if all scenes share the sensors.
        """
        options = self.options
        rng = np.random.default_rng([options.seed, CALIBRATION_STREAM, *scene])
        angle_deg, shift_m = options.calibration_error_deg, options.calibration_error_m
        moved = (misaligned(sensor, angle_deg, shift_m, rng) for sensor in cameras)
        for sensor in (*moved, lidar):
            camera_matrix = (
                sensor.intrinsics(options.image_size).tolist() if sensor.is_camera else []
            )
            self.add(
                "calibrated_sensor",
                token=self.token("calibrated_sensor", *scene, sensor.channel),
                sensor_token=token_of("sensor", sensor.channel),
                translation=sensor.T_ego_sensor[:3, 3].tolist(),
                rotation=quaternion_from_matrix(sensor.T_ego_sensor).tolist(),
                camera_intrinsic=camera_matrix,
            )


def lidar_of_scenes(root: Path) -> dict[str, str]:
    """Name of the LiDAR model of each scene of a world, by the token of the scene.

    Args:
        root: Folder of the data set.

    Raises:
        DatasetError: If it is not a data set that `clip2scene world` wrote.
    """
    rows = {}
    for name in ("log", "scene"):
        path = root / VERSION / f"{name}.json"
        try:
            rows[name] = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DatasetError(f"{path} is missing; is {root} a synthetic world?") from None
        except (ValueError, RecursionError, OSError) as error:
            raise DatasetError(f"{path} is no valid table: {one_line(error)}") from error
    with name_damage(root / VERSION, "tables of a world", DatasetError):
        return _lidar_of_scenes(root, rows)


def _lidar_of_scenes(root: Path, rows: Mapping[str, Any]) -> dict[str, str]:
    vehicles = {row["token"]: row["vehicle"] for row in rows["log"]}
    models = {token: vehicle.removeprefix(LIDAR_LABEL) for token, vehicle in vehicles.items()}
    for vehicle in vehicles.values():
        if vehicle != ONE_RIG_VEHICLE and not vehicle.startswith(LIDAR_LABEL):
            raise DatasetError(f"{root} is no synthetic world: it has the vehicle {vehicle!r}")
    return {
        row["token"]: models[row["log_token"]].replace(ONE_RIG_VEHICLE, NUSCENES.name)
        for row in rows["scene"]
    }
