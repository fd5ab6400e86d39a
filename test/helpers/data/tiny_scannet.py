"""A data set in ScanNet's layout, written by hand: a board in front of a wall, and the floor."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

COLOR_SIZE, DEPTH_SIZE = (64, 48), (32, 24)
FOCAL = 40.0  # of pictures; depth images are half as large
CORNER = np.array([3.0, 4.0, 0.2])  # where the room is in the frame of the reconstruction
WALL_M, BOARD_M, HEIGHT_M = 3.0, 2.0, 1.0  # distances from the cameras, and their height
FRAMES = {0: 0.0, 10: None, 20: 0.4}  # number: position along x; None: tracking was lost
WALL, FLOOR, BOARD, NO_CLASS = 1, 2, 39, 40  # NYU's labels: wall, floor, other furniture, other
SCENES = ("scene0000_00", "scene0001_00")


def write_tiny_scannet(root: Path) -> Path:
    """Write both scenes, with frames in the folder of the scene, and lists of splits."""
    for number, name in enumerate(SCENES):
        folder = root / "scans" / name
        for kind in ("color", "depth", "pose", "intrinsic"):
            (folder / kind).mkdir(parents=True)
        positions, raw = room()
        write_ply(folder / f"{name}_vh_clean_2.ply", positions, colors(positions, number))
        write_ply(folder / f"{name}_vh_clean_2.labels.ply", positions, labels=raw)
        write_matrix(folder / "intrinsic/intrinsic_color.txt", intrinsics(*COLOR_SIZE, FOCAL))
        write_matrix(folder / "intrinsic/intrinsic_depth.txt", intrinsics(*DEPTH_SIZE, FOCAL / 2))
        for frame, x in FRAMES.items():
            write_matrix(folder / f"pose/{frame}.txt", pose(x))
            picture(number, frame).save(folder / f"color/{frame}.jpg")
            depth_picture(x or 0.0).save(folder / f"depth/{frame}.png")
    (root / "scannetv2_train.txt").write_text(f"{SCENES[0]}\n")
    (root / "scannetv2_val.txt").write_text(f"{SCENES[1]}\n")
    return root


def room() -> tuple[np.ndarray, np.ndarray]:
    """Positions (N, 3) in metres from the first camera's foot (y is ahead), and NYU's labels."""
    x, z = np.meshgrid(np.arange(-2, 2, 0.1), np.arange(0.05, 2, 0.1))
    wall = np.stack([x.ravel(), np.full(x.size, WALL_M), z.ravel()], axis=1)
    x, z = np.meshgrid(np.arange(-0.45, 0.5, 0.1), np.arange(0.55, 1.5, 0.1))
    board = np.stack([x.ravel(), np.full(x.size, BOARD_M), z.ravel()], axis=1)
    x, y = np.meshgrid(np.arange(-2, 2, 0.1), np.arange(0, 3, 0.1))
    floor = np.stack([x.ravel(), y.ravel(), np.zeros(x.size)], axis=1)
    raw = np.repeat([WALL, BOARD, FLOOR], [len(wall), len(board), len(floor)])
    raw[0], raw[1] = 0, NO_CLASS
    return np.concatenate([wall, board, floor]), raw.astype(np.uint16)


def is_visible(positions: np.ndarray, x: float) -> np.ndarray:
    """Which of these points the camera at x sees, if they are in its picture: (N,) bool.

    It measures the wall and the board, but not the floor, which its depth images do not show.
    """
    is_floor = positions[:, 2] == 0
    across = x + (positions[:, 0] - x) * BOARD_M / positions[:, 1].clip(1e-6)
    up = HEIGHT_M + (positions[:, 2] - HEIGHT_M) * BOARD_M / positions[:, 1].clip(1e-6)
    covered = (np.abs(across) < 0.5) & (np.abs(up - HEIGHT_M) < 0.5)
    return ~is_floor & ((positions[:, 1] < 2.5) | ~covered)


def colors(positions: np.ndarray, number: int) -> np.ndarray:
    rows = np.arange(len(positions))
    return np.stack([rows % 256, rows // 256, np.full(len(rows), 40 * number)], 1).astype(np.uint8)


def intrinsics(width: int, height: int, focal: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[0, 0] = matrix[1, 1] = focal
    matrix[:2, 2] = (width - 1) / 2, (height - 1) / 2
    return matrix


def pose(x: float | None) -> np.ndarray:
    """T_global_camera of a camera that looks along y; what ScanNet writes for a lost one."""
    if x is None:
        return np.full((4, 4), -np.inf)
    transform = np.eye(4)
    transform[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]
    transform[:3, 3] = CORNER + np.array([x, 0, HEIGHT_M])
    return transform


def depth_picture(x: float) -> Image.Image:
    columns, rows = np.meshgrid(np.arange(DEPTH_SIZE[0]), np.arange(DEPTH_SIZE[1]))
    matrix = intrinsics(*DEPTH_SIZE, FOCAL / 2)
    across = x + (columns - matrix[0, 2]) / matrix[0, 0] * BOARD_M
    up = -(rows - matrix[1, 2]) / matrix[1, 1] * BOARD_M
    on_board = (np.abs(across) < 0.5) & (np.abs(up) < 0.5)
    depth = np.where(on_board, BOARD_M, WALL_M) * 1000
    depth[0] = 0  # nothing measured
    return Image.fromarray(depth.astype(np.uint16))


def picture(number: int, frame: int) -> Image.Image:
    columns, rows = np.meshgrid(np.arange(COLOR_SIZE[0]), np.arange(COLOR_SIZE[1]))
    channels = [columns * 4, rows * 5, np.full(rows.shape, 60 * number + frame)]
    return Image.fromarray(np.stack(channels, axis=-1).astype(np.uint8))


def write_matrix(path: Path, matrix: np.ndarray) -> None:
    path.write_text("".join(" ".join(map(str, row)) + "\n" for row in matrix.tolist()))


def write_ply(
    path: Path,
    positions: np.ndarray,
    colors: np.ndarray | None = None,
    labels: np.ndarray | None = None,
    form: str = "binary_little_endian",
) -> None:
    """Write vertices with colors and alpha, or with labels, and one face."""
    order = ">" if form == "binary_big_endian" else "<"
    columns = [(name, order + "f4") for name in "xyz"]
    columns += [(name, "u1") for name in ("red", "green", "blue", "alpha")]
    columns += [("label", order + "u2")] if labels is not None else []
    table = np.zeros(len(positions), dtype=columns)
    for axis, name in enumerate("xyz"):
        table[name] = positions[:, axis] + CORNER[axis]
    if colors is not None:
        for channel, name in enumerate(("red", "green", "blue")):
            table[name] = colors[:, channel]
    if labels is not None:
        table["label"] = labels
    names = {"f4": "float", "u1": "uchar", "u2": "ushort"}
    lines = ["ply", f"format {form} 1.0", "comment by hand", f"element vertex {len(table)}"]
    lines += [f"property {names[kind[-2:]]} {name}" for name, kind in columns]
    lines += ["element face 1", "property list uchar int vertex_indices", "end_header"]
    face = np.array([3], "u1").tobytes() + np.array([0, 1, 2], order + "i4").tobytes()
    body = table.tobytes() + face
    if form == "ascii":
        body = "".join(" ".join(map(str, row)) + "\n" for row in table.tolist()).encode()
    path.write_bytes("\n".join([*lines, ""]).encode() + body)
