"""The RGB-D frames of one ScanNet scene, as camera views with depth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.sample import CameraView, DatasetError, DepthImage

COLOR_SIZE: Final = (1296, 968)
"""Width and height of the pictures that ScanNet's color intrinsics are about, pixels."""

_PICTURES: Final = (".jpg", ".png")
_MM_PER_M: Final = 1000
_CENTER_SHARES: Final = (0.35, 0.65)
# The exporter of ScanNet writes into intrinsic/; scannet_frames_25k has the files beside color/.
_INTRINSIC_FILES: Final = ("intrinsic/intrinsic_{}.txt", "intrinsics_{}.txt")


@dataclass(frozen=True)
class ScanNetFrames:
    """The frames of a scene, found but not opened.

    Attributes:
        folder: Folder with color/, depth/, pose/ and the intrinsics.
        stems: Names of the frames without ending, in the order of their numbers.
        suffix: Ending of the pictures.
        color_intrinsics: (3, 3) float64, of pictures of COLOR_SIZE or of those that are there.
        depth_intrinsics: (3, 3) float64, of the depth images.
    """

    folder: Path
    stems: tuple[str, ...]
    suffix: str
    color_intrinsics: NDArray[np.float64]
    depth_intrinsics: NDArray[np.float64]

    def read(self, limit: int, with_pixels: bool = True) -> tuple[CameraView, ...]:
        """Read frames that are spread over the scene.

        The frames are cut into `limit` runs of equal length; of each the first one whose pose is
        known is read. ScanNet writes -inf for the poses of frames whose tracking was lost.

        Args:
            limit: Most frames.
            with_pixels: Whether pictures are decoded, see `KeyframeDataset.load`.

        Raises:
            DatasetError: If a file is missing or damaged, or no frame has a pose.
        """
        return tuple(self._read_view(stem, pose, with_pixels) for stem, pose in self._choose(limit))

    def files(self, limit: int) -> tuple[tuple[Path, ...], tuple[Path, ...], NDArray[np.float64]]:
        """The pictures and depth images that `read` reads, and the poses, (F, 4, 4) float64."""
        chosen = self._choose(limit)
        return (
            tuple(self.folder / "color" / f"{stem}{self.suffix}" for stem, _ in chosen),
            tuple(self.folder / "depth" / f"{stem}.png" for stem, _ in chosen),
            np.array([pose for _, pose in chosen]),
        )

    def _choose(self, limit: int) -> list[tuple[str, NDArray[np.float64]]]:
        """Names and poses of the frames that are read."""
        runs = np.array_split(np.arange(len(self.stems)), min(limit, len(self.stems)))
        chosen = []
        for run in runs:
            for stem in (self.stems[number] for number in run):
                pose = self._read_pose(stem)
                if pose is not None:
                    chosen.append((stem, pose))
                    break
        if not chosen:
            raise DatasetError(
                f"{self.folder / 'pose'}: no frame has a pose, all are infinite; leave the scene "
                f"out"
            )
        return chosen

    def _read_pose(self, stem: str) -> NDArray[np.float64] | None:
        """T_global_camera (4, 4) of a frame, None if its tracking was lost."""
        path = self.folder / "pose" / f"{stem}.txt"
        pose = read_matrix(path)
        if pose.shape != (4, 4):
            raise DatasetError(f"{path} must hold 4 rows of 4 numbers, got {pose.shape}")
        if not np.isfinite(pose).all():
            return None
        rotation = pose[:3, :3]
        if not np.allclose(rotation @ rotation.T, np.eye(3), atol=1e-2):
            raise DatasetError(
                f"{path} is no rotation with a translation in metres, got {pose.tolist()}"
            )
        return pose

    def _read_view(self, stem: str, pose: NDArray[np.float64], with_pixels: bool) -> CameraView:
        path = self.folder / "color" / f"{stem}{self.suffix}"
        image = _read_picture(path, with_pixels)
        return CameraView(
            name=f"frame_{stem}",
            image=image,
            intrinsics=_fit(self.color_intrinsics, image.shape[:2], path),
            T_global_camera=pose,
            stamp_ns=0,
            depth=DepthImage(
                _read_depth(self.folder / "depth" / f"{stem}.png", self.depth_intrinsics),
                self.depth_intrinsics,
            ),
        )


def find_frames(folder: Path) -> ScanNetFrames:
    """Find the frames of a scene.

    Args:
        folder: Folder with color/NAME.jpg, depth/NAME.png and pose/NAME.txt, NAME a number, and
            intrinsic/intrinsic_color.txt and intrinsic_depth.txt, or intrinsics_color.txt and
            intrinsics_depth.txt.

    Raises:
        DatasetError: If there are no frames, or a picture has no depth image or pose.
    """
    pictures = [path for path in (folder / "color").glob("*") if path.suffix in _PICTURES]
    named = sorted((int(path.stem), path) for path in pictures if path.stem.isdigit())
    if not named:
        raise DatasetError(
            f"{folder} has no color/ with numbered pictures; export the frames of the scene or "
            f"unpack scannet_frames_25k, or open the data set without images"
        )
    stems = tuple(path.stem for _, path in named)
    for kind, suffix in (("depth", ".png"), ("pose", ".txt")):
        there = {path.stem for path in (folder / kind).glob(f"*{suffix}")}
        missing = [stem for stem in stems if stem not in there]
        if missing:
            raise DatasetError(
                f"{folder / kind} lacks {len(missing)} of {len(stems)} frames of color/, the first "
                f"is {missing[0]}{suffix}; export depth and poses too"
            )
    return ScanNetFrames(
        folder,
        stems,
        named[0][1].suffix,
        *(_read_intrinsics(folder, k) for k in ("color", "depth")),
    )


def read_matrix(path: Path) -> NDArray[np.float64]:
    """Read a text file with a matrix.

    Raises:
        DatasetError: If the file is missing or holds no matrix.
    """
    try:
        rows = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        return np.array([row for row in rows if row], dtype=np.float64)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except ValueError:
        raise DatasetError(f"{path} holds no matrix; it is damaged or truncated") from None


def _read_intrinsics(folder: Path, kind: str) -> NDArray[np.float64]:
    paths = [folder / name.format(kind) for name in _INTRINSIC_FILES]
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        raise DatasetError(f"{folder} has neither {' nor '.join(p.name for p in paths)}")
    matrix = read_matrix(path)
    if matrix.shape not in ((4, 4), (3, 3)) or not matrix[0, 0] > 0 or not matrix[1, 1] > 0:
        raise DatasetError(f"{path} is no pinhole matrix, got {matrix.tolist()}")
    return matrix[:3, :3]


def _fit(intrinsics: NDArray[np.float64], size: tuple[int, ...], path: Path) -> NDArray[np.float64]:
    """Fit the color intrinsics to a picture of (height, width), which may have been resized."""
    height, width = size
    if _is_centered(intrinsics, width, height):
        return intrinsics
    scale = np.array([width / COLOR_SIZE[0], height / COLOR_SIZE[1]])
    fitted = intrinsics.copy()
    fitted[:2] *= scale[:, None]
    fitted[:2, 2] += (scale - 1) / 2  # whole numbers are the centers of pixels
    if not _is_centered(fitted, width, height):
        raise DatasetError(
            f"{path} is {width} x {height}, but the intrinsics have their center at "
            f"{intrinsics[0, 2]:.0f}, {intrinsics[1, 2]:.0f}: they are of pictures of another "
            f"size; scale them as the pictures"
        )
    return fitted


def _is_centered(intrinsics: NDArray[np.float64], width: int, height: int) -> bool:
    shares = intrinsics[:2, 2] / np.array([width, height])
    return bool(((shares > _CENTER_SHARES[0]) & (shares < _CENTER_SHARES[1])).all())


def _read_picture(path: Path, with_pixels: bool) -> NDArray[np.uint8]:
    try:
        with Image.open(path) as picture:
            if not with_pixels:
                return np.empty((picture.height, picture.width, 0), np.uint8)
            return np.array(picture.convert("RGB"))
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except OSError as error:
        raise DatasetError(f"{path} is no readable picture: {error}") from None


def _read_depth(path: Path, intrinsics: NDArray[np.float64]) -> NDArray[np.float32]:
    """Read a depth image of 16 bit in millimetres: (H, W) float32 metres, 0 for not measured."""
    try:
        with Image.open(path) as picture:
            mode, millimetres = picture.mode, np.array(picture)
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
    except OSError as error:
        raise DatasetError(f"{path} is no readable picture: {error}") from None
    if not mode.startswith("I"):
        raise DatasetError(
            f"{path} is a picture of mode {mode}, but depth is one channel of 16 bit in "
            f"millimetres; export it again"
        )
    height, width = millimetres.shape
    if not _is_centered(intrinsics, width, height):
        raise DatasetError(
            f"{path} is {width} x {height}, but the intrinsics of depth have their center at "
            f"{intrinsics[0, 2]:.0f}, {intrinsics[1, 2]:.0f}; they are of another size"
        )
    return (millimetres / np.float32(_MM_PER_M)).astype(np.float32)
