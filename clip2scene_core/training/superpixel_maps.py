"""Superpixels of a data set's images, made once and kept."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.sample import Sample
from clip2scene_core.superpixels import find_superpixels

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
        unfinished = path.with_suffix(f".{os.getpid()}.unfinished")  # others may be at it, too
        with unfinished.open("wb") as file:
            np.savez_compressed(file, *maps)
        unfinished.replace(path)
