"""How well edges of depth meet edges of the picture: a number for a calibration, and for a time.

A point before a far background is where a thing ends, and there pictures mostly change. So a right
projection puts such points on edges of the picture more often than one that is turned or late.

Source of the edges and of the comparison: Levinson and Thrun, Automatic Online Calibration of
Cameras and Lasers (RSS 2013), Sec. III: X = sqrt(jump of depth); the picture's edges, spread by
D = a E + (1 - a) max E g^distance; the share of turned projections that fit worse.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.geometry.projection import project_points
from clip2scene_core.geometry.se3 import invert
from clip2scene_core.sample import PINHOLE, CameraView, Lens, Sweep

WIDTH_PX: Final = 480
"""Pictures are made this wide: edges of depth are no finer."""
STEP_S: Final = 0.1
"""Over which time `EdgeView.T_now_later` moves the camera."""

_CELL_RAD: Final = 0.004
_BESIDE: Final = 4
_MIN_JUMP_M: Final = 0.5
_MIN_JUMP: Final = 0.1
_MAX_JUMP_M: Final = 10.0
_MAX_DEPTH_M: Final = 40.0
_OWN_SHARE: Final = 1 / 3
_DECAY: Final = 0.85
_REACH_PX: Final = 10
_TURNS_DEG: Final = np.arange(-3.0, 3.01, 0.5)
_NEAR_DEG: Final = 0.75


@dataclass(frozen=True)
class EdgeView:
    """The edges of one view and of its cloud.

    Attributes:
        points: (K, 3) float32 points before a far background, metres in the LiDAR frame.
        weights: (K,) float32, root of the jump of depth there.
        nearness: (h, w) float32, how near an edge of the picture is, mean 0 and deviation 1.
        intrinsics: (3, 3) float64, pixels of `nearness`.
        T_camera_lidar: (4, 4) float64.
        lens: How the lens distorts.
        T_now_later: (4, 4) float64, how the camera moves in STEP_S; None if that is not known.
    """

    points: NDArray[np.float32]
    weights: NDArray[np.float32]
    nearness: NDArray[np.float32]
    intrinsics: NDArray[np.float64]
    T_camera_lidar: NDArray[np.float64]
    lens: Lens = PINHOLE
    T_now_later: NDArray[np.float64] | None = None

    def fit(self, T_turned_camera: NDArray[np.float64]) -> tuple[float, float]:
        """Sum of weight x nearness of the points in the turned or moved view, and of weights."""
        pixels, depth = project_points(
            self.points, T_turned_camera @ self.T_camera_lidar, self.intrinsics, self.lens
        )
        height, width = self.nearness.shape
        places = np.rint(np.nan_to_num(pixels, nan=-1.0).clip(-1, 1e6)).astype(np.int64)
        inside = (depth > 1) & (places >= 0).all(axis=1)
        inside &= (places[:, 0] < width) & (places[:, 1] < height)
        weights = self.weights[inside]
        nearness = self.nearness[places[inside, 1], places[inside, 0]]
        return float(weights @ nearness), float(weights.sum())

    def shift_px(self) -> float:
        """By how many pixels of `nearness` the points move in STEP_S, in the median."""
        if self.T_now_later is None or not len(self.points):
            return 0.0
        places = [
            project_points(self.points, T @ self.T_camera_lidar, self.intrinsics, self.lens)[0]
            for T in (np.eye(4), invert(self.T_now_later))
        ]
        height, width = self.nearness.shape
        is_inside = (places[0] >= 0).all(axis=1) & (places[0] < (width, height)).all(axis=1)
        moved = np.linalg.norm(places[1] - places[0], axis=1)[is_inside]
        moved = moved[np.isfinite(moved)]
        return float(np.median(moved)) if len(moved) else 0.0


@dataclass(frozen=True)
class EdgeFit:
    """How a calibration compares with turned ones.

    Attributes:
        share_below: Share of the projections turned by 0.75 to 3 degrees about the picture's axes
            that fit worse; about 1 for a right calibration, 0.5 for none.
        best_deg: (yaw, pitch) of the turn that fits best: the picture's content lies that much to
            the right of and below where the calibration says.
        surplus: By how many standard errors over the views that turn fits better; 0 for one view.
        num_points: Edge points in the pictures.
    """

    share_below: float
    best_deg: tuple[float, float]
    surplus: float
    num_points: int


def make_edge_view(
    sweep: Sweep, view: CameraView, T_now_later: NDArray[np.float64] | None = None
) -> EdgeView:
    """Find the edges of a sweep that a view contains, and those of its picture."""
    T_camera_lidar = invert(view.T_global_camera) @ sweep.T_global_lidar
    rows, weights = find_depth_edges(sweep.points, sweep.T_base_lidar)
    points = sweep.points[rows, :3]
    small, scale = _shrink(view.image)
    intrinsics = view.intrinsics.copy()
    intrinsics[:2] *= scale
    intrinsics[:2, 2] += (scale - 1) / 2  # whole numbers are the middles of pixels
    _, depth = project_points(points, T_camera_lidar, intrinsics, view.lens)
    is_ahead = depth > 1
    edges = find_picture_edges(small)
    nearness = _spread(edges)
    nearness = (nearness - nearness.mean()) / max(float(nearness.std()), 1e-6)
    return EdgeView(
        points[is_ahead], weights[is_ahead], nearness, intrinsics, T_camera_lidar, view.lens,
        T_now_later,
    )  # fmt: skip


def find_depth_edges(
    points: NDArray[np.float32], T_base_lidar: NDArray[np.float64] | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Find the points beside which, to the left or right, all is much farther.

    Args:
        points: (N, 3 or more) float32, metres in the LiDAR frame.
        T_base_lidar: (4, 4) float64, for its rotation; None: z of the LiDAR is up.

    Returns:
        Rows of the points, (K,) int64, and the root of the jump of depth in metres, (K,) float32.
    """
    rotation = np.eye(3) if T_base_lidar is None else T_base_lidar[:3, :3]
    xyz = points[:, :3].astype(np.float64) @ rotation.T
    depth = np.linalg.norm(xyz, axis=1)
    rows = np.flatnonzero(np.isfinite(depth) & (depth > 1))
    if not len(rows):
        return rows, np.empty(0, np.float32)
    x, y, z = xyz[rows].T
    depth = depth[rows]
    columns = np.floor((np.arctan2(y, x) + np.pi) / _CELL_RAD).astype(np.int64)
    lines = np.floor((np.arctan2(z, np.hypot(x, y)) + np.pi / 2) / _CELL_RAD).astype(np.int64)
    num_columns = int(2 * np.pi / _CELL_RAD) + 1
    nearest = np.full((int(np.pi / _CELL_RAD) + 3, num_columns + 2 * _BESIDE), np.inf)
    np.minimum.at(nearest, (lines + 1, columns + _BESIDE), depth)
    # The beam above or below may fall in the next line of cells.
    band = np.minimum.reduce([nearest[:-2], nearest[1:-1], nearest[2:]])
    jump = np.zeros(len(rows))
    for side in (-1, 1):
        beside = np.minimum.reduce(
            [band[lines, columns + _BESIDE + side * step] for step in range(1, _BESIDE + 1)]
        )
        jump = np.maximum(jump, np.where(np.isfinite(beside), beside - depth, 0))
    is_edge = (jump > np.maximum(_MIN_JUMP_M, _MIN_JUMP * depth)) & (depth < _MAX_DEPTH_M)
    weights = np.sqrt(jump[is_edge].clip(max=_MAX_JUMP_M)).astype(np.float32)
    return rows[is_edge], weights


def find_picture_edges(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """Largest difference of each pixel to its eight neighbors: (h, w) float32 of (h, w)."""
    padded = np.pad(gray, 1, mode="edge")
    height, width = gray.shape
    difference = np.zeros_like(gray)
    for down in range(3):
        for across in range(3):
            beside = padded[down : down + height, across : across + width]
            np.maximum(difference, np.abs(beside - gray), out=difference)
    return difference


def compare_turns(views: list[EdgeView]) -> EdgeFit:
    """Compare a camera's calibration with turned ones, over all of its views.

    Args:
        views: Of one camera, or of cameras that share an error.
    """
    turns = [(yaw, pitch) for yaw in _TURNS_DEG for pitch in _TURNS_DEG]
    fits = np.array([[view.fit(_turn(*turn)) for turn in turns] for view in views])  # (V, T, 2)
    of_views = fits[..., 0] / np.maximum(fits[..., 1], 1e-9)  # (V, T)
    total = fits[..., 0].sum(axis=0) / np.maximum(fits[..., 1].sum(axis=0), 1e-9)
    own = turns.index((0.0, 0.0))
    is_far = np.array([np.hypot(*turn) > _NEAR_DEG for turn in turns])
    best = int(total.argmax())
    better = of_views[:, best] - of_views[:, own]
    error = float(better.std(ddof=1)) / len(better) ** 0.5 if len(better) > 1 else np.inf
    return EdgeFit(
        share_below=float((total[is_far] < total[own]).mean()),
        best_deg=(float(turns[best][0]), float(turns[best][1])),
        surplus=float(better.mean()) / max(error, 1e-9),
        num_points=sum(_count_inside(view) for view in views),
    )


def _count_inside(view: EdgeView) -> int:
    pixels, _ = project_points(view.points, view.T_camera_lidar, view.intrinsics, view.lens)
    height, width = view.nearness.shape
    return int(((pixels >= 0) & (pixels < (width, height))).all(axis=1).sum())


def _turn(yaw_deg: float, pitch_deg: float) -> NDArray[np.float64]:
    """T_turned_camera, whose points lie yaw_deg to the right and pitch_deg below."""
    yaw, pitch = np.radians([yaw_deg, -pitch_deg])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), -np.sin(pitch)], [0, np.sin(pitch), np.cos(pitch)]]
    )
    turned = np.eye(4)
    turned[:3, :3] = about_x @ about_y
    return turned


def _shrink(image: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
    """Gray picture (h, w) float32 at most WIDTH_PX wide, and its scale."""
    scale = min(1.0, WIDTH_PX / image.shape[1])
    size = (round(image.shape[1] * scale), max(1, round(image.shape[0] * scale)))
    gray = Image.fromarray(image).convert("L").resize(size, Image.Resampling.BOX)
    return np.asarray(gray, dtype=np.float32), scale


def _spread(edges: NDArray[np.float32]) -> NDArray[np.float32]:
    """Let edges reach `_REACH_PX` pixels, weaker with the distance: (h, w) float32."""
    spread = edges
    for _ in range(_REACH_PX):
        padded = np.pad(spread, 1)
        rows = np.maximum.reduce([padded[:-2], padded[1:-1], padded[2:]])
        around = np.maximum.reduce([rows[:, :-2], rows[:, 1:-1], rows[:, 2:]])
        spread = np.maximum(spread, np.float32(_DECAY) * around)
    reached: NDArray[np.float32] = _OWN_SHARE * edges + (1 - _OWN_SHARE) * spread
    return reached
