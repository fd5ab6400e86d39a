"""Write a corrupted copy of a data set in nuScenes' format, synthetic or real."""

from __future__ import annotations

import json
import os
import shutil
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.corruptions.apply import corrupt_image, corrupt_points
from clip2scene_core.corruptions.corruption import (
    CameraLoss,
    Corruption,
    Fog,
    Miscalibration,
    Rain,
    TimeOffset,
)
from clip2scene_core.corruptions.echoes import Echoes
from clip2scene_core.corruptions.rig import Motion, delay, lost_cameras, misplace
from clip2scene_core.corruptions.tables import Readings, write_tables
from clip2scene_core.datasets import (
    DatasetError,
    SceneRecord,
    SensorRecord,
    Sweep,
    read_camera,
    read_points,
    read_sweep,
)
from clip2scene_core.datasets.intensity import DatasetIntensity
from clip2scene_core.datasets.nuscenes import FULL_SCALE
from clip2scene_core.datasets.nuscenes_format.sensors import LIDAR_CHANNEL
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables
from clip2scene_core.files.arrays import read_npz
from clip2scene_core.files.damage import name_damage
from clip2scene_core.files.names import path_inside

_RAW_NOISE: Final = 0
_NO_OBJECT: Final = -1
_JPEG_QUALITY: Final = 95
_LINKED_FOLDERS: Final = ("maps", "class_images")


@dataclass(frozen=True)
class CorruptedSummary:
    """Counts of a written data set.

    Attributes:
        num_keyframes: Number of keyframes.
        num_sweeps: Number of LiDAR files.
        num_images: Number of camera files.
        num_points: Number of points of all sweeps before the corruption.
        num_kept: Number of points that are still on the surface of their original point.
        num_false: Number of false points: fog, drops, cross talk.
    """

    num_keyframes: int
    num_sweeps: int
    num_images: int
    num_points: int
    num_kept: int
    num_false: int


def write_corrupted(
    tables: NuScenesTables,
    out: Path,
    corruption: Corruption,
    progress: Callable[[int, int], None] | None = None,
    intensity_scale: float = FULL_SCALE,
) -> CorruptedSummary:
    """Write a corrupted copy of the open scenes of a data set.

    All LiDAR sweeps and camera images are written, in keyframes and between them, but no radar
    readings. lidarseg labels and `objects/` follow their points; false points have the raw category
    0 and the object -1. Unchanged files are hard links if the file system has them, also all of
    `maps/` and `class_images/` (with those of lost cameras). `corruption.json` in the new folder
    names the corruption. The copy appears when it is complete.

    Args:
        tables: Original data set with the scenes to write.
        out: Folder to create; it may exist if it is empty.
        corruption: Kind and strength.
        progress: Called after each keyframe with the numbers of done and of all keyframes.
        intensity_scale: The LiDAR's largest intensity in the files, also in those that are written.

    Returns:
        Counts of what was written.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
        DatasetError: If a file is missing or damaged.
        ValueError: If beams are lost and the points have no rings.
    """
    if (tables.root / "things").is_dir():
        raise DatasetError(
            f"{tables.root} was written by an older version, which called objects/ things/; write "
            f"the world again"
        )
    num_done = 0
    with atomic_folder(out) as draft:
        draft.mkdir()
        writer = _Writer(tables, draft, corruption, intensity_scale)
        for scene in tables.scenes:
            for _ in writer.write_scene(scene):
                num_done += 1
                if progress is not None:
                    progress(num_done, len(tables.keyframes))
        for name in _LINKED_FOLDERS:
            if (tables.root / name).is_dir():
                shutil.copytree(tables.root / name, draft / name, copy_function=_link)
        (draft / "corruption.json").write_text(json.dumps(asdict(corruption)))
        write_tables(tables, writer.readings, draft / tables.version)
    return writer.summary()


class _Writer:
    """Writes the files and collects the readings for the tables.

    Attributes:
        readings: The written and the moved readings.
    """

    def __init__(
        self, tables: NuScenesTables, out: Path, corruption: Corruption, intensity_scale: float
    ) -> None:
        self._tables, self._out, self._corruption = tables, out, corruption
        self._intensity = DatasetIntensity(intensity_scale)
        self._full_scale = np.float32(intensity_scale)
        self._label_paths = _read_label_paths(tables)
        self._num_sweeps = self._num_images = 0
        self._num_points = self._num_kept = self._num_false = 0
        self.readings = Readings()

    def write_scene(self, scene: SceneRecord) -> Iterator[str]:
        """Write the files of a scene; yield the token of each written keyframe."""
        records = list(self._tables.scene_records(scene.name))
        lost = self._lost_channels(scene, records)
        of_keyframe: defaultdict[str, list[SensorRecord]] = defaultdict(list)
        for record in records:
            if record.channel not in lost:
                of_keyframe[record.sample_token].append(record)
                self.readings.written.add(record.token)
        self._move_cameras(scene, records)
        for sample_token, group in of_keyframe.items():
            clear_sweep = self._clear_sweep(sample_token)
            for record in group:
                if record.channel == LIDAR_CHANNEL:
                    self._write_sweep(record, scene)
                else:
                    self._write_image(record, clear_sweep, scene)
            yield sample_token

    def summary(self) -> CorruptedSummary:
        """The counts of the written files and points."""
        return CorruptedSummary(
            num_keyframes=len(self._tables.keyframes),
            num_sweeps=self._num_sweeps,
            num_images=self._num_images,
            num_points=self._num_points,
            num_kept=self._num_kept,
            num_false=self._num_false,
        )

    def _lost_channels(self, scene: SceneRecord, records: Sequence[SensorRecord]) -> set[str]:
        loss = self._corruption.parameters
        if not isinstance(loss, CameraLoss):
            return set()
        # By the names in samples, so that the same cameras are lost as in memory.
        channels = {r.channel.lower(): r.channel for r in records if r.channel != LIDAR_CHANNEL}
        rng = self._corruption.stream(scene.token, "cameras")
        return {channels[name] for name in lost_cameras(channels, loss, rng)}

    def _move_cameras(self, scene: SceneRecord, records: Sequence[SensorRecord]) -> None:
        parameters = self._corruption.parameters
        cameras = [record for record in records if record.channel != LIDAR_CHANNEL]
        if isinstance(parameters, Miscalibration):
            for record in cameras:
                rng = self._corruption.stream(scene.token, record.channel.lower())
                T_ego_camera = misplace(record.T_ego_sensor, parameters, rng)
                moved = replace(record, T_ego_sensor=T_ego_camera)
                self.readings.moved[record.token] = record, moved
        if isinstance(parameters, TimeOffset):
            motion = Motion([r.stamp_ns for r in records], [r.T_global_ego for r in records])
            for record in cameras:
                pose, stamp_ns = delay(record.T_global_ego, record.stamp_ns, parameters, motion)
                moved = replace(record, T_global_ego=pose, stamp_ns=stamp_ns)
                self.readings.moved[record.token] = record, moved

    def _clear_sweep(self, sample_token: str) -> Sweep | None:
        """The sweep of the keyframe, if images need its distances."""
        if not isinstance(self._corruption.parameters, Fog | Rain):
            return None
        record = self._tables.keyframe_records(sample_token)[LIDAR_CHANNEL]
        return read_sweep(record, self._intensity)

    def _write_sweep(self, record: SensorRecord, scene: SceneRecord) -> None:
        sweep = read_sweep(record, self._intensity)
        echoes = corrupt_points(sweep.points, self._corruption, scene.token, sweep.stamp_ns)
        num_false = int(echoes.is_false.sum())
        self._num_sweeps += 1
        self._num_points += len(sweep.points)
        self._num_kept += len(echoes.points) - num_false
        self._num_false += num_false
        sidecars = [
            (self._label_paths.get(record.token), _write_labels),
            (self._objects_path(record), _write_objects),
        ]
        if echoes.points is sweep.points:
            for unchanged in (record.path, *(path for path, _ in sidecars if path is not None)):
                _link(unchanged, self._target(unchanged))
            return
        ring = read_points(record.path)[echoes.beam, 4]
        intensity = self._full_scale * echoes.points[:, 3]
        stored = np.column_stack([echoes.points[:, :3], intensity, ring])
        stored.astype("<f4").tofile(self._target(record.path))
        for path, write in sidecars:
            if path is not None:
                write(path, self._target(path), echoes, len(sweep.points))

    def _write_image(
        self, record: SensorRecord, clear_sweep: Sweep | None, scene: SceneRecord
    ) -> None:
        self._num_images += 1
        target = self._target(record.path)
        if clear_sweep is None:
            _link(record.path, target)
            return
        view = corrupt_image(read_camera(record), clear_sweep, self._corruption, scene.token)
        Image.fromarray(view.image).save(target, quality=_JPEG_QUALITY)

    def _objects_path(self, record: SensorRecord) -> Path | None:
        path = self._tables.root / "objects" / f"{record.sample_token}.npz"
        return path if record.is_key_frame and path.exists() else None

    def _target(self, path: Path) -> Path:
        """Path of the copy of an original file; creates its folder."""
        name = path.relative_to(self._tables.root).as_posix()
        target = path_inside(self._out, name, "the file of a reading")
        target.parent.mkdir(parents=True, exist_ok=True)
        # Two readings may share a file. Then the target is a link to the original.
        target.unlink(missing_ok=True)
        return target


def _read_label_paths(tables: NuScenesTables) -> dict[str, Path]:
    """Files of lidarseg by the token of their sweep; empty without the table."""
    return tables.label_paths() if tables.table("lidarseg").exists() else {}


def _write_labels(source: Path, target: Path, echoes: Echoes, num_points: int) -> None:
    try:
        raw = np.fromfile(source, dtype=np.uint8)
    except FileNotFoundError:
        raise DatasetError(f"{source} is missing; the labels are incomplete") from None
    _check_length(source, len(raw), num_points)
    echoes.carry(raw, _RAW_NOISE).tofile(target)


def _write_objects(source: Path, target: Path, echoes: Echoes, num_points: int) -> None:
    with name_damage(source, "file of objects", DatasetError):
        arrays = read_npz(source)
        index = arrays["index"]
    _check_length(source, len(index), num_points)
    written: dict[str, Any] = {**arrays, "index": echoes.carry(index, _NO_OBJECT)}
    np.savez_compressed(target, **written)


def _check_length(path: Path, num_values: int, num_points: int) -> None:
    if num_values != num_points:
        raise DatasetError(f"{path} has {num_values} values, but the sweep has {num_points} points")


def _link(source: Path | str, target: Path | str) -> None:
    original = Path(source).resolve()  # a link to a link would lead elsewhere from its new place
    if not original.exists():
        raise DatasetError(f"{source} is missing; the data set is incomplete")
    try:
        os.link(original, target)
    except OSError:  # another disk, or a file system without links
        shutil.copyfile(original, target)
