"""The real frames of KITTI beside this repository, in SemanticKITTI's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from checkout import SHARED_DATA

KITTI_FRAMES = SHARED_DATA / "kitti_object" / "training"


def write_kitti_frames(root: Path) -> None:
    """Write three sequences of one scan and image, each with its own calibration; may skip."""
    if not KITTI_FRAMES.is_dir():
        pytest.skip("the real frames of KITTI are not beside this repository")
    for number in range(3):
        folder = root / f"sequences/{number:02d}"
        for kind, suffix in (("velodyne", "bin"), ("image_2", "png")):
            (folder / kind).mkdir(parents=True)
            source = KITTI_FRAMES / kind / f"{number:06d}.{suffix}"
            shutil.copy(source, folder / kind / f"000000.{suffix}")
        shutil.copy(KITTI_FRAMES / f"calib/{number:06d}.txt", folder / "calib.txt")
        (folder / "poses.txt").write_text("1 0 0 0 0 1 0 0 0 0 1 0\n")
