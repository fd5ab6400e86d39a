"""Write one labelled scan to a file: points, label, color and confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import numpy as np

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.datasets.scannet_format.ply import write_ply_vertices
from clip2scene_core.scans.scan import LabelledScan, ScanError

_LAS_STEP_M: Final = 0.001
_LAS_FULL_SCALE: Final = 65535


def write_scan(path: Path, scan: LabelledScan) -> None:
    """Write a labelled scan in the format of the file's suffix.

    Labels are `LabelledScan.ids`: 0 is unlabelled, 1 the first class.

    Args:
        path: .pcd (label as uint32, rgb, confidence), .ply, .las or .laz (label as classification
            too, up to 255), or .npz (labels as they are, with the names and colors of the classes).
            It appears when it is complete.
        scan: What to write.

    Raises:
        ScanError: If the suffix is none of these, or a package is not installed.
        OSError: If the file cannot be written.
    """
    writer = _WRITERS.get(path.suffix.lower())
    if writer is None:
        raise ScanError(f"{path} is no format that can be written: {', '.join(SCAN_FORMATS)}")
    try:
        with atomic_write(path) as draft:
            # The packages choose a format by the suffix, which a draft does not have.
            typed = draft.with_name(f"{draft.name}{path.suffix}")
            try:
                writer(typed, scan)
                typed.replace(draft)
            finally:
                typed.unlink(missing_ok=True)
    except ImportError as error:
        raise ScanError(
            f"{path}: {error.name} is not installed: pip install 'clip2scene_ros[scans]'"
        ) from error


def _write_pcd(path: Path, scan: LabelledScan) -> None:
    from pypcd4 import PointCloud

    red, green, blue = scan.colors.astype(np.uint32).T
    # As PCL does: the bytes of a float are the color.
    rgb = (red << 16 | green << 8 | blue).view(np.float32)
    x, y, z, intensity = scan.points.T
    cloud = PointCloud.from_points(
        [x, y, z, intensity, rgb, scan.ids, scan.scores],
        ("x", "y", "z", "intensity", "rgb", "label", "confidence"),
        (np.float32, np.float32, np.float32, np.float32, np.float32, np.uint32, np.float32),
    )
    cloud.save(path)


def _write_ply(path: Path, scan: LabelledScan) -> None:
    x, y, z, intensity = scan.points.T
    red, green, blue = scan.colors.T
    columns = {
        "x": x, "y": y, "z": z, "intensity": intensity, "red": red, "green": green, "blue": blue,
        "label": scan.ids, "confidence": scan.scores,
    }  # fmt: skip
    write_ply_vertices(path, columns)


def _write_las(path: Path, scan: LabelledScan) -> None:
    import laspy

    is_finite = np.isfinite(scan.points[:, :3]).all(axis=1)
    header = laspy.LasHeader(point_format=7, version="1.4")
    header.scales = np.full(3, _LAS_STEP_M)
    header.add_extra_dim(laspy.ExtraBytesParams("label", np.uint32))
    header.add_extra_dim(laspy.ExtraBytesParams("confidence", np.float32))
    cloud = laspy.LasData(header)
    points = scan.points.astype(np.float64)
    points[~is_finite] = 0.0  # LAS has whole numbers of steps alone; no point may be lost
    cloud.x, cloud.y, cloud.z = points[:, 0], points[:, 1], points[:, 2]
    intensity = np.nan_to_num(scan.points[:, 3])
    full = las_intensity_factor(scan)
    cloud.intensity = np.clip(np.round(intensity * full), 0, _LAS_FULL_SCALE).astype(np.uint16)
    cloud.red, cloud.green, cloud.blue = (scan.colors.astype(np.uint16) * 257).T
    cloud.classification = np.minimum(scan.ids, 255).astype(np.uint8)
    cloud.label, cloud.confidence = scan.ids, scan.scores
    cloud.write(path)


def las_intensity_factor(scan: LabelledScan) -> int:
    """What intensities are multiplied by in LAS, which has whole numbers of 16 bits alone.

    Where the sensor's scale is not known, intensities that stay within 1 are fractions.
    """
    scale = scan.intensity_scale
    is_fraction = (
        np.nan_to_num(scan.points[:, 3]).max(initial=0) <= 1 if scale is None else scale <= 1
    )
    return _LAS_FULL_SCALE if is_fraction else 1


def _write_npz(path: Path, scan: LabelledScan) -> None:
    np.savez_compressed(
        path,
        points=scan.points,
        labels=scan.labels,
        scores=scan.scores,
        names=np.array(scan.vocabulary.names),
        colors=scan.vocabulary.colors,
        T_global_lidar=scan.T_global_lidar,
        stamp_ns=scan.stamp_ns,
    )


_WRITERS: Final[Mapping[str, Callable[[Path, LabelledScan], None]]] = {
    ".pcd": _write_pcd,
    ".ply": _write_ply,
    ".las": _write_las,
    ".laz": _write_las,
    ".npz": _write_npz,
}
SCAN_FORMATS: Final = tuple(_WRITERS)
"""Suffixes of the files that `write_scan` writes."""
