"""Write drives through the synthetic world as a data set in nuScenes' own format."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.scene_writer import SceneWriter
from clip2scene_core.world.dataset.tables import VERSION, Tables

__all__ = ["WorldOptions", "WorldSummary", "write_world"]


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


@dataclass(frozen=True)
class _WrittenScene:
    """What a process sends back: the files are on disk, the records are not."""

    index: int
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
        out: Folder to create; it may exist if it is empty.
        options: What to write.
        progress: Called with (scenes done, scenes) after each scene.
        workers: Processes that write scenes; the files are the same, byte by byte, for any number.
            With more than one, Python starts new interpreters: a script that calls this needs
            `if __name__ == "__main__":`.

    Returns:
        Counts of what was written.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
        ValueError: If `workers` is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not empty; choose a new folder for the world")
    scenes = []
    for scene in _write_scenes(out, options, min(workers, options.num_scenes)):
        scenes.append(scene)
        if progress is not None:
            progress(len(scenes), options.num_scenes)
    scenes.sort(key=lambda scene: scene.index)
    tables = Tables(options)
    tables.add_constants()
    for scene in scenes:
        tables.add_all(scene.tables)
    _add_map(out, tables, [scene.log_token for scene in scenes])
    tables.write(out / VERSION)
    num_images = sum(record["fileformat"] == "jpg" for record in tables.records["sample_data"])
    return WorldSummary(
        out=out,
        version=VERSION,
        num_keyframes=len(tables.records["sample"]),
        num_sweeps=len(tables.records["sample_data"]) - num_images,
        num_images=num_images,
        num_points=sum(scene.num_points for scene in scenes),
    )


def _write_scenes(out: Path, options: WorldOptions, workers: int) -> Iterator[_WrittenScene]:
    """Write all scenes, yielding each when it is done, in any order."""
    if workers == 1:
        for index in range(options.num_scenes):
            yield _write_scene(out, options, index)
        return
    # Spawned, not forked: the caller may have threads, and a fork of those can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _leave_interrupts_to_the_caller) as pool:
        pending: list[Future[_WrittenScene]] = [
            pool.submit(_write_scene, out, options, index) for index in range(options.num_scenes)
        ]
        try:
            for done in as_completed(pending):
                yield done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _leave_interrupts_to_the_caller() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_scene(out: Path, options: WorldOptions, index: int) -> _WrittenScene:
    writer = SceneWriter(out, options, index)
    writer.write()
    return _WrittenScene(index, writer.tables, writer.log_token, writer.num_points)


def _add_map(out: Path, tables: Tables, log_tokens: list[str]) -> None:
    """Write the empty map that nuScenes' format asks for."""
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
