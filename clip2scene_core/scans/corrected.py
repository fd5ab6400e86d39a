"""Labels that an annotator corrected, read back: each file with its scan, and both checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.scans.legend import LEGEND, UNLABELLED, Legend, read_legend
from clip2scene_core.scans.read import SCAN_SUFFIXES, read_scan
from clip2scene_core.scans.scan import LabelledScan, Scan, ScanError

_LABEL_SUFFIX: Final = ".label"
_SELF_LABELLED: Final = (".pcd", ".ply", ".las", ".laz")
_CLASS_BITS: Final = 0xFFFF
_TOLERANCE_M: Final = 0.002
"""LAS has steps of a millimetre, and text files few digits."""


@dataclass(frozen=True)
class CorrectedFile:
    """One file of labels, and the scan that it belongs to; neither is opened.

    Attributes:
        labels: .label, or .pcd, .ply, .las, .laz with labels of its own points.
        scan: Where the points are; `labels` itself if it has them and there is no other.
        name: What the scan is called, such as "00/000012".
    """

    labels: Path
    scan: Path
    name: str


def find_corrected(folder: Path, scans: Path | None = None) -> tuple[CorrectedFile, ...]:
    """Find the labels in a folder, each with its scan.

    Args:
        folder: SemanticKITTI's layout (sequences/NN/labels/NNNNNN.label), or .label, .pcd, .ply,
            .las or .laz files, one for each scan. Scans without labels are left out.
        scans: Folder of the scans that were labelled, in the same layout or one file a scan, called
            as the labels are; by default `folder`.

    Returns:
        The files in the order of their names.

    Raises:
        ScanError: If there are no labels, or some belong to no scan.
    """
    for path in (folder, *([] if scans is None else [scans])):
        if not path.is_dir():
            raise ScanError(f"{path} is not a folder")
    sequences = sorted(folder.glob("sequences/*/labels"))
    if sequences:
        found = [path for labels in sequences for path in sorted(labels.glob(f"*{_LABEL_SUFFIX}"))]
    else:
        wanted = (_LABEL_SUFFIX, *_SELF_LABELLED)
        inside = [one for one in sorted(folder.iterdir()) if one.suffix.lower() in wanted]
        labelled = [one for one in inside if one.suffix.lower() == _LABEL_SUFFIX]
        found = labelled or inside
    if not found:
        raise ScanError(
            f"{folder} has no labels: neither sequences/NN/labels/NNNNNN.label nor files "
            f"{', '.join((_LABEL_SUFFIX, *_SELF_LABELLED))}"
        )
    if not sequences and len({one.stem for one in found}) != len(found):
        raise ScanError(f"{folder} has several files of labels for one scan; keep one kind")
    return tuple(_with_scan(path, folder, scans) for path in found)


def read_corrected(
    file: CorrectedFile,
    legend: Legend,
    columns: int | None = None,
    field: str | None = None,
) -> tuple[Scan, NDArray[np.uint8]]:
    """Read the points of a scan and their labels.

    Args:
        file: From `find_corrected`.
        legend: What the labels mean; 0 is unlabelled.
        columns: See `read_scan`.
        field: Field of the labels, such as "classification", for files with several that differ.

    Returns:
        N points and (N,) uint8 labels, IGNORE_LABEL where a point has none. Where labels come with
        points of their own, these have been compared with the scan's.

    Raises:
        ScanError: If a file cannot be read, numbers or order of points differ, a label is no whole
            number, or the legend does not have it.
    """
    in_layout = file.scan.parent.name == "velodyne" and columns is None
    scan = read_scan(file.scan, 4 if in_layout and file.scan.suffix == ".bin" else columns)
    if file.labels.suffix.lower() == _LABEL_SUFFIX:
        ids = _read_label_file(file.labels)
    else:
        labelled = scan if file.scan == file.labels else read_scan(file.labels)
        ids = _choose_ids(labelled, field, file.labels)
        if labelled is not scan:
            _check_points(file, scan, labelled)
            scan = Scan(scan.points, scan.has_intensity, scan.columns, scores=labelled.scores)
    if len(ids) != len(scan.points):
        raise ScanError(
            f"{file.labels} has {len(ids)} labels, but {file.scan} has {len(scan.points)} points; "
            f"labels must be of the same scan, with all of its points"
        )
    return scan, legend.decode(ids, file.labels)


def read_labelled_folder(
    folder: Path, columns: int | None = None, field: str | None = None
) -> Iterator[LabelledScan]:
    """Read labelled scans with the legend beside them, as `segment` and annotators leave them.

    Args:
        folder: See `find_corrected`.
        columns: See `read_scan`.
        field: See `read_corrected`.

    Yields:
        The scans in the order of their names, without poses. A label without a confidence has 1.

    Raises:
        ScanError: See `find_corrected`, `read_legend` and `read_corrected`.
    """
    legend = read_legend(folder / LEGEND)
    for file in find_corrected(folder):
        scan, labels = read_corrected(file, legend, columns, field)
        scores = np.ones(len(labels), np.float32) if scan.scores is None else scan.scores
        yield LabelledScan(
            scan.points,
            labels,
            np.where(labels == IGNORE_LABEL, np.float32(0), scores),
            legend.vocabulary,
            np.full((4, 4), np.nan),
            source=file.name,
            intensity_scale=legend.intensity_scale,
            T_base_lidar=legend.T_base_lidar,
        )


def _with_scan(path: Path, folder: Path, scans: Path | None) -> CorrectedFile:
    if path.parent.name == "labels":
        sequence, root = path.parent.parent, scans or folder
        scan = root / "sequences" / sequence.name / "velodyne" / f"{path.stem}.bin"
        if not scan.is_file():
            raise ScanError(f"{path} belongs to no scan: there is no {scan}")
        return CorrectedFile(path, scan, f"{sequence.name}/{path.stem}")
    is_own = path.suffix.lower() in _SELF_LABELLED
    if is_own and scans is None:
        return CorrectedFile(path, path, path.stem)
    near = scans or folder
    beside = [near / f"{path.stem}{suffix}" for suffix in SCAN_SUFFIXES]
    there = [one for one in beside if one.is_file()]
    if len(there) != 1:
        several = f"several: {', '.join(one.name for one in there)}" if there else "none"
        raise ScanError(
            f"{path} must belong to one scan called {path.stem} in {near}, there is {several}; "
            f"name the folder of the scans, if it is another one"
        )
    return CorrectedFile(path, there[0], path.stem)


def _read_label_file(path: Path) -> NDArray[np.integer]:
    """Numbers of classes of a .label: its lower halves; the upper ones number objects."""
    content = path.read_bytes()
    if len(content) % 4:
        raise ScanError(f"{path} has {len(content)} bytes, not a multiple of 4; it is truncated")
    return np.frombuffer(content, "<u4") & _CLASS_BITS


def _choose_ids(labelled: Scan, field: str | None, path: Path) -> NDArray[np.integer]:
    """The labels of a file; where several fields could be them, all must say the same."""
    found = {name: _whole(ids, path) for name, ids in labelled.ids.items() if field in (None, name)}
    if not found:
        has = ", ".join((*labelled.ids, *labelled.columns)) or "points alone"
        raise ScanError(f"{path} has no {field or 'label'}; it has {has}")
    first, *others = found
    for other in others:
        # LAS's own field is a byte.
        differs = np.minimum(found[first], 255) != np.minimum(found[other], 255)
        if differs.any():
            raise ScanError(
                f"{path}: {first} and {other} differ at {np.count_nonzero(differs)} points, and "
                f"only one of them was corrected; say which by --label-field"
            )
    return found[others[-1] if others else first]


def _whole(ids: NDArray[np.generic], path: Path) -> NDArray[np.integer]:
    """Labels as whole numbers; some tools save every number as a float, and none as NaN."""
    if np.issubdtype(ids.dtype, np.integer):
        return ids.astype(np.int64)
    if not np.issubdtype(ids.dtype, np.floating):
        raise ScanError(f"{path}: labels must be numbers, got {ids.dtype}")
    values = np.where(np.isnan(ids.astype(np.float64)), UNLABELLED, ids.astype(np.float64))
    strange = values[values != np.rint(values)]
    if len(strange):
        raise ScanError(
            f"{path}: labels must be whole numbers, got {strange[0]:g}; it may have been "
            f"interpolated"
        )
    return np.clip(values, -1, 2**31).astype(np.int64)


def _check_points(file: CorrectedFile, scan: Scan, labelled: Scan) -> None:
    if len(scan.points) != len(labelled.points):
        raise ScanError(
            f"{file.labels} has {len(labelled.points)} points, but {file.scan} has "
            f"{len(scan.points)}; labels must be of the same scan, with all of its points"
        )
    one, other = np.nan_to_num(scan.points[:, :3]), np.nan_to_num(labelled.points[:, :3])
    far = np.flatnonzero(np.abs(one - other).max(axis=1) > _TOLERANCE_M)
    if len(far):
        raise ScanError(
            f"{file.labels}: {len(far)} of {len(one)} points lie elsewhere than in {file.scan}, "
            f"the first is point {far[0]}; the order or the frame of the points was changed"
        )
