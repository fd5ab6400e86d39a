"""A nuScenes data set, real or synthetic, as samples: keyframe, previous sweeps, cameras, labels.

`NuScenesDataset` gives samples; the `read_...` functions below it read one file each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.intensity import DatasetIntensity
from clip2scene_core.datasets.keyframe_dataset import SceneRecord
from clip2scene_core.datasets.keyframe_files import KeyframeFiles
from clip2scene_core.datasets.nuscenes_format.categories import read_categories
from clip2scene_core.datasets.nuscenes_format.sensors import LIDAR_CHANNEL
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables, SensorRecord
from clip2scene_core.files.color_picture import PictureError, read_picture
from clip2scene_core.labels import NUSCENES_CLASSES, SemanticClass
from clip2scene_core.sample import CameraView, DatasetError, Sample, Sweep

FULL_SCALE = 255.0
"""Largest intensity of nuScenes."""
_POINT_BYTES = 20
_MAX_RING = 65535
_MIN_RINGS = 0.99


class NuScenesDataset:
    """The keyframes of a data set in nuScenes' format, scene by scene, in time order.

    `lidarseg/` and `lidarseg.json` are read only if `with_labels`, images only if `with_images`.

    Args:
        root: Folder with `samples/` and the version folder.
        version: Name of the version folder, for example "v1.0-mini"; None means the only `v1.0-*`.
        scenes: Names of the scenes, in the wanted order; None means all.
        num_sweeps: Number of sweeps of a sample, including the keyframe. A keyframe near the start
            of its scene has fewer.
        with_labels: Whether keyframes have labels of the 16 classes.
        with_images: Whether samples have camera views. None takes those of known names.
        cameras: Names of the cameras to read; None means nuScenes' six. A data set with others must
            name them, so that none is passed over in silence.
        intensity_scale: The LiDAR's largest intensity in the files.

    Attributes:
        classes: The 16 classes, or those that the data set's own category.json names; the index of
            a class is its label.
        scenes: The open scenes.
        with_labels: Whether keyframes have labels.

    Raises:
        DatasetError: If the tables are incomplete, or a scene or the version is unknown.
    """

    def __init__(
        self,
        root: Path,
        version: str | None = None,
        scenes: Sequence[str] | None = None,
        num_sweeps: int = 1,
        with_labels: bool = False,
        with_images: bool | None = True,
        cameras: Sequence[str] | None = None,
        intensity_scale: float = FULL_SCALE,
    ) -> None:
        if num_sweeps < 1:
            raise ValueError(f"num_sweeps must be 1 (the keyframe) or more, got {num_sweeps}")
        self._tables = NuScenesTables(Path(root), version, scenes, cameras)
        if with_images and cameras is None and self._tables.unread_cameras:
            names = " ".join(self._tables.unread_cameras)
            raise DatasetError(
                f"{self._tables.table('sensor')} has cameras that are not nuScenes' six: {names}; "
                f"name all cameras to read, for example --cameras {names}"
            )
        self._num_sweeps = num_sweeps
        self._with_images = with_images is not False
        self._intensity = DatasetIntensity(intensity_scale)
        self.with_labels = with_labels
        self._categories = read_categories(self._tables) if with_labels else None
        self._label_paths = self._read_label_paths() if with_labels else {}

    @property
    def classes(self) -> tuple[SemanticClass, ...]:
        """The classes of the labels; nuScenes' 16 if they are not read."""
        return NUSCENES_CLASSES if self._categories is None else self._categories.classes

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        return self._tables.scenes

    def __len__(self) -> int:
        return len(self._tables.keyframes)

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe with the `num_sweeps` - 1 sweeps just before it; see `load`."""
        return self.load(index, range(1, self._num_sweeps))

    def load(self, index: int, previous: Sequence[int], with_pixels: bool = True) -> Sample:
        """Load one keyframe and chosen sweeps before it.

        Args:
            index: Index of the keyframe.
            previous: Numbers of the sweeps, ascending; 1 is the sweep just before the keyframe.
                Sweeps before the start of the scene are left out.
            with_pixels: Whether images are decoded, see `KeyframeDataset.load`.

        Raises:
            DatasetError: If a file is missing, truncated, or has the wrong size.
            IndexError: If there is no such keyframe.
        """
        sample_token = self._tables.keyframes[index]
        records = self._tables.keyframe_records(sample_token)
        lidar = records.pop(LIDAR_CHANNEL)
        cameras = records.values() if self._with_images else ()
        return Sample(
            token=sample_token,
            scene_token=self._tables.scene_token(sample_token),
            sweeps=tuple(self._read_sweeps(lidar, previous)),
            cameras=tuple(read_camera(record, with_pixels) for record in cameras),
        )

    def token(self, index: int) -> str:
        """The token of a keyframe; opens no file."""
        return self._tables.keyframes[index]

    def scene_token(self, index: int) -> str:
        """The token of the scene of a keyframe; opens no file."""
        return self._tables.scene_token(self.token(index))

    def lidar_token(self, index: int) -> str:
        """The token of the LiDAR's reading of a keyframe, which names its labels."""
        return self._tables.keyframe_records(self.token(index))[LIDAR_CHANNEL].token

    @property
    def version(self) -> str:
        """Name of the version folder."""
        return self._tables.version

    def num_previous(self, index: int, limit: int) -> int:
        """Count the sweeps before a keyframe in its scene, up to `limit`; opens no file."""
        record = self._tables.keyframe_records(self.token(index))[LIDAR_CHANNEL]
        for count in range(limit):
            earlier = self._tables.previous_record(record)
            if earlier is None:
                return count
            record = earlier
        return limit

    def files(self, index: int, previous: Sequence[int]) -> KeyframeFiles:
        """The files of a keyframe and of chosen sweeps, see `KeyframeDataset.files`."""
        records = self._tables.keyframe_records(self._tables.keyframes[index])
        lidar = records.pop(LIDAR_CHANNEL)
        cameras = list(records.values()) if self._with_images else []
        sweeps = [lidar, *self._previous_records(lidar, previous)]
        placement: list[NDArray[np.float64] | NDArray[np.int64]] = []
        for record in (*sweeps, *cameras):
            placement += [record.T_global_sensor, np.array([record.stamp_ns])]
            placement += [] if record.intrinsics is None else [record.intrinsics]
        return KeyframeFiles(
            tuple(record.path for record in sweeps),
            tuple(record.path for record in cameras),
            tuple(placement),
            self._label_path(lidar) if self.with_labels else None,
        )

    def scene_records(self, scene_name: str) -> Iterator[SensorRecord]:
        """All LiDAR and camera readings of one scene in time order; opens no file.

        Raises:
            DatasetError: If the scene is not open.
        """
        return self._tables.scene_records(scene_name)

    def _read_sweeps(self, keyframe: SensorRecord, previous: Sequence[int]) -> Iterator[Sweep]:
        sweep = read_sweep(keyframe, self._intensity)
        yield replace(sweep, labels=self._read_labels(keyframe, len(sweep.points)))
        for record in self._previous_records(keyframe, previous):
            yield read_sweep(record, self._intensity)

    def _previous_records(
        self, keyframe: SensorRecord, previous: Sequence[int]
    ) -> Iterator[SensorRecord]:
        """The readings of chosen sweeps before a keyframe's, as far as the scene goes back."""
        record: SensorRecord | None = keyframe
        for steps in np.diff(previous, prepend=0):
            for _ in range(steps):
                record = self._tables.previous_record(record) if record is not None else None
            if record is None:
                return
            yield record

    def _read_labels(self, record: SensorRecord, num_points: int) -> NDArray[np.uint8] | None:
        if not self.with_labels:
            return None
        path = self._label_path(record)
        try:
            raw = np.fromfile(path, dtype=np.uint8)
        except FileNotFoundError:
            raise DatasetError(f"{path} is missing; the labels are incomplete") from None
        if len(raw) != num_points:
            raise DatasetError(
                f"{path} has {len(raw)} labels, but {record.path} has {num_points} points"
            )
        assert self._categories is not None  # opened with labels
        return self._categories.map(raw, path)

    def _label_path(self, record: SensorRecord) -> Path:
        if record.token not in self._label_paths:
            raise DatasetError(
                f"{self._tables.table('lidarseg')} has no labels of {record.path.name}; "
                f"open the data set without labels or leave its scene out"
            )
        return self._label_paths[record.token]

    def _read_label_paths(self) -> dict[str, Path]:
        return self._tables.label_paths()


def read_points(path: Path) -> NDArray[np.float32]:
    """Read all columns of a LiDAR file.

    Returns:
        (N, 5) float32: x, y, z in metres in the LiDAR frame, intensity 0-255, ring.

    Raises:
        DatasetError: If the file is missing, its size is not a multiple of a point's, or its points
            have another number of columns.
    """
    try:
        values = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    if len(values) % _POINT_BYTES:
        others = [str(columns) for columns in (4, 3, 6) if len(values) % (4 * columns) == 0]
        guess = f"; perhaps its points have {' or '.join(others)} columns" if others else ""
        raise DatasetError(
            f"{path} has {len(values)} bytes, not a multiple of {_POINT_BYTES} (x, y, z, "
            f"intensity, ring); it is truncated{guess}"
        )
    # The files are little-endian on every machine.
    points: NDArray[np.float32] = values.view("<f4").reshape(-1, 5).astype(np.float32, copy=False)
    if len(points) and _count_rings(points[:, 4]) < _MIN_RINGS * len(points):
        raise DatasetError(
            f"{path}: the fifth column, the ring, holds no small whole numbers; perhaps its points "
            f"have 4 columns or 6: write x, y, z, intensity and ring, or 0 in place of the ring"
        )
    return points


def _count_rings(column: NDArray[np.float32]) -> int:
    """Count the numbers of a column that a ring could be, or a time within a sweep.

    Where points of another number of columns are read as five, coordinates stand there.
    """
    with np.errstate(invalid="ignore"):
        is_ring = (column == np.rint(column)) & (column >= 0) & (column <= _MAX_RING)
        is_time = np.abs(column) <= 1
    return int(np.count_nonzero(is_ring | is_time))


def read_sweep(record: SensorRecord, intensity: DatasetIntensity | None = None) -> Sweep:
    """Read one LiDAR sweep, without labels.

    Args:
        record: Of a LiDAR.
        intensity: Divides the intensities; by default those of nuScenes, 0 to 255.

    Raises:
        DatasetError: If the file is missing or its size is not a multiple of a point's.
    """
    points = read_points(record.path)[:, :4]
    intensity = intensity or DatasetIntensity(FULL_SCALE)
    points[:, 3] = intensity.scale(points[:, 3], record.path)
    return Sweep(
        points=np.ascontiguousarray(points),
        T_global_lidar=record.T_global_sensor,
        stamp_ns=record.stamp_ns,
    )


def read_camera(record: SensorRecord, with_pixels: bool = True) -> CameraView:
    """Read one camera image, or only its size.

    Raises:
        DatasetError: If the file is missing, is no color picture (see `decode_picture`), does not
            have the size in the table, or if the camera has no intrinsics of a pinhole camera.
    """
    if record.intrinsics is None:
        raise DatasetError(
            f"{record.channel} of {record.path.name} has no camera_intrinsic in calibrated_sensor"
        )
    try:
        image = read_picture(record.path, with_pixels)
    except FileNotFoundError:
        raise DatasetError(f"{record.path} is missing; the data set is incomplete") from None
    except PictureError as error:
        raise DatasetError(f"{record.path} {error}") from None
    except OSError as error:
        raise DatasetError(f"{record.path} is no readable picture: {error}") from None
    if record.image_size is not None and image.shape[:2] != record.image_size:
        raise DatasetError(
            f"{record.path} is {image.shape[0]} x {image.shape[1]} pixels, the table says "
            f"{record.image_size[0]} x {record.image_size[1]}; the intrinsics would not fit"
        )
    try:
        return CameraView(
            name=record.channel.lower(),
            image=image,
            intrinsics=record.intrinsics,
            T_global_camera=record.T_global_sensor,
            stamp_ns=record.stamp_ns,
        )
    except ValueError as error:
        raise DatasetError(f"{record.path}: calibrated_sensor: {error}") from None
