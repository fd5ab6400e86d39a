"""Single scans in files: what annotators and other tools read and write.

Read `scan` (one labelled scan), `read` (points from a file), then `write` (labelled points to a
file), `legend` (which number is which class), `folders` (labelled scans as a data set of another
tool), `files` (labelled files called as their scans) and `lidarseg` (labels of a data set in
nuScenes' format); then back: `corrected` (labels that an annotator saved, with their scans) and
`corrected_dataset` (the same for fine-tuning).
"""

from clip2scene_core.scans.read import SCAN_SUFFIXES, read_scan
from clip2scene_core.scans.scan import LabelledScan, Scan, ScanError
from clip2scene_core.scans.write import SCAN_FORMATS, write_scan

__all__ = [
    "SCAN_FORMATS",
    "SCAN_SUFFIXES",
    "LabelledScan",
    "Scan",
    "ScanError",
    "read_scan",
    "write_scan",
]
