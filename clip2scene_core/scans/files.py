"""Label files one by one: a folder with a labelled file for each scan, called as the scan is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from clip2scene_core.scans.folders import SCANS
from clip2scene_core.scans.legend import LEGEND, Legend
from clip2scene_core.scans.read import SCAN_SUFFIXES
from clip2scene_core.scans.scan import LabelledScan, ScanError
from clip2scene_core.scans.write import las_intensity_factor, write_scan

_WRITTEN_AS: Final = {".npy": ".npz", ".bin": ".label"}
"""What has no room for labels gets a file of another kind."""


def find_scans(path: Path) -> tuple[Path, ...]:
    """Find scans: a file that `read_scan` reads, or those in a folder, by their names.

    Returns:
        The files; () if the path is something else.

    Raises:
        ScanError: If a folder has scans of several kinds, which would have one legend.
    """
    if path.is_file():
        return (path,) if path.suffix.lower() in SCAN_SUFFIXES else ()
    if not path.is_dir():
        return ()
    found = tuple(one for one in sorted(path.iterdir()) if one.suffix.lower() in SCAN_SUFFIXES)
    kinds = sorted({one.suffix.lower() for one in found})
    if len(kinds) > 1:
        raise ScanError(
            f"{path} has scans of several kinds, {', '.join(kinds)}; put each kind in a folder of "
            f"its own"
        )
    return found


class LabelledFiles:
    """A folder with a labelled file for each scan, called as the scan is; `close` ends it.

    Files are of the scan's kind, with label, color and confidence. Beside a .bin, which has no room
    for them, goes a .label as SemanticKITTI has it (uint32), and in place of a .npy a .npz. Labels
    are `LabelledScan.ids`; legend.json and scans.json are those of `LabelledFolder`.

    Args:
        root: Folder; it exists.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._legend: Legend | None = None
        self._scans: list[dict[str, str | int | float]] = []

    def __len__(self) -> int:
        return len(self._scans)

    def add(self, path: Path, scan: LabelledScan) -> None:
        """Write one scan, whose points came from a file.

        Raises:
            ScanError: If it cannot be written.
        """
        suffix = path.suffix.lower()
        out = self.root / f"{path.stem}{_WRITTEN_AS.get(suffix, suffix)}"
        if out.suffix == ".label":
            scan.ids.astype("<u4").tofile(out)
        else:
            write_scan(out, scan)
        scale = scan.intensity_scale
        if scale is not None and out.suffix in (".las", ".laz"):
            scale *= las_intensity_factor(scan)
        if self._legend is not None and scale is not None:
            scale = max(scale, self._legend.intensity_scale or scale)
        ids = tuple(range(1, len(scan.vocabulary) + 1))
        self._legend = Legend(scan.vocabulary, ids, scale, scan.T_base_lidar)
        self._scans.append(scan.listed_as(out.name))

    def close(self) -> None:
        """Write the legend and the order of doubt.

        Raises:
            ScanError: If there is no scan.
        """
        if self._legend is None:
            raise ScanError("there is no labelled scan to write")
        self._legend.write(self.root / LEGEND)
        doubtful = sorted(self._scans, key=lambda one: -float(one["doubt"]))
        (self.root / SCANS).write_text(json.dumps(doubtful, indent=1) + "\n", encoding="utf-8")
