"""`clip2scene world`: write the embedded world as a data set."""

from __future__ import annotations

import argparse
from pathlib import Path

from tqdm import tqdm

SUMMARY = "render streets that nobody drove, as a data set in nuScenes' format"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments."""
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--scenes", type=int, default=2, help="number of scenes")
    parser.add_argument("--seed", type=int, default=0, help="decides everything in the scenes")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a scene")
    parser.add_argument(
        "--image-size", type=_size, default=(224, 400), metavar="WIDTHxHEIGHT", help="400x224"
    )
    parser.add_argument("--columns", type=int, default=1084, help="LiDAR columns in a revolution")
    parser.add_argument(
        "--keyframes-only",
        action="store_true",
        help="write keyframes and the two sweeps before each: enough, and fast, for training",
    )


def run(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from clip2scene_core.world.writer import WorldOptions, write_world

    options = WorldOptions(
        num_scenes=arguments.scenes,
        seed=arguments.seed,
        seconds=arguments.seconds,
        image_size=arguments.image_size,
        lidar_columns=arguments.columns,
        is_every_frame=not arguments.keyframes_only,
    )
    with tqdm(desc="rendering", unit="scene") as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        summary = write_world(arguments.out, options, report)
    print(f"world: {arguments.out} ({summary.num_keyframes} keyframes)")


def _size(text: str) -> tuple[int, int]:
    """Read 400x224 (width first, as cameras say it) as (224, 400)."""
    width, _, height = text.partition("x")
    try:
        return int(height), int(width)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must look like 400x224, got {text!r}") from None
