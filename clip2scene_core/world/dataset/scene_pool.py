"""Write the scenes of a world, one after the other or in several processes."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import TypeVar

from clip2scene_core.worker import end_with_parent

Written = TypeVar("Written")


def check_new_folder(out: Path) -> None:
    """Refuse a folder that holds something.

    Raises:
        FileExistsError: If `out` is a file or a folder that is not empty.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not empty; choose a new folder for the world")


def write_scenes(
    write_scene: Callable[[int], Written],
    num_scenes: int,
    workers: int,
    progress: Callable[[int, int], None] | None = None,
) -> list[Written]:
    """Write all scenes.

    Args:
        write_scene: Writes the scene with an index. With several workers it must be picklable.
        num_scenes: Number of scenes.
        workers: Number of processes. With more than one, Python starts new interpreters, so a
            calling script needs `if __name__ == "__main__":`.
        progress: Called after each scene with the numbers of done and of all scenes.

    Returns:
        What each scene gave, in the order of their indices.

    Raises:
        ValueError: If `workers` is below 1.
    """
    if workers < 1:
        raise ValueError(f"workers must be 1 or more, got {workers}")
    written: dict[int, Written] = {}
    for index, scene in _write_in_any_order(write_scene, num_scenes, min(workers, num_scenes)):
        written[index] = scene
        if progress is not None:
            progress(len(written), num_scenes)
    return [written[index] for index in range(num_scenes)]


def _write_in_any_order(
    write_scene: Callable[[int], Written], num_scenes: int, workers: int
) -> Iterator[tuple[int, Written]]:
    """Yield each scene with its index when it is done."""
    if workers == 1:
        for index in range(num_scenes):
            yield index, write_scene(index)
        return
    # Spawned, not forked: a fork of a caller with threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, context, _begin_worker) as pool:
        pending: dict[Future[Written], int] = {
            pool.submit(write_scene, index): index for index in range(num_scenes)
        }
        try:
            for done in as_completed(pending):
                yield pending[done], done.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _begin_worker() -> None:
    """Leave Ctrl-C to the caller, and end with it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
