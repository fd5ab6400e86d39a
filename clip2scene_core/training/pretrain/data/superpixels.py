"""Superpixels: an image cut into patches of one colour, for SLidR."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.sample import Sample


def find_superpixels(
    image: NDArray[np.uint8],
    num_segments: int = 150,
    compactness: float = 6.0,
    sigma_px: float = 3.0,
) -> NDArray[np.int64]:
    """Cut an image into superpixels by SLIC.

    The defaults are those of SLidR on images of 1600 × 900 pixels, where it takes about a second:
    callers keep what they will ask for again.

    Args:
        image: (H, W, 3) uint8 RGB.
        num_segments: About how many superpixels to make.
        compactness: How much nearness counts against likeness of colour; more gives squarer ones.
        sigma_px: Standard deviation of the Gaussian that smooths the image first.

    Returns:
        The superpixel of each pixel, (H, W) int64, from 0 without gaps.

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
        # Only SLidR needs it, so what else trains goes without.
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


# SLidR smooths by 3 pixels where images have 900 rows; smaller images show the same, smaller.
_SIGMA_PER_ROW: Final = 3 / 900


class SuperpixelMaps:
    """One compressed file for each keyframe, made when it is first asked for.

    The folder's name says how images are cut, so other superpixels never find these files. Files
    appear only when they are complete; any number of processes can share the work.

    Args:
        root: Folder of caches.
        num_segments: About how many superpixels an image has.
        compactness: See `find_superpixels`.
    """

    def __init__(self, root: Path, num_segments: int, compactness: float) -> None:
        self._num_segments, self._compactness = num_segments, compactness
        self.folder = root / f"superpixels-{num_segments}-{compactness:g}"

    def of(self, sample: Sample) -> list[NDArray[np.uint16]]:
        """Cut the images of a keyframe: V maps (H, W) uint16, each numbered from 0.

        Raises:
            ValueError: If its file is damaged.
        """
        path = self.folder / sample.token[:2] / f"{sample.token}.npz"
        if not path.is_file():
            self._make(sample, path)
        try:
            with np.load(path) as file:
                return [file[f"arr_{number}"] for number in range(len(sample.cameras))]
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise ValueError(f"{path}: damaged superpixels ({error}); delete the file") from error

    def _make(self, sample: Sample, path: Path) -> None:
        maps = [
            find_superpixels(
                camera.image,
                self._num_segments,
                self._compactness,
                _SIGMA_PER_ROW * camera.image.shape[0],
            ).astype(np.uint16)
            for camera in sample.cameras
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.savez_compressed(file, *maps)
