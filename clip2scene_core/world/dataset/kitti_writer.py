"""Write sequences of the synthetic world in SemanticKITTI's layout."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.geometry.se3 import invert
from clip2scene_core.world.dataset.kitti_labels import raw_labels, with_kitti_codes
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.scene_pool import check_new_folder, write_scenes
from clip2scene_core.world.dataset.writer import WorldSummary
from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose
from clip2scene_core.world.render.camera import cast_camera, moment_of, paint, static_sun_map
from clip2scene_core.world.sensors.lidar import measure_sweep
from clip2scene_core.world.sensors.lidar_models import lidar_model
from clip2scene_core.world.sensors.lidar_points import LidarUnit
from clip2scene_core.world.sensors.lidar_rays import rays_of
from clip2scene_core.world.sensors.lidar_response import LidarResponse
from clip2scene_core.world.sensors.own_body import NUSCENES_BODY
from clip2scene_core.world.sensors.sensor_rig import RigSensor

MAX_SEQUENCES: Final = 22
"""SemanticKITTI's sequences are 00 to 21; its splits name them."""

_SCAN_HZ: Final = 10
_SWEEP_NOISE_STREAM: Final = 16
_LIDAR: Final = lidar_model("HDL-64E")
_USED: Final = (
    "num_scenes",
    "seed",
    "seconds",
    "image_size",
    "lidar_max_points",
    "terrain",
    "places",
)


def _lidar_pose() -> NDArray[np.float64]:
    """T_ego_lidar (4, 4): x forward, y left, z up, 1.73 m above the ground."""
    pose = np.eye(4)
    pose[:3, 3] = 0.81, 0.0, 1.73
    return pose


def _camera_pose(shift_m: float) -> NDArray[np.float64]:
    """T_ego_camera (4, 4) of a camera that far to the right of camera 0."""
    pose = np.eye(4)
    pose[:3, :3] = [[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]]
    pose[:3, 3] = 0.81 + 0.27, -shift_m, 1.65
    return pose


# Source: Geiger et al., KITTI (CVPR 2012), figure of the sensor setup.
_T_EGO_LIDAR: Final = _lidar_pose()
_CAMERAS: Final = {
    f"image_{number}": RigSensor(f"image_{number}", _camera_pose(shift_m), 0.579, 0.0, _SCAN_HZ)
    for number, shift_m in ((0, 0.0), (1, 0.54), (2, -0.06), (3, 0.48))
}
_COLOR: Final = ("image_2", "image_3")


def write_semantic_kitti(
    out: Path,
    options: WorldOptions,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> WorldSummary:
    """Write synthetic scenes as SemanticKITTI's sequences: an HDL-64E and a pair of color cameras.

    Scene k is the sequence of number k, so the splits of SemanticKITTI choose among them: eleven
    scenes are its training and validation sequences. Every scan has two images and labels.

    Args:
        out: Folder to create; it may exist if it is empty.
        options: Options of the world. What does not make scenes, length, size of images, places or
            terrain must be as it is by default: the sensors are KITTI's. `lidar_max_points` decides
            how many of the LiDAR's 2083 columns are fired.
        progress: See `write_world`.
        workers: See `write_world`.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
        ValueError: If the options ask for something that this layout does not have.
    """
    _check(options)
    check_new_folder(out)
    counts = write_scenes(
        partial(_write_sequence, out, options), options.num_scenes, workers, progress
    )
    num_scans = options.num_scenes * _num_scans(options)
    return WorldSummary(
        out=out,
        version="",
        num_keyframes=num_scans,
        num_sweeps=num_scans,
        num_images=len(_COLOR) * num_scans,
        num_points=sum(counts),
    )


def _check(options: WorldOptions) -> None:
    if options.num_scenes > MAX_SEQUENCES:
        raise ValueError(
            f"SemanticKITTI has the sequences 00 to {MAX_SEQUENCES - 1}, got {options.num_scenes} "
            f"scenes; write fewer, or another world of another seed"
        )
    default = WorldOptions(num_scenes=1)
    changed = [
        field.name
        for field in fields(options)
        if field.name not in _USED and getattr(options, field.name) != getattr(default, field.name)
    ]
    if changed:
        raise ValueError(
            f"SemanticKITTI's layout has sensors and files of its own; leave out "
            f"{', '.join(changed)}"
        )


def _num_scans(options: WorldOptions) -> int:
    return int(options.seconds * _SCAN_HZ)


def _write_sequence(out: Path, options: WorldOptions, index: int) -> int:
    """Write one sequence; return the number of its points."""
    folder = out / "sequences" / f"{index:02d}"
    for kind in ("velodyne", "labels", *_COLOR):
        (folder / kind).mkdir(parents=True)
    scene = build_scene(
        options.seed, index, options.seconds, terrain=options.terrain, places=options.places
    )
    coded = replace(scene, static=with_kitti_codes(scene, scene.static))
    sun_map = static_sun_map(scene)
    rng = np.random.default_rng([options.seed, _SWEEP_NOISE_STREAM, index])
    unit = LidarUnit(_LIDAR, LidarResponse(_LIDAR.law), NUSCENES_BODY, np.eye(3), -1.4)
    rays = rays_of(_LIDAR, _LIDAR.columns_within(options.lidar_max_points))
    num_points, poses = 0, []
    for number in range(_num_scans(options)):
        seconds = number / _SCAN_HZ
        T_scene_ego = ego_pose(scene, seconds)
        poses.append(T_scene_ego @ _CAMERAS["image_0"].T_ego_sensor)
        moving = with_kitti_codes(scene, scene.moving_at(seconds))
        primitives = coded.with_static(moving)
        sweep = measure_sweep(primitives, scene.plan, T_scene_ego @ _T_EGO_LIDAR, unit, rays, rng)
        points = sweep.points[:, :4] * np.array([1, 1, 1, 1 / 255], dtype=np.float32)
        points.astype("<f4").tofile(folder / "velodyne" / f"{number:06d}.bin")
        labels = raw_labels(sweep.categories, sweep.instances, scene)
        labels.astype("<u4").tofile(folder / "labels" / f"{number:06d}.label")
        num_points += len(points)
        moment = moment_of(scene, sun_map, seconds)
        for name in _COLOR:
            camera = _CAMERAS[name]
            intrinsics = camera.intrinsics(options.image_size)
            hits = cast_camera(
                moment, intrinsics, T_scene_ego @ camera.T_ego_sensor, options.image_size
            )
            Image.fromarray(paint(moment, hits)).save(folder / name / f"{number:06d}.png")
    _write_texts(folder, options.image_size, poses)
    return num_points


def _write_texts(
    folder: Path, image_size: tuple[int, int], T_scene_cam0: list[NDArray[np.float64]]
) -> None:
    """Write calib.txt, poses.txt and times.txt."""
    T_cam0_ego = invert(_CAMERAS["image_0"].T_ego_sensor)
    lines = []
    for number, camera in enumerate(_CAMERAS.values()):
        T_camera_cam0 = invert(T_cam0_ego @ camera.T_ego_sensor)
        projection = camera.intrinsics(image_size) @ T_camera_cam0[:3]
        lines.append(f"P{number}: {_numbers(projection)}\n")
    lines.append(f"Tr: {_numbers((T_cam0_ego @ _T_EGO_LIDAR)[:3])}\n")
    (folder / "calib.txt").write_text("".join(lines))
    first = invert(T_scene_cam0[0])
    (folder / "poses.txt").write_text(
        "".join(f"{_numbers((first @ pose)[:3])}\n" for pose in T_scene_cam0)
    )
    times = (f"{number / _SCAN_HZ:.6e}\n" for number in range(len(T_scene_cam0)))
    (folder / "times.txt").write_text("".join(times))


def _numbers(matrix: NDArray[np.float64]) -> str:
    return " ".join(f"{value:.12e}" for value in matrix.ravel().tolist())
