"""Write the files and records of one sequence."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.world.dataset.boxes import BoxTrack
from clip2scene_core.world.dataset.ground_truth import (
    SceneObjects,
    write_class_image,
    write_objects,
)
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.tables import LIDAR_LABEL, ONE_RIG_VEHICLE, VERSION, Tables
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import (
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)
from clip2scene_core.world.sensors.lidar import measure_sweep
from clip2scene_core.world.sensors.lidar_points import Revolution
from clip2scene_core.world.sensors.lidar_rays import SweepRays, rays_of
from clip2scene_core.world.sensors.sensor_rig import KEYFRAME_HZ, Firing, firings
from clip2scene_core.world.sensors.sensor_suite import SensorSuite, draw_suite, nuscenes_suite

FIRST_STAMP_US: Final = 1_600_000_000_000_000
SCENE_SPACING_US: Final = 600_000_000
SWEEP_NOISE_STREAM: Final = 2
SENSOR_STREAM: Final = 15


class SceneWriter:
    """Writes the files of one scene and collects its records.

    Args:
        out: Folder of the data set.
        options: Options of the world.
        index: Index of the scene in the world.

    Attributes:
        tables: Records of this scene only.
        log_token: Token of the log of the scene.
        num_points: Number of written LiDAR points.
    """

    def __init__(self, out: Path, options: WorldOptions, index: int) -> None:
        self.out, self.options, self.index = out, options, index
        self.tables = tables = Tables(options)
        self.num_points = 0
        self.scene = build_scene(
            options.seed, index, options.seconds, terrain=options.terrain, places=options.places
        )
        self.sun_map = static_sun_map(self.scene)
        rng = np.random.default_rng([options.seed, SWEEP_NOISE_STREAM, index])
        self.rng = rng
        self.T_global_scene = _global_frame(rng)
        self.name = f"scene-{options.seed:04d}-{index:03d}"
        self.scene_token = tables.token("scene", index)
        self.log_token = tables.token("log", index)
        self.start_us = FIRST_STAMP_US + index * SCENE_SPACING_US
        self.boxes = BoxTrack(self.scene, tables, index)
        self.suite = self._draw_suite()

    def write(self) -> None:
        """Write all files and append all records."""
        options = self.options
        self._add_scene_records()
        for sensor in (*self.suite.cameras, self.suite.lidar):
            taken = firings(
                sensor, options.seconds, options.previous_sweeps, options.is_every_frame
            )
            tokens = [self._data_token(firing) for firing in taken]
            for k, firing in enumerate(taken):
                neighbors = (
                    tokens[k - 1] if k else "",
                    tokens[k + 1] if k + 1 < len(tokens) else "",
                )
                path = self.out / self._add_measurement(firing, neighbors)
                path.parent.mkdir(parents=True, exist_ok=True)
                if sensor.is_camera:
                    self._write_image(firing, path)
                else:
                    self._write_sweep(firing, path)
        self.boxes.close()

    def _draw_suite(self) -> SensorSuite:
        options = self.options
        if options.has_one_rig:
            return nuscenes_suite(options.lidar_columns)
        return draw_suite(
            self.scene,
            options.lidar_names,
            options.placement,
            options.cameras,
            (options.lidar_columns, options.lidar_max_points),
            np.random.default_rng([options.seed, SENSOR_STREAM, self.index]),
            # A street is laid out for cars; other places say who drives there.
            is_any_platform=options.places == "street",
            surfaces=options.surfaces,
        )

    def _add_scene_records(self) -> None:
        tables, count = self.tables, int(self.options.seconds * KEYFRAME_HZ)
        samples = [tables.token("sample", self.index, k) for k in range(count)]
        vehicle = ONE_RIG_VEHICLE
        if not self.options.has_one_rig:
            suite = self.suite
            vehicle = LIDAR_LABEL + suite.unit.model.name
            tables.add_calibrations(suite.cameras, suite.lidar, self.index)
        tables.add(
            "log", token=self.log_token, logfile=self.name, vehicle=vehicle,
            date_captured="2020-09-13", location="synthetic-world",
        )  # fmt: skip
        tables.add(
            "scene", token=self.scene_token, log_token=self.log_token, nbr_samples=count,
            first_sample_token=samples[0], last_sample_token=samples[-1], name=self.name,
            description=self._description(),
        )  # fmt: skip
        for k, token in enumerate(samples):
            tables.add(
                "sample", token=token, timestamp=self.start_us + k * (1_000_000 // KEYFRAME_HZ),
                prev=samples[k - 1] if k else "", next=samples[k + 1] if k + 1 < count else "",
                scene_token=self.scene_token,
            )  # fmt: skip

    def _description(self) -> str:
        scene = self.scene
        text = f"{scene.weather}, {scene.ego_speed:.0f} m/s"
        if self.options.places != "street":
            text += f", {scene.place}"
        if not self.options.has_one_rig:
            suite = self.suite
            text += (
                f", {suite.platform}, {suite.unit.model.name} at "
                f"{suite.lidar.T_ego_sensor[2, 3]:.2f} m, cameras: {len(suite.cameras)}"
            )
        if self.options.surfaces != "plain":
            text += ", other surfaces"
        return text

    def _stamp_us(self, firing: Firing) -> int:
        return self.start_us + round(firing.seconds * 1e6)

    def _sample_token(self, firing: Firing) -> str:
        return self.tables.token("sample", self.index, firing.keyframe_index)

    def _data_token(self, firing: Firing) -> str:
        return self.tables.token("data", self.index, firing.sensor.channel, self._stamp_us(firing))

    def _add_measurement(self, firing: Firing, neighbors: tuple[str, str]) -> Path:
        """Append sample_data and its ego pose; return the path of the file in the data set."""
        channel, stamp = firing.sensor.channel, self._stamp_us(firing)
        is_camera = firing.sensor.is_camera
        rig = () if self.options.has_one_rig else (self.index,)
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
            sample_token=self._sample_token(firing),
            ego_pose_token=token,
            calibrated_sensor_token=self.tables.token("calibrated_sensor", *rig, channel),
            timestamp=stamp,
            fileformat="jpg" if is_camera else "pcd",
            is_key_frame=firing.is_keyframe,
            height=height,
            width=width,
            filename=path.as_posix(),
            prev=neighbors[0],
            next=neighbors[1],
        )
        return path

    def _write_image(self, firing: Firing, path: Path) -> None:
        sensor, size = firing.sensor, self.options.image_size
        seconds = firing.seconds + self.options.camera_offset_ms / 1000
        moment = moment_of(self.scene, self.sun_map, seconds)
        T_scene_camera = ego_pose(self.scene, seconds) @ sensor.T_ego_sensor
        hits = cast_camera(moment, sensor.intrinsics(size), T_scene_camera, size)
        picture = Image.fromarray(paint(moment, hits))
        picture.save(path, quality=self.options.jpeg_quality)
        if self.options.with_ground_truth and firing.is_keyframe:
            write_class_image(self.out, self._sample_token(firing), sensor.channel, hits.labels)

    def _write_sweep(self, firing: Firing, path: Path) -> None:
        suite = self.suite
        rays = rays_of(suite.unit.model, suite.num_columns, firing.seconds)
        times = (rays.elapsed - 1.0) / suite.lidar.rate_hz
        revolution = self._measure(firing, rays, times)
        revolution.points.tofile(path)
        self.num_points += len(revolution.points)
        if self.options.is_rolling:
            sidecar = self.out / "lidar_times" / f"{self._data_token(firing)}.bin"
            sidecar.parent.mkdir(parents=True, exist_ok=True)
            times[revolution.columns].astype("<f4").tofile(sidecar)
        if firing.is_keyframe:
            self._write_labels(firing, revolution)
            self.boxes.add_keyframe(firing, self.T_global_scene, revolution.instances)

    def _measure(self, firing: Firing, rays: SweepRays, times: NDArray[np.float64]) -> Revolution:
        scene, suite = self.scene, self.suite
        offsets = times if self.options.is_rolling else np.zeros(1)
        poses = np.array([ego_pose(scene, firing.seconds + time) for time in offsets.tolist()])
        primitives = scene.with_static(scene.moving_at(firing.seconds))
        T_scene_lidar = poses @ suite.lidar.T_ego_sensor
        return measure_sweep(primitives, scene.plan, T_scene_lidar, suite.unit, rays, self.rng)

    def _write_labels(self, firing: Firing, revolution: Revolution) -> None:
        token = self._data_token(firing)
        labels = Path("lidarseg") / VERSION / f"{token}_lidarseg.bin"
        (self.out / labels).parent.mkdir(parents=True, exist_ok=True)
        revolution.categories.tofile(self.out / labels)
        self.tables.add(
            "lidarseg", token=token, sample_data_token=token, filename=labels.as_posix()
        )
        if self.options.with_ground_truth:
            objects = SceneObjects(
                revolution.instances.astype(np.int32),
                tuple(one.word for one in self.scene.objects),
                tuple(one.color_name for one in self.scene.objects),
            )
            write_objects(self.out, self._sample_token(firing), objects)


def _global_frame(rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw T_global_scene (4, 4): position and heading of the scene frame in the global frame."""
    heading = float(rng.uniform(-math.pi, math.pi))
    transform = np.eye(4)
    transform[:2, :2] = [
        [math.cos(heading), -math.sin(heading)],
        [math.sin(heading), math.cos(heading)],
    ]
    transform[:2, 3] = rng.uniform(300, 1800, 2)
    return transform
