"""Write labelled scans as a folder that annotation tools open, with its legend."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import SEMANTIC_KITTI_CLASSES, SEMANTIC_KITTI_RAW_LABELS
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.scans.scan import LabelledScan, ScanError
from clip2scene_core.scans.write import SCAN_FORMATS, write_scan

EXPORT_FORMATS: Final = ("semantickitti", *(suffix[1:] for suffix in SCAN_FORMATS))
"""Formats of `LabelledFolder`."""

LEGEND: Final = "legend.json"
SCANS: Final = "scans.json"


class LabelledFolder:
    """A folder of labelled scans of one vocabulary, written one by one; `close` ends it.

    "semantickitti" has sequences/00 with velodyne/NNNNNN.bin, labels/NNNNNN.label (uint32),
    poses.txt, calib.txt and times.txt, and labels.xml for its point_labeler. Its labels are
    SemanticKITTI's raw ones where all classes are called as there, else `LabelledScan.ids`. The
    camera's axes are the LiDAR's: calib.txt says so. Every other format has one file a scan,
    NNNNNN.SUFFIX. Both have legend.json, with the id, name, prompt and color of each class, and
    scans.json: for each scan its stamp and how doubtful its labels are, the most doubtful first.

    Args:
        root: Folder to make.
        form: One of EXPORT_FORMATS.

    Raises:
        ScanError: If the format is unknown, or the folder exists.
    """

    def __init__(self, root: Path, form: str) -> None:
        if form not in EXPORT_FORMATS:
            raise ScanError(f"format must be one of {', '.join(EXPORT_FORMATS)}, got {form!r}")
        if root.exists():
            raise ScanError(f"{root} exists already; remove it or name another")
        self.root, self._form = root, form
        self._vocabulary: Vocabulary | None = None
        self._scans: list[dict[str, str | int | float]] = []
        self._poses: list[NDArray[np.float64]] = []
        self._stamps_ns: list[int] = []
        self._sequence = root / "sequences" / "00"
        for name in ("velodyne", "labels") if form == "semantickitti" else ():
            (self._sequence / name).mkdir(parents=True)
        root.mkdir(parents=True, exist_ok=True)

    def __len__(self) -> int:
        return len(self._scans)

    def add(self, scan: LabelledScan) -> None:
        """Write one scan.

        Raises:
            ScanError: If its classes differ from those of the scans before, or it cannot be
                written.
        """
        if self._vocabulary is None:
            self._vocabulary = scan.vocabulary
        elif scan.vocabulary.names != self._vocabulary.names:
            raise ScanError(
                f"the prompts changed at scan {len(self)}: from "
                f"{', '.join(self._vocabulary.names)} to {', '.join(scan.vocabulary.names)}; a "
                f"folder has one legend: label again with one set of prompts"
            )
        name = f"{len(self):06d}"
        if self._form == "semantickitti":
            path = self._sequence / "velodyne" / f"{name}.bin"
            scan.points.astype("<f4").tofile(path)
            labels = _ids_for_semantic_kitti(scan.vocabulary)[scan.ids]
            labels.tofile(self._sequence / "labels" / f"{name}.label")
        else:
            path = self.root / f"{name}.{self._form}"
            write_scan(path, scan)
        self._poses.append(scan.T_global_lidar)
        self._stamps_ns.append(scan.stamp_ns)
        relative = path.relative_to(self.root).as_posix()
        self._scans.append(
            {"file": relative, "stamp_ns": scan.stamp_ns, "doubt": round(scan.doubt, 4)}
        )

    def close(self) -> None:
        """Write the legend, and what belongs to the whole folder.

        Raises:
            ScanError: If there is no scan.
        """
        if self._vocabulary is None:
            raise ScanError(f"{self.root}: there is no labelled scan to write")
        ids = np.arange(1, len(self._vocabulary) + 1, dtype="<u4")
        if self._form == "semantickitti":
            ids = _ids_for_semantic_kitti(self._vocabulary)[1:]
            self._write_sequence(ids)
        words = zip(
            ids.tolist(), self._vocabulary.names, self._vocabulary.prompts,
            self._vocabulary.colors.tolist(), strict=True,
        )  # fmt: skip
        classes = [
            {"id": number, "name": name, "prompt": prompt, "rgb": color}
            for number, name, prompt, color in words
        ]
        _write_json(self.root / LEGEND, {"unlabelled": 0, "classes": classes})
        doubtful = sorted(self._scans, key=lambda one: -float(one["doubt"]))
        _write_json(self.root / SCANS, doubtful)

    def _write_sequence(self, ids: NDArray[np.uint32]) -> None:
        assert self._vocabulary is not None
        first = np.linalg.inv(self._poses[0])
        poses = [(first @ pose)[:3].ravel() for pose in self._poses]
        _write_rows(self._sequence / "poses.txt", poses)
        seconds = [(stamp - self._stamps_ns[0]) / 1e9 for stamp in self._stamps_ns]
        _write_rows(self._sequence / "times.txt", [np.array([one]) for one in seconds])
        identity = " ".join(f"{value:g}" for value in np.eye(4)[:3].ravel())
        (self._sequence / "calib.txt").write_text(
            "".join(f"{name}: {identity}\n" for name in ("P0", "P1", "P2", "P3", "Tr"))
        )
        rows = "".join(
            f"  <label>\n    <id>{number}</id>\n    <name>{escape(name)}</name>\n"
            f"    <description>{escape(prompt)}</description>\n"
            f"    <color>{red} {green} {blue}</color>\n    <root>all</root>\n  </label>\n"
            for number, name, prompt, (red, green, blue) in zip(
                [0, *ids.tolist()],
                ("unlabelled", *self._vocabulary.names),
                ("no label", *self._vocabulary.prompts),
                [[0, 0, 0], *self._vocabulary.colors.tolist()],
                strict=True,
            )
        )
        (self.root / "labels.xml").write_text(f"<config>\n{rows}</config>\n", encoding="utf-8")


def _ids_for_semantic_kitti(vocabulary: Vocabulary) -> NDArray[np.uint32]:
    """(C + 1,) uint32 by `LabelledScan.ids`: raw labels where all classes are SemanticKITTI's."""
    names = {one.name for one in SEMANTIC_KITTI_CLASSES}
    ids = np.arange(len(vocabulary) + 1, dtype="<u4")
    if names.issuperset(vocabulary.names):
        ids[1:] = [SEMANTIC_KITTI_RAW_LABELS[name][0] for name in vocabulary.names]
    return ids


def _write_rows(path: Path, rows: list[NDArray[np.float64]]) -> None:
    text = "".join(" ".join(f"{value:.9g}" for value in row) + "\n" for row in rows)
    path.write_text(text)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
