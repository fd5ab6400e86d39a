"""Write sequences of the synthetic world as a data set in nuScenes' format."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from PIL import Image

from clip2scene_core.atomic_write import atomic_folder
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.scene_pool import write_scenes
from clip2scene_core.world.dataset.scene_writer import SceneWriter
from clip2scene_core.world.dataset.tables import VERSION, Tables

__all__ = ["WorldOptions", "WorldSummary", "write_world"]


@dataclass(frozen=True)
class WorldSummary:
    """Folder and counts of a written data set.

    Attributes:
        out: Folder of the data set.
        version: Name of the folder of the tables in it.
        num_keyframes: Number of keyframes.
        num_sweeps: Number of LiDAR files.
        num_images: Number of camera files.
        num_points: Number of LiDAR points in all files.
    """

    out: Path
    version: str
    num_keyframes: int
    num_sweeps: int
    num_images: int
    num_points: int


@dataclass(frozen=True)
class _WrittenScene:
    """The records of a written scene, from the process that wrote its files."""

    tables: Tables
    log_token: str
    num_points: int


def write_world(
    out: Path,
    options: WorldOptions,
    progress: Callable[[int, int], None] | None = None,
    workers: int = 1,
) -> WorldSummary:
    """Write a data set of synthetic scenes.

    Args:
        out: Folder to create; it may exist if it is empty. It appears when it is complete.
        options: Options of the world.
        progress: Called after each scene with the numbers of done and of all scenes.
        workers: Number of processes that write scenes; the files are identical for any number.
            With more than one, Python starts new interpreters, so a calling script needs
            `if __name__ == "__main__":`.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
        ValueError: If `workers` is below 1.
    """
    with atomic_folder(out) as draft:
        scenes = write_scenes(
            partial(_write_scene, draft, options), options.num_scenes, workers, progress
        )
        tables = Tables(options)
        tables.add_constants()
        for scene in scenes:
            tables.add_all(scene.tables)
        _add_map(draft, tables, [scene.log_token for scene in scenes])
        tables.write(draft / VERSION)
    num_images = sum(record["fileformat"] == "jpg" for record in tables.records["sample_data"])
    return WorldSummary(
        out=out,
        version=VERSION,
        num_keyframes=len(tables.records["sample"]),
        num_sweeps=len(tables.records["sample_data"]) - num_images,
        num_images=num_images,
        num_points=sum(scene.num_points for scene in scenes),
    )


def _write_scene(out: Path, options: WorldOptions, index: int) -> _WrittenScene:
    writer = SceneWriter(out, options, index)
    writer.write()
    return _WrittenScene(writer.tables, writer.log_token, writer.num_points)


def _add_map(out: Path, tables: Tables, log_tokens: list[str]) -> None:
    """Write the empty map that nuScenes' format needs."""
    token = tables.token("map")
    mask = out / "maps" / f"{token}.png"
    mask.parent.mkdir(parents=True)
    Image.new("L", (8, 8)).save(mask)
    tables.add(
        "map",
        token=token,
        log_tokens=log_tokens,
        category="semantic_prior",
        filename=str(mask.relative_to(out)),
    )
