"""Write labelled scans as a folder that annotation tools open, with its legend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.scans.legend import LEGEND, Legend, number_classes
from clip2scene_core.scans.scan import LabelledScan, ScanError
from clip2scene_core.scans.write import SCAN_FORMATS, las_intensity_factor, write_scan

EXPORT_FORMATS: Final = ("semantickitti", *(suffix[1:] for suffix in SCAN_FORMATS))
"""Formats of `LabelledFolder`."""

SCANS: Final = "scans.json"

_VELODYNE: Final = "sequences/00/velodyne"
_LABELS: Final = "sequences/00/labels"


class LabelledFolder:
    """A folder of labelled scans of one vocabulary, written one by one; `close` ends it.

    "semantickitti" has sequences/00 with velodyne/NNNNNN.bin, labels/NNNNNN.label (uint32),
    poses.txt, calib.txt and times.txt, and labels.xml for its point_labeler. Its labels are
    SemanticKITTI's raw ones where all classes are called as there, else `LabelledScan.ids`. The
    camera's axes are the LiDAR's: calib.txt says so. Every other format has one file a scan,
    NNNNNN.SUFFIX. Both have legend.json (see `Legend`) and scans.json: for each scan its file, what
    it is called where it comes from, its stamp and how doubtful its labels are, the most doubtful
    first.

    Poses that are not finite are written as the first one's: such scans lie on one another.

    Args:
        root: Folder to make.
        form: One of EXPORT_FORMATS.
        by_doubt: Number the scans by doubt, 000000 the most doubtful, in place of their order.
            Poses and times follow their scans, so they are right for each scan, but neighbours in
            number are no longer neighbours in time.

    Raises:
        ScanError: If the format is unknown, or the folder exists.
    """

    def __init__(self, root: Path, form: str, by_doubt: bool = False) -> None:
        if form not in EXPORT_FORMATS:
            raise ScanError(f"format must be one of {', '.join(EXPORT_FORMATS)}, got {form!r}")
        if root.exists():
            raise ScanError(f"{root} exists already; remove it or name another")
        self.root, self._form, self._by_doubt = root, form, by_doubt
        self._legend: Legend | None = None
        self._scans: list[dict[str, str | int | float]] = []
        self._poses: list[NDArray[np.float64]] = []
        for name in (_VELODYNE, _LABELS) if form == "semantickitti" else ():
            (root / name).mkdir(parents=True)
        root.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self._scans)

    def add(self, scan: LabelledScan) -> None:
        """Write one scan.

        Raises:
            ScanError: If its classes differ from those of the scans before, or it cannot be
                written.
        """
        self._legend = self._legend_with(scan)
        name = f"{len(self):06d}"
        if self._form == "semantickitti":
            scan.points.astype("<f4").tofile(self.root / _VELODYNE / f"{name}.bin")
            labels = self._legend.encode(scan.labels)
            labels.tofile(self.root / _LABELS / f"{name}.label")
        else:
            write_scan(self.root / f"{name}.{self._form}", scan)
        self._poses.append(scan.T_global_lidar)
        self._scans.append(scan.listed_as(self._file(len(self))))

    def close(self) -> None:
        """Number the scans, and write the legend and what belongs to the whole folder.

        Raises:
            ScanError: If there is no scan.
        """
        if self._legend is None:
            raise ScanError(f"{self.root}: there is no labelled scan to write")
        doubtful = sorted(range(len(self)), key=lambda index: -float(self._scans[index]["doubt"]))
        if self._by_doubt:
            self._renumber(doubtful)
            doubtful = list(range(len(self)))
        self._legend.write(self.root / LEGEND)
        if self._form == "semantickitti":
            self._write_sequence(self._legend)
        text = json.dumps([self._scans[index] for index in doubtful], indent=1)
        (self.root / SCANS).write_text(text + "\n", encoding="utf-8")

    def _legend_with(self, scan: LabelledScan) -> Legend:
        """The legend, after a scan that it must hold for."""
        vocabulary = scan.vocabulary
        if self._legend is not None and vocabulary.names != self._legend.vocabulary.names:
            raise ScanError(
                f"the prompts changed at scan {len(self)}: from "
                f"{', '.join(self._legend.vocabulary.names)} to {', '.join(vocabulary.names)}; a "
                f"folder has one legend: label again with one set of prompts"
            )
        is_kitti = self._form == "semantickitti"
        ids = number_classes(vocabulary) if is_kitti else tuple(range(1, len(vocabulary) + 1))
        scale = scan.intensity_scale
        if scale is not None and self._form in ("las", "laz"):
            scale *= las_intensity_factor(scan)
        before = None if self._legend is None else self._legend.intensity_scale
        if before is not None and scale is not None:
            scale = max(scale, before)  # one that is found by the clouds grows
        vocabulary = vocabulary if self._legend is None else self._legend.vocabulary
        return Legend(vocabulary, ids, scale, scan.T_base_lidar)

    def _file(self, index: int) -> str:
        is_kitti = self._form == "semantickitti"
        return f"{_VELODYNE}/{index:06d}.bin" if is_kitti else f"{index:06d}.{self._form}"

    def _renumber(self, order: list[int]) -> None:
        """Give scan `order[n]` the number n."""
        suffixes = {_VELODYNE: "bin", _LABELS: "label"}
        for folder, suffix in (
            suffixes if self._form == "semantickitti" else {"": self._form}
        ).items():
            for index in order:
                path = self.root / folder / f"{index:06d}.{suffix}"
                path.rename(path.with_suffix(".moved"))
            for number, index in enumerate(order):
                path = self.root / folder / f"{index:06d}.moved"
                path.rename(self.root / folder / f"{number:06d}.{suffix}")
        self._poses = [self._poses[index] for index in order]
        self._scans = [
            self._scans[index] | {"file": self._file(number)} for number, index in enumerate(order)
        ]

    def _write_sequence(self, legend: Legend) -> None:
        sequence = (self.root / _LABELS).parent
        located = [pose for pose in self._poses if np.isfinite(pose).all()] or [np.eye(4)]
        origin = np.linalg.inv(located[0])
        poses = [
            (origin @ (pose if np.isfinite(pose).all() else located[0]))[:3].ravel()
            for pose in self._poses
        ]
        _write_rows(sequence / "poses.txt", poses)
        stamps = [int(scan["stamp_ns"]) for scan in self._scans]
        seconds = [(stamp - min(stamps)) / 1e9 for stamp in stamps]
        _write_rows(sequence / "times.txt", [np.array([one]) for one in seconds])
        identity = " ".join(f"{value:g}" for value in np.eye(4)[:3].ravel())
        (sequence / "calib.txt").write_text(
            "".join(f"{name}: {identity}\n" for name in ("P0", "P1", "P2", "P3", "Tr"))
        )
        vocabulary = legend.vocabulary
        rows = "".join(
            f"  <label>\n    <id>{number}</id>\n    <name>{escape(name)}</name>\n"
            f"    <description>{escape(prompt)}</description>\n"
            f"    <color>{red} {green} {blue}</color>\n    <root>all</root>\n  </label>\n"
            for number, name, prompt, (red, green, blue) in zip(
                [0, *legend.ids],
                ("unlabelled", *vocabulary.names),
                ("no label", *vocabulary.prompts),
                [[0, 0, 0], *vocabulary.colors.tolist()],
                strict=True,
            )
        )
        (self.root / "labels.xml").write_text(f"<config>\n{rows}</config>\n", encoding="utf-8")


def _write_rows(path: Path, rows: list[NDArray[np.float64]]) -> None:
    text = "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in rows)
    path.write_text(text)
