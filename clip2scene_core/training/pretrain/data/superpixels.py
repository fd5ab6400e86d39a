"""Superpixels for SLidR: cuts images into patches of one color, and keeps the patches on disk."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.sample import Sample
from clip2scene_core.training.keyframe_digests import KeyframeDigests

_SIGMA_PX_PER_ROW: Final = 3 / 900
"""SLidR smooths images of 900 rows by 3 pixels. Objects in smaller images are smaller."""


def find_superpixels(
    image: NDArray[np.uint8],
    num_segments: int = 150,
    compactness: float = 6.0,
    sigma_px: float = 3.0,
) -> NDArray[np.int64]:
    """Cut an image into superpixels by SLIC.

    The defaults are those of SLidR for images of 1600 × 900 pixels. SLIC takes about a second
    there, so superpixels are worth keeping.

    Args:
        image: (H, W, 3) uint8 RGB.
        num_segments: Approximate number of superpixels.
        compactness: Weight of the distance in the image against the difference in color. Larger
            values give squarer superpixels.
        sigma_px: Standard deviation of the Gaussian that smooths the image first, in pixels.

    Returns:
        Superpixel of each pixel, (H, W) int64, from 0 without gaps.

    Raises:
        ValueError: If the image is not (H, W, 3) uint8 or num_segments is less than 1.
        ModuleNotFoundError: If scikit-image is not installed.

    Source: SLidR (CVPR 2022); Achanta et al., SLIC superpixels (TPAMI 2012).
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or image.size == 0:
        raise ValueError(f"image must be (H, W, 3) uint8 RGB, got {image.shape} {image.dtype}")
    if num_segments < 1:
        raise ValueError(f"num_segments must be at least 1, got {num_segments}")
    try:
        # Imported here because only SLidR needs scikit-image.
        from skimage.segmentation import slic
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            'superpixels are made by scikit-image: pip install -c constraints.txt ".[train]"',
            name="skimage",
        ) from error
    superpixels = slic(
        image, n_segments=num_segments, compactness=compactness, sigma=sigma_px, start_label=0
    )
    return np.asarray(superpixels, dtype=np.int64)


class SuperpixelMaps:
    """Superpixels on disk: one compressed file for each keyframe, made when first asked for.

    The name of the folder holds the parameters of SLIC, and the name of a file is a digest of the
    images, so other superpixels never find these files. A file appears only when it is complete.
    Any number of processes can share the work.

    Args:
        root: Folder of all caches.
        num_segments: Approximate number of superpixels of an image.
        compactness: See `find_superpixels`.
        digests: Of the data set that the samples are of.
    """

    def __init__(
        self, root: Path, num_segments: int, compactness: float, digests: KeyframeDigests
    ) -> None:
        self._num_segments, self._compactness = num_segments, compactness
        self._digests = digests
        self.folder = root / f"superpixels-{num_segments}-{compactness:g}"

    def holds(self, token: str) -> bool:
        """Whether the superpixels of a keyframe are on disk."""
        return self._path(token).is_file()

    def of(self, sample: Sample) -> list[NDArray[np.uint16]]:
        """Read the superpixels of a keyframe, or make them, for which its pixels must be there.

        Returns:
            For each of V images the superpixel of each pixel, (H, W) uint16, from 0 in every image.

        Raises:
            ValueError: If the file is damaged.
        """
        path = self._path(sample.token)
        if not path.is_file():
            self._make(sample, path)
        try:
            with np.load(path) as file:
                return [file[f"arr_{number}"] for number in range(len(sample.cameras))]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: damaged superpixels ({error}); delete the file") from error

    def _path(self, token: str) -> Path:
        name = hashlib.sha256("|".join(self._digests.images(token)).encode()).hexdigest()[:32]
        return self.folder / name[:2] / f"{name}.npz"

    def _make(self, sample: Sample, path: Path) -> None:
        """Cut the images of a keyframe, and write the file."""
        maps = [
            find_superpixels(
                camera.image,
                self._num_segments,
                self._compactness,
                _SIGMA_PX_PER_ROW * camera.image.shape[0],
            ).astype(np.uint16)
            for camera in sample.cameras
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, *maps)
