"""A labelled map as arrays, and its files."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.prompts.vocabulary import Vocabulary

MAP_SUFFIXES = (".npz", ".ply")
"""Suffixes of the file formats of a map."""

_PLY_TYPES = {"float": "<f4", "uchar": "u1"}
_PLY_VERTEX = (
    ("x", "float"), ("y", "float"), ("z", "float"),
    ("red", "uchar"), ("green", "uchar"), ("blue", "uchar"),
    ("label", "uchar"), ("score", "float"),
)  # fmt: skip

_PLY_START = b"ply\nformat binary_little_endian 1.0\ncomment label 0 "
_PLY_END = "".join(f"property {kind} {name}\n" for name, kind in _PLY_VERTEX) + "end_header\n"
_PLY_HEADER_BYTES = 2**20
_NPZ_ARRAYS = ("points", "labels", "scores", "counts", "names", "prompts", "colours")


@dataclass(frozen=True)
class LabelledMap:
    """V labelled voxels.

    Attributes:
        points: (V, 3) float32 voxel centres, metres, fixed frame.
        labels: (V,) uint8, indices into `vocabulary`.
        scores: (V,) float32 in [0, 1], probability of the label.
        counts: (V,) int64, number of points in each voxel.
        vocabulary: The prompts of the labels, with names and colours.
    """

    points: NDArray[np.float32]
    labels: NDArray[np.uint8]
    scores: NDArray[np.float32]
    counts: NDArray[np.int64]
    vocabulary: Vocabulary


def check_map_path(path: Path) -> None:
    """Refuse a path with a wrong suffix; call it before a long recording.

    Raises:
        ValueError: If the suffix is not one of MAP_SUFFIXES.
    """
    if path.suffix not in MAP_SUFFIXES:
        raise ValueError(
            f"a map is written as {' or '.join(MAP_SUFFIXES)}, got {str(path)!r}; "
            f"name the file by one of these suffixes"
        )


def is_map_file(path: Path) -> bool:
    """Say whether a file looks like one that `save_map` wrote; only its table or header is read.

    Args:
        path: An existing file of any kind.

    Raises:
        OSError: If it cannot be read.
    """
    if not path.is_file():  # reading a pipe or a device would never end
        return False
    if path.suffix == ".npz":
        try:
            with zipfile.ZipFile(path) as archive:
                return sorted(archive.namelist()) == sorted(f"{name}.npy" for name in _NPZ_ARRAYS)
        except (zipfile.BadZipFile, ValueError, EOFError):
            return False
    with path.open("rb") as file:
        header = file.read(_PLY_HEADER_BYTES)
    return header.startswith(_PLY_START) and _PLY_END.encode() in header


def save_map(labelled_map: LabelledMap, path: Path) -> None:
    """Write a map; the file appears when it is complete.

    - `.npz`: `points` (V, 3) float32, `labels` (V,) uint8, `scores` (V,) float32, `counts` (V,)
      int64; for the C labels `names` (C,), `prompts` (C,) and `colours` (C, 3) uint8.
    - `.ply`: binary, one vertex per voxel: x y z float, red green blue label uchar, score float.
      The names are in the header: `comment label 0 car`.

    Args:
        labelled_map: V voxels, at least one.
        path: File; its name ends in .npz or .ply, and its folder exists. An older file is replaced.

    Raises:
        ValueError: If the suffix is another one, or the map is empty.
        OSError: If the file cannot be written.
    """
    check_map_path(path)
    if not len(labelled_map.points):
        raise ValueError(f"the map is empty, {path} was not written; label some sweeps first")
    with atomic_write(path) as draft, draft.open("wb") as file:
        (_write_npz if path.suffix == ".npz" else _write_ply)(labelled_map, file)


def _write_npz(labelled_map: LabelledMap, file: IO[bytes]) -> None:
    vocabulary = labelled_map.vocabulary
    contents: tuple[Any, ...] = (
        labelled_map.points,
        labelled_map.labels,
        labelled_map.scores,
        labelled_map.counts,
        np.array(vocabulary.names),
        np.array(vocabulary.prompts),
        vocabulary.colors,
    )
    arrays: dict[str, Any] = dict(zip(_NPZ_ARRAYS, contents, strict=True))
    np.savez_compressed(file, **arrays)


def _write_ply(labelled_map: LabelledMap, file: IO[bytes]) -> None:
    vertices = np.empty(
        len(labelled_map.points), dtype=[(name, _PLY_TYPES[kind]) for name, kind in _PLY_VERTEX]
    )
    for column, name in enumerate("xyz"):
        vertices[name] = labelled_map.points[:, column]
    colors = labelled_map.vocabulary.colorize(labelled_map.labels)
    for column, name in enumerate(("red", "green", "blue")):
        vertices[name] = colors[:, column]
    vertices["label"], vertices["score"] = labelled_map.labels, labelled_map.scores
    # A name can be any string; a line break in it would end the comment.
    names = [" ".join(name.split()) for name in labelled_map.vocabulary.names]
    header = [
        "ply",
        "format binary_little_endian 1.0",
        *(f"comment label {label} {name}" for label, name in enumerate(names)),
        f"element vertex {len(vertices)}",
        *(f"property {kind} {name}" for name, kind in _PLY_VERTEX),
        "end_header",
    ]
    file.write(("\n".join(header) + "\n").encode())
    file.write(vertices.tobytes())
