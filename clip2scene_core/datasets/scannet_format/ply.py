"""The vertices of a PLY file: a table with the columns that its header names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import DatasetError

_TYPES: Final = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2",
    "ushort": "u2", "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4",
    "float": "f4", "float32": "f4", "double": "f8", "float64": "f8",
}  # fmt: skip
_ORDERS: Final = {"binary_little_endian": "<", "binary_big_endian": ">", "ascii": "="}
_LONGEST_HEADER: Final = 200


def read_ply_vertices(path: Path, names: tuple[str, ...]) -> NDArray[np.void]:
    """Read the vertices; faces and what else follows them are left out.

    Args:
        path: ASCII or binary PLY whose first element is `vertex`, without lists.
        names: Columns that there must be, such as "x".

    Returns:
        (N,) structured array with a field for each column of the file.

    Raises:
        DatasetError: If the file is missing, truncated, of another form, or lacks a column.
    """
    try:
        with path.open("rb") as file:
            form, count, columns = _read_header(path, file)
            missing = [name for name in names if name not in dict(columns)]
            if missing:
                raise DatasetError(
                    f"{path} has no {', '.join(missing)} for its vertices, only "
                    f"{', '.join(dict(columns))}; is it the file that its name says?"
                )
            table = np.dtype([(name, _ORDERS[form] + kind) for name, kind in columns])
            return (
                _read_ascii(file, count, table)
                if form == "ascii"
                else _read_binary(file, count, table)
            )
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except (ValueError, IndexError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path} is no readable PLY file: {error}") from None


def write_ply_vertices(path: Path, columns: Mapping[str, NDArray[np.generic]]) -> None:
    """Write vertices as a binary PLY file.

    Args:
        path: The file.
        columns: Arrays (N,) by name, little-endian, of the types that PLY has.
    """
    kinds = [(name, column.dtype.str) for name, column in columns.items()]
    table = np.zeros(len(next(iter(columns.values()))), dtype=kinds)
    for name, column in columns.items():
        table[name] = column
    names = {kind: name for name, kind in reversed(_TYPES.items())}
    lines = ["ply", "format binary_little_endian 1.0", f"element vertex {len(table)}"]
    lines += [f"property {names[kind[-2:]]} {name}" for name, kind in kinds]
    path.write_bytes("\n".join([*lines, "end_header", ""]).encode() + table.tobytes())


def _read_header(path: Path, file: BinaryIO) -> tuple[str, int, list[tuple[str, str]]]:
    """Read up to `end_header`: format, number of vertices, names and types of their columns."""
    form, element, count, columns = "", "", -1, []
    for number in range(_LONGEST_HEADER):
        words = file.readline().decode("ascii", errors="replace").split()
        if number == 0 and words != ["ply"]:
            raise DatasetError(f"{path} is no PLY file")
        if words[:1] == ["end_header"]:
            break
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            if count < 0 and words[1] != "vertex":
                raise DatasetError(f"{path} begins with {words[1]}, not with vertices")
            element, count = words[1], int(words[2]) if count < 0 else count
        elif words[:1] == ["property"] and element == "vertex":
            if words[1] not in _TYPES:
                raise DatasetError(f"{path} has vertices with a {words[1]}; this is not read")
            columns.append((words[2], _TYPES[words[1]]))
    else:
        raise DatasetError(f"{path} has no end_header; it is damaged")
    if form not in _ORDERS or count < 0:
        raise DatasetError(f"{path} has the format {form!r} and {max(count, 0)} vertices")
    return form, count, columns


def _read_binary(file: BinaryIO, count: int, table: np.dtype[Any]) -> NDArray[np.void]:
    data = file.read(count * table.itemsize)
    if len(data) < count * table.itemsize:
        raise ValueError(f"{count} vertices announced, {len(data) // table.itemsize} there")
    return np.frombuffer(data, dtype=table)


def _read_ascii(file: BinaryIO, count: int, table: np.dtype[Any]) -> NDArray[np.void]:
    rows = [tuple(file.readline().split()) for _ in range(count)]
    width = len(table.names or ())
    if any(len(row) != width for row in rows):
        raise ValueError(f"{count} vertices of {width} numbers announced, fewer there")
    return np.array(rows, dtype=table)
