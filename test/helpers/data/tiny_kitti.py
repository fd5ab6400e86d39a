"""A data set in SemanticKITTI's layout, written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NUM_POINTS = 60
IMAGE_SIZE = (32, 56)
# The LiDAR looks along x with z up, the camera along z with y down, 0.27 m below and ahead.
TR = np.array([[0.0, -1, 0, 0.01], [0, 0, -1, -0.07], [1, 0, 0, -0.27]])
FOCAL, CENTER = 30.0, (28.0, 16.0)
BASELINES = {0: 0.0, 1: -0.54, 2: 0.06, 3: -0.48}  # metres that points shift along the camera's x
RAW = [0, 1, 10, 11, 13, 15, 16, 18, 20, 30, 31, 32, 40, 44, 48, 49, 50, 51, 52, 60, 70, 71, 72]
RAW += [80, 81, 99, 252, 253, 254, 255, 256, 257, 258, 259]


def write_tiny_kitti(root: Path) -> Path:
    """Write sequences 00 with 4 scans and 08 with 2, of NUM_POINTS points each.

    The vehicle drives 1 m along the camera's z from scan to scan and turns 0.1 rad to the right.
    Labels are RAW in turn; every third point also has an instance in the upper half.
    """
    for name, num_scans in (("00", 4), ("08", 2)):
        folder = root / "sequences" / name
        for kind in ("velodyne", "labels", "image_2", "image_3"):
            (folder / kind).mkdir(parents=True)
        (folder / "calib.txt").write_text(calibration_text())
        (folder / "poses.txt").write_text("".join(pose_text(k) for k in range(num_scans)))
        (folder / "times.txt").write_text("".join(f"{0.104 * k:.6e}\n" for k in range(num_scans)))
        for number in range(num_scans):
            stem = f"{number:06d}"
            points_of(int(name), number).tofile(folder / "velodyne" / f"{stem}.bin")
            raw_labels().tofile(folder / "labels" / f"{stem}.label")
            for side in (2, 3):
                picture(number, side).save(folder / f"image_{side}" / f"{stem}.png")
    return root


def calibration_text() -> str:
    lines = []
    for number, baseline in BASELINES.items():
        projection = [
            [FOCAL, 0, CENTER[0], FOCAL * baseline],
            [0, FOCAL, CENTER[1], 0],
            [0, 0, 1, 0],
        ]
        lines.append(f"P{number}: {_numbers(projection)}\n")
    return "".join([*lines, f"Tr: {_numbers(TR)}\n"])


def pose_text(number: int) -> str:
    """Pose of camera 0, as KITTI's poses.txt has it."""
    turn = 0.1 * number
    rows = [
        [np.cos(turn), 0, np.sin(turn), 0],
        [0, 1, 0, 0],
        [-np.sin(turn), 0, np.cos(turn), number],
    ]
    return _numbers(rows) + "\n"


def points_of(sequence: int, number: int) -> np.ndarray:
    """(NUM_POINTS, 4) float32 around the LiDAR, each scan different."""
    random = np.random.default_rng((sequence, number))
    angle = np.arange(NUM_POINTS) * (2 * np.pi / NUM_POINTS)
    distance = random.uniform(4, 30, NUM_POINTS)
    return np.column_stack(
        [
            distance * np.cos(angle),
            distance * np.sin(angle),
            random.uniform(-1.7, 1.0, NUM_POINTS),
            random.uniform(0, 1, NUM_POINTS),
        ]
    ).astype(np.float32)


def raw_labels() -> np.ndarray:
    raw = np.array(RAW, dtype=np.uint32)[np.arange(NUM_POINTS) % len(RAW)]
    raw[::3] |= 7 << 16
    return raw


def picture(number: int, side: int) -> Image.Image:
    rows, columns = np.mgrid[: IMAGE_SIZE[0], : IMAGE_SIZE[1]]
    channels = [rows * 7, columns * 4, np.full(IMAGE_SIZE, 40 * number + 20 * side)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def _numbers(values) -> str:
    return " ".join(f"{value:.12e}" for value in np.ravel(values))
