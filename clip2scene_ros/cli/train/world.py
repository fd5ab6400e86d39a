"""`clip2scene world`: write the synthetic world as a data set, or draw its scenes on one sheet."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tqdm import tqdm

from clip2scene_core.atomic_write import atomic_write
from clip2scene_ros.cli.arguments import RenamedOption

if TYPE_CHECKING:
    from clip2scene_core.world.dataset.writer import WorldOptions, WorldSummary

SUMMARY = "render streets that nobody drove, as a data set in nuScenes' format or another one"

# None: what `WorldOptions` or --varied takes.
_SCENE_DEFAULTS: Final = {
    "scenes": 6,
    "seed": 0,
    "seconds": 5.0,
    "image_size": (224, 400),
    "columns": 1084,
    "keyframes_only": False,
    "ground_truth": False,
    "rolling": False,
    "camera_offset_ms": 0.0,
    "calibration_error_deg": 0.0,
    "calibration_error_m": 0.0,
    "lidar": None,
    "placement": None,
    "cameras": None,
    "held_out_lidars": [],
    "lidar_max_points": 38_000,
    "terrain": None,
    "places": None,
    "surfaces": None,
}

# What other layouts leave open; their sensors and their files are fixed.
_LEFT_OPEN: Final = {
    "semantickitti": (
        "scenes", "seed", "seconds", "image_size", "lidar_max_points", "terrain", "places",
    ),
    "scannet": ("scenes", "seed", "image_size"),
}  # fmt: skip


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, help="folder to write")
    parser.add_argument(
        "--benchmark",
        action="store_true",
        help="write the splits of the benchmark, OUT/train, OUT/val and OUT/test: val is to tune "
        "on, test is for `clip2scene bench` alone",
    )
    parser.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help="draw the scenes on one picture instead"
    )
    parser.add_argument(
        "--layout",
        choices=("nuscenes", "semantickitti", "scannet"),
        default="nuscenes",
        help="semantickitti: sequences of an HDL-64E and two color cameras, 10 scans a second; "
        "scene k is sequence k, so --split train and val name those of 11 scenes; scannet: "
        "furnished rooms instead of streets, seen by a depth camera, every fifth of --split val",
    )
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument(
        "--varied",
        action="store_true",
        help="another place, terrain and LiDAR in every scene, where not given",
    )
    _add_scene_arguments(parser)
    _add_sensor_arguments(parser)
    parser.set_defaults(**_SCENE_DEFAULTS)


def _add_scene_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--scenes", type=int, help="number of scenes")
    parser.add_argument("--seed", type=int, help="decides everything in the scenes")
    parser.add_argument("--seconds", type=float, help="length of a scene")
    parser.add_argument("--image-size", type=_size, metavar="WIDTHxHEIGHT", help="400x224")
    parser.add_argument("--columns", type=int, help="LiDAR columns in a revolution")
    parser.add_argument(
        "--keyframes-only",
        action="store_true",
        help="write keyframes and the two sweeps before each: enough, and fast, for training",
    )
    parser.add_argument(
        "--ground-truth",
        action="store_true",
        help="write the class of every pixel and the object behind every point, too",
    )
    parser.add_argument("--truth", action=RenamedOption, new="--ground-truth")
    parser.add_argument(
        "--rolling",
        action="store_true",
        help="measure each LiDAR column at its own instant; times go to OUT/lidar_times",
    )
    parser.add_argument(
        "--camera-offset-ms", type=float, help="take pictures this much later than they say"
    )
    parser.add_argument(
        "--calibration-error-deg", type=float, help="turn the recorded extrinsics of each camera"
    )
    parser.add_argument(
        "--calibration-error-m", type=float, help="shift the recorded extrinsics of each camera"
    )
    parser.add_argument(
        "--terrain",
        choices=("flat", "varied"),
        help="varied: grades, kerbs of any height, hills, bumps, kinds of grass, a swaying vehicle",
    )
    parser.add_argument(
        "--places",
        choices=("street", "mixed"),
        help="mixed: also lanes, parks, tracks, yards and car parks; some seen by a robot or truck",
    )


def _add_sensor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--lidar",
        metavar="MODEL",
        help="LiDAR model, for example VLP-16, or mixed: another one for each scene",
    )
    parser.add_argument(
        "--placement",
        choices=("nuscenes", "mixed"),
        help="where the LiDAR is; mixed: on cars, trucks and robots, tilted, at any height",
    )
    parser.add_argument(
        "--cameras",
        choices=("nuscenes", "mixed", "none"),
        help="mixed: 1 to 6 cameras of any lens; none: LiDAR alone, which is enough to measure on",
    )
    parser.add_argument(
        "--held-out-lidars", nargs="+", metavar="MODEL", help="models that mixed leaves out"
    )
    parser.add_argument(
        "--lidar-max-points",
        type=int,
        metavar="N",
        help="most rays in a sweep of another LiDAR than nuScenes' (it loses columns)",
    )
    parser.add_argument(
        "--surfaces",
        choices=("plain", "varied"),
        help="varied: beams go through windows, paint mirrors them away, reflectivities differ",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        ValueError: If the arguments do not go together.
    """
    if (arguments.out is None) == (arguments.sheet is None):
        raise ValueError("give either --out FOLDER for a data set or --sheet FILE.png")
    if arguments.layout in _LEFT_OPEN:
        _check_layout(arguments)
    if arguments.sheet is not None:
        _draw_sheet(arguments)
    elif arguments.benchmark:
        _write_benchmark(arguments)
    else:
        summary = _write_one(arguments)
        print(f"world: {summary.out} ({summary.num_keyframes} keyframes)")


def _options(arguments: argparse.Namespace) -> WorldOptions:
    from clip2scene_core.world.dataset.options import WorldOptions
    from clip2scene_core.world.dataset.splits import VARIED

    chosen = {name: getattr(arguments, name) for name in VARIED}
    given = {name: value for name, value in chosen.items() if value is not None}
    look: dict[str, Any] = {**(VARIED if arguments.varied else {}), **given}
    return WorldOptions(
        num_scenes=arguments.scenes,
        seed=arguments.seed,
        seconds=arguments.seconds,
        image_size=arguments.image_size,
        lidar_columns=arguments.columns,
        is_every_frame=not arguments.keyframes_only,
        with_ground_truth=arguments.ground_truth,
        is_rolling=arguments.rolling,
        camera_offset_ms=arguments.camera_offset_ms,
        calibration_error_deg=arguments.calibration_error_deg,
        calibration_error_m=arguments.calibration_error_m,
        held_out_lidars=tuple(arguments.held_out_lidars),
        lidar_max_points=arguments.lidar_max_points,
        **look,
    )


def _draw_sheet(arguments: argparse.Namespace) -> None:
    from PIL import Image

    from clip2scene_core.world.dataset.sheet import draw_sheet

    if arguments.benchmark:
        raise ValueError("--benchmark writes data sets; give --seed and --scenes to --sheet")
    options = _options(arguments)
    if not options.has_one_rig:
        raise ValueError(
            "--sheet draws nuScenes' sensors; leave out --lidar, --placement, --cameras and "
            "--surfaces"
        )
    with atomic_write(arguments.sheet) as draft:
        Image.fromarray(draw_sheet(options)).save(draft)
    print(f"sheet: {arguments.sheet} ({arguments.scenes} scenes)")


def _write_benchmark(arguments: argparse.Namespace) -> None:
    from clip2scene_core.world.dataset.splits import SPLITS, benchmark_options

    changed = _changed(arguments, {"varied": False, "layout": "nuscenes", **_SCENE_DEFAULTS})
    if changed:
        raise ValueError(
            f"--benchmark fixes what its splits hold; leave out {' and '.join(changed)}"
        )
    worlds = {arguments.out / split.name: benchmark_options(split) for split in SPLITS}
    for summary in _write(worlds, arguments.workers):
        print(f"{summary.out.name}: {summary.out} ({summary.num_keyframes} keyframes)")


def _check_layout(arguments: argparse.Namespace) -> None:
    left_open = _LEFT_OPEN[arguments.layout]
    fixed = {k: v for k, v in _SCENE_DEFAULTS.items() if k not in left_open}
    changed = _changed(arguments, {"sheet": None, "benchmark": False, "varied": False, **fixed})
    if changed:
        raise ValueError(
            f"--layout {arguments.layout} has the sensors and files of that data set; leave out "
            f"{' and '.join(changed)}"
        )


def _changed(arguments: argparse.Namespace, defaults: dict[str, Any]) -> list[str]:
    """Names of the options that are not as they are by default."""
    return [
        f"--{name.replace('_', '-')}"
        for name, default in defaults.items()
        if getattr(arguments, name) != default
    ]


def _write_one(arguments: argparse.Namespace) -> WorldSummary:
    """Write the data set that the arguments describe, in the layout that they name."""
    if arguments.layout == "nuscenes":
        return _write({arguments.out: _options(arguments)}, arguments.workers)[0]
    with tqdm(desc="rendering", unit="scene", total=arguments.scenes) as bar:

        def report(done: int, total: int) -> None:
            bar.update()

        if arguments.layout == "semantickitti":
            from clip2scene_core.world.dataset.kitti_writer import write_semantic_kitti

            options = _options(arguments)
            return write_semantic_kitti(arguments.out, options, report, arguments.workers)
        from clip2scene_core.world.rooms.writer import RoomOptions, write_rooms

        rooms = RoomOptions(arguments.scenes, arguments.seed, arguments.image_size)
        return write_rooms(arguments.out, rooms, report, arguments.workers)


def _write(worlds: dict[Path, WorldOptions], workers: int) -> list[WorldSummary]:
    """Write data sets one after the other under one progress bar."""
    from clip2scene_core.world.dataset.writer import write_world

    summaries = []
    total = sum(options.num_scenes for options in worlds.values())
    with tqdm(desc="rendering", unit="scene", total=total) as bar:

        def report(done: int, total: int) -> None:
            bar.update()

        for out, options in worlds.items():
            summaries.append(write_world(out, options, report, workers))
    return summaries


def _size(text: str) -> tuple[int, int]:
    """Read "400x224", width first, as (224, 400): height first."""
    width, _, height = text.partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must look like 400x224, got {text!r}") from None
