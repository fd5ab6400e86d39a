"""Read the points of one scan from a file, whatever wrote it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.scannet_format.ply import read_ply_vertices
from clip2scene_core.scans.scan import Scan, ScanError

_INTENSITIES: Final = ("intensity", "Intensity", "i", "reflectivity", "scalar_Intensity")
_LABELS: Final = ("label", "scalar_label", "Label", "scalar_Label")
"""Fields of labels; CloudCompare calls what it saves "scalar_..."."""
_CLASSIFICATION: Final = "classification"
"""The field that every LAS has for labels."""
_SCORES: Final = ("confidence", "scalar_confidence")
_VALUE_BYTES: Final = 4


def read_scan(path: Path, columns: int | None = None) -> Scan:
    """Read a scan.

    Args:
        path: .pcd (ASCII, binary or compressed), .ply, .las, .laz, .bin or .npy.
        columns: Of a .bin file of float32: 4 (x, y, z, intensity: KITTI) or 5 (with ring:
            nuScenes). None: the one that fits the size; both fit every fifth size, which then must
            be said.

    Returns:
        The points in the order of the file.

    Raises:
        ScanError: If the file is missing, damaged, of another kind, or its columns cannot be told.
    """
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise ScanError(f"{path} is no scan that can be read: {', '.join(SCAN_SUFFIXES)}")
    if columns not in (None, 4, 5):
        raise ScanError(f"a .bin scan has 4 or 5 columns, got {columns}")
    try:
        scan = _read_bin(path, columns) if path.suffix.lower() == ".bin" else reader(path)
    except FileNotFoundError:
        raise ScanError(f"{path} is missing") from None
    except ScanError:
        raise
    except ImportError as error:
        raise ScanError(
            f"{path}: {error.name} is not installed: pip install 'clip2scene_ros[scans]'"
        ) from error
    except Exception as error:  # the readers raise whatever damage provokes
        why = " ".join(str(error).split()) or type(error).__name__
        raise ScanError(f"{path} is no readable {path.suffix} scan: {why}") from error
    return scan


def _read_bin(path: Path, columns: int | None = None) -> Scan:
    values = np.fromfile(path, dtype=np.uint8)
    fitting = [n for n in (4, 5) if len(values) % (n * _VALUE_BYTES) == 0]
    if columns is None:
        if len(fitting) != 1 and len(values):
            fits = "both 4 and 5" if fitting else "neither 4 nor 5"
            raise ScanError(
                f"{path} has {len(values)} bytes, which fits {fits} columns of float32; say which "
                f"with --columns" + ("" if fitting else ", if it is not truncated")
            )
        columns = fitting[0]
    if columns not in fitting:
        raise ScanError(
            f"{path} has {len(values)} bytes, no whole number of points of {columns} columns; it "
            f"is truncated, or has other columns"
        )
    table = values.view("<f4").reshape(-1, columns)
    return Scan(np.ascontiguousarray(table[:, :4]), True, ("ring",) if columns == 5 else ())


def _read_npy(path: Path) -> Scan:
    table = np.load(path, allow_pickle=False)
    if table.dtype.names is not None:
        return _from_fields({name: table[name] for name in table.dtype.names}, path)
    if table.ndim != 2 or table.shape[1] < 3 or not np.issubdtype(table.dtype, np.number):
        raise ScanError(f"{path} must hold (N, 3 or more) numbers, got {table.shape} {table.dtype}")
    points = np.zeros((len(table), 4), np.float32)
    points[:, : min(4, table.shape[1])] = table[:, :4]
    return Scan(
        points, table.shape[1] > 3, tuple(f"column {n}" for n in range(5, table.shape[1] + 1))
    )


def _read_ply(path: Path) -> Scan:
    table = read_ply_vertices(path, ("x", "y", "z"))
    return _from_fields({name: table[name] for name in table.dtype.names or ()}, path)


def _read_pcd(path: Path) -> Scan:
    from pypcd4 import PointCloud

    cloud = PointCloud.from_path(path)
    return _from_fields({name: cloud.pc_data[name] for name in cloud.fields}, path)


def _read_las(path: Path) -> Scan:
    import laspy

    cloud = laspy.read(path)
    # Coordinates may be of a country's grid: float32 would round them to half a metre.
    xyz = np.stack([cloud.x, cloud.y, cloud.z], axis=1)
    offset = np.round(xyz.mean(axis=0)) if len(xyz) and np.abs(xyz).max() > 1e5 else np.zeros(3)
    if offset.any():
        raise ScanError(
            f"{path} lies {np.abs(xyz).max():.0f} m from its origin; labels depend on the distance "
            f"from the sensor: give scans in the frame of their LiDAR"
        )
    points = np.concatenate([xyz, np.asarray(cloud.intensity)[:, None]], axis=1)
    extra = {name: np.asarray(cloud[name]) for name in cloud.point_format.extra_dimension_names}
    ids = {_CLASSIFICATION: np.asarray(cloud.classification)}
    ids |= {name: extra[name] for name in _LABELS if name in extra}
    return Scan(points.astype(np.float32), True, ids=ids, scores=_scores_of(extra))


def _from_fields(fields: Mapping[str, NDArray[np.generic]], path: Path) -> Scan:
    missing = [name for name in "xyz" if name not in fields]
    if missing:
        raise ScanError(f"{path} has no {', '.join(missing)}; it has {', '.join(fields)}")
    intensity = next((name for name in _INTENSITIES if name in fields), None)
    points = np.zeros((len(fields["x"]), 4), np.float32)
    for column, name in enumerate(("x", "y", "z", intensity)):
        if name is not None:
            points[:, column] = np.asarray(fields[name]).reshape(len(points))
    others = tuple(name for name in fields if name not in ("x", "y", "z", intensity))
    ids = {
        name: np.asarray(fields[name]).reshape(len(points)) for name in _LABELS if name in fields
    }
    return Scan(points, intensity is not None, others, ids, _scores_of(fields))


def _scores_of(fields: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32] | None:
    scores = next((np.asarray(fields[name]) for name in _SCORES if name in fields), None)
    return None if scores is None else scores.astype(np.float32).ravel()


_READERS: Final[Mapping[str, Callable[[Path], Scan]]] = {
    ".bin": _read_bin,
    ".npy": _read_npy,
    ".ply": _read_ply,
    ".pcd": _read_pcd,
    ".las": _read_las,
    ".laz": _read_las,
}
SCAN_SUFFIXES: Final = tuple(_READERS)
"""Suffixes of the files that `read_scan` reads."""
