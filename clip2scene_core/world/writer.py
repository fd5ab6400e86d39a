"""Write drives through the embedded world as a data set in nuScenes' own format."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.world.boxes import BoxTrack
from clip2scene_core.world.drive import (
    CAMERA_MOUNTS,
    KEYFRAME_HZ,
    LIDAR_MOUNT,
    Firing,
    firings,
)  # fmt: skip
from clip2scene_core.world.layout import build_scene
from clip2scene_core.world.lidar import measure_revolution
from clip2scene_core.world.render import (
    Moment,
    SunMap,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.scene import Scene, ego_pose
from clip2scene_core.world.tables import VERSION, Tables

FIRST_STAMP_US = 1_600_000_000_000_000
SCENE_SPACING_US = 600_000_000
SWEEP_NOISE_STREAM = 2


@dataclass(frozen=True)
class WorldOptions:
    """What to write.

    Attributes:
        num_scenes: How many drives.
        seed: Another seed is another world; tokens and scene names never collide between seeds.
        seconds: Length of a drive; a keyframe every 0.5 s.
        image_size: (height, width) of the six cameras.
        lidar_columns: Firings per revolution of the LiDAR.
        is_every_frame: Write all sweeps (20 Hz) and images (12 Hz), or only keyframes with their
            previous sweeps, which is enough for training and much faster.
        previous_sweeps: Sweeps before each keyframe.
        jpeg_quality: 1-95.
    """

    num_scenes: int
    seed: int = 0
    seconds: float = 5.0
    image_size: tuple[int, int] = (224, 400)
    lidar_columns: int = 1084
    is_every_frame: bool = True
    previous_sweeps: int = 2
    jpeg_quality: int = 90

    def __post_init__(self) -> None:
        if self.num_scenes < 1 or not 0 <= self.seed <= 9999:
            raise ValueError(
                f"a world needs num_scenes >= 1 and a seed of 0-9999, "
                f"got num_scenes={self.num_scenes}, seed={self.seed}"
            )
        if not 1 / KEYFRAME_HZ <= self.seconds <= 60 or not 0 <= self.previous_sweeps <= 9:
            raise ValueError(
                f"a scene lasts 0.5-60 seconds with 0-9 previous sweeps, "
                f"got seconds={self.seconds}, previous_sweeps={self.previous_sweeps}"
            )
        if min(self.image_size) < 16 or self.lidar_columns < 16:
            raise ValueError(
                f"image_size and lidar_columns must be at least 16, "
                f"got {self.image_size} and {self.lidar_columns}"
            )


@dataclass(frozen=True)
class WorldSummary:
    """What was written.

    Attributes:
        out: The data set's folder.
        version: Folder of the tables in it.
        num_keyframes: Samples.
        num_sweeps: LiDAR files.
        num_images: Camera files.
        num_points: LiDAR points of all files.
    """

    out: Path
    version: str
    num_keyframes: int
    num_sweeps: int
    num_images: int
    num_points: int


def write_world(
    out: Path, options: WorldOptions, progress: Callable[[int, int], None] | None = None
) -> WorldSummary:
    """Write a data set of embedded scenes.

    Args:
        out: Folder to create; it may exist if it is empty.
        options: What to write.
        progress: Called with (scenes done, scenes) after each scene.

    Returns:
        Counts of what was written.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not empty; choose a new folder for the world")
    tables = Tables(options.seed, options.image_size)
    log_tokens, num_points = [], 0
    for index in range(options.num_scenes):
        scene_writer = _SceneWriter(out, options, tables, index)
        num_points += scene_writer.write()
        log_tokens.append(scene_writer.log_token)
        if progress is not None:
            progress(index + 1, options.num_scenes)
    mask = out / "maps" / f"{tables.token('map')}.png"
    mask.parent.mkdir(parents=True)
    Image.new("L", (8, 8)).save(mask)
    tables.add(
        "map",
        token=tables.token("map"),
        log_tokens=log_tokens,
        category="semantic_prior",
        filename=str(mask.relative_to(out)),
    )
    tables.write(out / VERSION)
    num_images = sum(record["fileformat"] == "jpg" for record in tables.records["sample_data"])
    return WorldSummary(
        out=out,
        version=VERSION,
        num_keyframes=len(tables.records["sample"]),
        num_sweeps=len(tables.records["sample_data"]) - num_images,
        num_images=num_images,
        num_points=num_points,
    )


class _SceneWriter:
    """Writes the files and records of one scene."""

    def __init__(self, out: Path, options: WorldOptions, tables: Tables, index: int) -> None:
        self.out, self.options, self.tables, self.index = out, options, tables, index
        self.scene: Scene = build_scene(options.seed, index, options.seconds)
        self.sun_map: SunMap = static_sun_map(self.scene)
        rng = np.random.default_rng([options.seed, SWEEP_NOISE_STREAM, index])
        self.rng = rng
        self.T_global_scene = _global_frame(rng)
        self.name = f"scene-{options.seed:04d}-{index:03d}"
        self.scene_token = tables.token("scene", index)
        self.log_token = tables.token("log", index)
        self.start_us = FIRST_STAMP_US + index * SCENE_SPACING_US
        self.boxes = BoxTrack(self.scene, tables, index)

    def write(self) -> int:
        """Write everything; returns the number of LiDAR points."""
        options = self.options
        self._add_scene_records()
        num_points = 0
        for mount in (*CAMERA_MOUNTS, LIDAR_MOUNT):
            taken = firings(mount, options.seconds, options.previous_sweeps, options.is_every_frame)
            tokens = [self._data_token(firing) for firing in taken]
            for k, firing in enumerate(taken):
                neighbours = (
                    tokens[k - 1] if k else "",
                    tokens[k + 1] if k + 1 < len(tokens) else "",
                )
                path = self._add_measurement(firing, neighbours)
                moment = moment_of(self.scene, self.sun_map, firing.seconds)
                (self.out / path).parent.mkdir(parents=True, exist_ok=True)
                if mount.is_camera:
                    self._write_image(firing, moment, self.out / path)
                else:
                    num_points += self._write_sweep(firing, moment, self.out / path)
        self.boxes.close()
        return num_points

    def _add_scene_records(self) -> None:
        tables, count = self.tables, int(self.options.seconds * KEYFRAME_HZ)
        samples = [tables.token("sample", self.index, k) for k in range(count)]
        tables.add(
            "log", token=self.log_token, logfile=self.name, vehicle="embedded",
            date_captured="2020-09-13", location="embedded-world",
        )  # fmt: skip
        tables.add(
            "scene", token=self.scene_token, log_token=self.log_token, nbr_samples=count,
            first_sample_token=samples[0], last_sample_token=samples[-1], name=self.name,
            description=f"{self.scene.weather}, {self.scene.ego_speed:.0f} m/s",
        )  # fmt: skip
        for k, token in enumerate(samples):
            tables.add(
                "sample", token=token, timestamp=self.start_us + k * (1_000_000 // KEYFRAME_HZ),
                prev=samples[k - 1] if k else "", next=samples[k + 1] if k + 1 < count else "",
                scene_token=self.scene_token,
            )  # fmt: skip

    def _stamp_us(self, firing: Firing) -> int:
        return self.start_us + round(firing.seconds * 1e6)

    def _data_token(self, firing: Firing) -> str:
        return self.tables.token("data", self.index, firing.mount.channel, self._stamp_us(firing))

    def _add_measurement(self, firing: Firing, neighbours: tuple[str, str]) -> Path:
        """Append sample_data and its ego pose; returns the file's path in the data set."""
        channel, stamp = firing.mount.channel, self._stamp_us(firing)
        is_camera = firing.mount.is_camera
        suffix = "jpg" if is_camera else "pcd.bin"
        folder = Path("samples" if firing.is_keyframe else "sweeps") / channel
        path = folder / f"{self.name}__{channel}__{stamp}.{suffix}"
        token = self._data_token(firing)
        height, width = self.options.image_size if is_camera else (0, 0)
        pose = self.T_global_scene @ ego_pose(self.scene, firing.seconds)
        self.tables.add_pose(token, pose, stamp)
        self.tables.add(
            "sample_data",
            token=token,
            sample_token=self.tables.token("sample", self.index, firing.keyframe_index),
            ego_pose_token=token,
            calibrated_sensor_token=self.tables.token("calibrated_sensor", channel),
            timestamp=stamp,
            fileformat="jpg" if is_camera else "pcd",
            is_key_frame=firing.is_keyframe,
            height=height,
            width=width,
            filename=path.as_posix(),
            prev=neighbours[0],
            next=neighbours[1],
        )
        return path

    def _write_image(self, firing: Firing, moment: Moment, path: Path) -> None:
        mount, size = firing.mount, self.options.image_size
        T_scene_camera = ego_pose(self.scene, firing.seconds) @ mount.T_ego_sensor
        picture = paint(moment, cast_camera(moment, mount.intrinsics(size), T_scene_camera, size))
        Image.fromarray(picture).save(path, quality=self.options.jpeg_quality)

    def _write_sweep(self, firing: Firing, moment: Moment, path: Path) -> int:
        T_scene_lidar = ego_pose(self.scene, firing.seconds) @ LIDAR_MOUNT.T_ego_sensor
        columns = self.options.lidar_columns
        revolution = measure_revolution(moment, T_scene_lidar, columns, self.rng)
        revolution.points.tofile(path)
        if firing.is_keyframe:
            token = self._data_token(firing)
            labels = Path("lidarseg") / VERSION / f"{token}_lidarseg.bin"
            (self.out / labels).parent.mkdir(parents=True, exist_ok=True)
            revolution.categories.tofile(self.out / labels)
            self.tables.add(
                "lidarseg", token=token, sample_data_token=token, filename=labels.as_posix()
            )
            self.boxes.add_keyframe(firing, self.T_global_scene, revolution.instances)
        return len(revolution.points)


def _global_frame(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw T_global_scene: where on the map, and which way, a scene lies."""
    heading = float(rng.uniform(-math.pi, math.pi))
    transform = np.eye(4)
    transform[:2, :2] = [
        [math.cos(heading), -math.sin(heading)],
        [math.sin(heading), math.cos(heading)],
    ]
    transform[:2, 3] = rng.uniform(300, 1800, 2)
    return transform
