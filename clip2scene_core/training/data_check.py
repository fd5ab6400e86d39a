"""What is looked for before the hours are spent: files of the data set, and room for results."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.sample import DatasetError


def missing_files(dataset: KeyframeDataset, reach: int = 0) -> dict[str, list[Path]]:
    """Look for all files of a data set; none is opened.

    Args:
        dataset: Any number of keyframes.
        reach: Number of sweeps before each keyframe that a training may read, too.

    Returns:
        The missing files of each scene that lacks any, by the scene's token.

    Raises:
        DatasetError: If the tables name a sweep or labels that they do not hold.
    """
    missing: dict[str, list[Path]] = {}
    for index in range(len(dataset)):
        files = dataset.files(index, range(1, reach + 1))
        lacking = [path for path in files.all if not path.exists()]
        if lacking:
            missing.setdefault(dataset.scene_token(index), []).extend(lacking)
    return missing


def check_files(dataset: KeyframeDataset, reach: int = 0) -> None:
    """Refuse a data set that would stop a training in its middle; see `missing_files`.

    Raises:
        DatasetError: If a file is missing; the message counts the scenes that have all of theirs.
    """
    missing = missing_files(dataset, reach)
    if not missing:
        return
    scenes = dataset.scenes
    paths = list(dict.fromkeys(path for lacking in missing.values() for path in lacking))
    complete = [scene.name for scene in scenes if scene.token not in missing]
    some = ", ".join(complete[:5]) + (f" and {len(complete) - 5} more" if complete[5:] else "")
    remedy = f"those are {some}" if complete else "complete the download"
    others = f" and {len(paths) - 1} other files are" if paths[1:] else " is"
    raise DatasetError(
        f"{paths[0]}{others} missing; {len(complete)} of {len(scenes)} scenes have all their "
        f"files; {remedy}"
    )


def check_writable(folders: Iterable[Path]) -> None:
    """Make folders, and try to write in them.

    Raises:
        OSError: If a folder cannot be made or written to; one line says which and why.
    """
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"0")
        except OSError as error:
            raise OSError(f"{folder} cannot be written to: {error.strerror}") from error


def check_room(folder: Path, num_bytes: int, what: str) -> None:
    """Refuse a folder whose disk is too full for what will be written there.

    Args:
        folder: An existing folder.
        num_bytes: What will be written, at least.
        what: What that is, for the message.

    Raises:
        OSError: If there is less space; the message says how much is missing.
    """
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise OSError(
            f"{folder} has too little space left for {what}: {num_bytes / 1e6:.1f} MB are needed "
            f"and {free / 1e6:.1f} MB free, so {(num_bytes - free) / 1e6:.1f} MB are missing"
        )
