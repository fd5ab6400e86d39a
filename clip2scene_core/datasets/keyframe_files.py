"""What a keyframe is made of: its files, and what places their content. Digests of both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import DatasetError


@dataclass(frozen=True)
class KeyframeFiles:
    """The files of a keyframe, none of them opened, with poses, calibration and stamps.

    Attributes:
        points: LiDAR files: that of the keyframe, then those of the previous sweeps; for a cloud of
            depth images these.
        images: Images in the order of `Sample.cameras`.
        placement: What places points and pixels: (4, 4) poses, (3, 3) intrinsics and stamps, float
            or int arrays in a fixed order.
        labels: File of the labels; None if they are not read.
    """

    points: tuple[Path, ...]
    images: tuple[Path, ...]
    placement: tuple[NDArray[np.float64] | NDArray[np.int64], ...]
    labels: Path | None = None

    @property
    def all(self) -> tuple[Path, ...]:
        """Every file."""
        return (*self.points, *self.images, *([] if self.labels is None else [self.labels]))

    def digest_images(self) -> tuple[str, ...]:
        """Digest of the bytes of each image; the images are read, not decoded.

        Raises:
            DatasetError: If a file is missing.
        """
        return tuple(digest_file(path) for path in self.images)

    def digest(self, images: Sequence[str], digest_file: Callable[[Path], str]) -> str:
        """Digest of all files and of their placement. Where the files lie does not count.

        Args:
            images: From `digest_images`.
            digest_file: `digest_file`, or one that remembers the files that keyframes share.

        Raises:
            DatasetError: If a file is missing.
        """
        digest = hashlib.sha256()
        for numbers in self.placement:
            digest.update(f"{numbers.dtype.str}{numbers.shape}".encode())
            digest.update(np.ascontiguousarray(numbers).tobytes())
        read = [*self.points, *([] if self.labels is None else [self.labels])]
        digest.update("|".join([*images, *map(digest_file, read)]).encode())
        return digest.hexdigest()[:32]


def digest_file(path: Path) -> str:
    """32 hexadecimal digits of the SHA-256 of a file.

    Raises:
        DatasetError: If the file is missing.
    """
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except FileNotFoundError:
        raise DatasetError(f"{path} is missing; the data set is incomplete") from None
