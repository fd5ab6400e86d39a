"""The sweeps that are labelled: a rendered drive, or another data set; no two are equal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from clip2scene_core.bench.stages import BenchError
from clip2scene_core.datasets.open_dataset import open_dataset
from clip2scene_core.sample import Sweep

_SEED: Final = 0
_HZ: Final = 10
FULL_COLUMNS: Final = 1084
"""Columns of a sweep of nuScenes' LiDAR: about 34,000 points."""


@dataclass(frozen=True)
class SweepSource:
    """Where sweeps come from.

    Attributes:
        root: A data set as `open_dataset` reads it; None renders a drive.
        columns: Columns of a rendered sweep of 32 beams.
    """

    root: Path | None = None
    columns: int = FULL_COLUMNS

    def describe(self) -> str:
        """Name the source without folders of this machine."""
        if self.root is not None:
            return f"keyframes of {self.root.name}"
        return f"rendered drive, {self.columns} columns, {_HZ} Hz"

    def read(self, count: int) -> tuple[Sweep, ...]:
        """Give this many consecutive sweeps, each with its pose.

        Raises:
            BenchError: If the data set has fewer, or a sweep twice (a repeated sweep hides costs),
                or one without a pose.
        """
        return self._render(count) if self.root is None else _read(self.root, count)

    def _render(self, count: int) -> tuple[Sweep, ...]:
        # The world needs numba, an optional dependency.
        from clip2scene_core.world.layout.build import build_scene
        from clip2scene_core.world.layout.scene import ego_pose
        from clip2scene_core.world.sensors.lidar import measure_revolution
        from clip2scene_core.world.sensors.sensor_rig import RIG_LIDAR

        scene = build_scene(_SEED, 0, count / _HZ + 1)
        rng = np.random.default_rng(_SEED)
        sweeps = []
        for number in range(count):
            seconds = number / _HZ
            T_scene_lidar = ego_pose(scene, seconds) @ RIG_LIDAR.T_ego_sensor
            primitives = scene.with_static(scene.moving_at(seconds))
            measured = measure_revolution(primitives, scene.plan, T_scene_lidar, self.columns, rng)
            points = np.ascontiguousarray(measured.points[:, :4])
            points[:, 3] /= 255
            sweeps.append(Sweep(points, T_scene_lidar, round(seconds * 1e9)))
        return tuple(sweeps)


def _read(root: Path, count: int) -> tuple[Sweep, ...]:
    dataset = open_dataset(root, with_images=False)
    if len(dataset) < count:
        raise BenchError(
            f"{root} has {len(dataset)} keyframes, the bench needs {count} different ones; give a "
            f"larger data set, or leave --sweeps out"
        )
    sweeps = [replace(dataset[index].keyframe, labels=None) for index in range(count)]
    if len({sweep.points.tobytes() for sweep in sweeps}) < count:
        raise BenchError(f"{root} holds a sweep twice; a repeated sweep hides what sweeps cost")
    if not all(sweep.is_located for sweep in sweeps):
        raise BenchError(f"{root} has keyframes without a pose, and the map needs the poses")
    return tuple(sweeps)
