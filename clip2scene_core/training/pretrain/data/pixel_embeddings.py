"""CLIP embeddings of the pixels of pairs, computed live or read from a cache."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.teacher.cache import TeacherCache, embed_image
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.sampling import sample_at
from clip2scene_core.teacher.tiles import WHOLE, Tile, TilePyramid
from clip2scene_core.training.data_check import check_room
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample, metre_pixels


class PixelTeacher(Protocol):
    """Source of the embeddings of pixels."""

    @property
    def reads_pixels(self) -> bool:
        """Whether images must be decoded."""
        ...

    def embed_pairs(
        self, sample: PairedSample, is_asked: NDArray[np.bool_] | None = None
    ) -> Tensor:
        """Embed the pixels of the pairs.

        Args:
            sample: Keyframe with P pairs.
            is_asked: (P,) pairs to embed; None means all.

        Returns:
            (P, D) float32, unit length; zeros for a pair that was not asked for.
        """
        ...


class LiveTeacher:
    """Embeds the images of a keyframe each time, for images that are augmented.

    Args:
        dense_clip: The frozen CLIP.
        pyramid: Tiles that it looks at.
    """

    reads_pixels: Final = True

    def __init__(self, dense_clip: DenseClip, pyramid: TilePyramid) -> None:
        self._dense_clip, self._pyramid = dense_clip, pyramid

    @torch.no_grad()
    def embed_pairs(
        self, sample: PairedSample, is_asked: NDArray[np.bool_] | None = None
    ) -> Tensor:
        """Embed the pixels of the pairs, see `PixelTeacher`."""

        def embed(image: int, tile: Tile) -> Tensor:
            return embed_image(self._dense_clip, self._pyramid.cut(sample.images[image], tile))[
                None
            ]

        size = self._dense_clip.clip.embedding_size
        return _sample_pairs(embed, self._pyramid, sample, size, is_asked)


class CachedTeacher:
    """Reads the embeddings of a keyframe's images from a cache. The images must not be augmented.

    Args:
        cache: Cache with all keyframes.
        embedding_size: Size of an embedding, D.
        digests: Of the data set that the keyframes are of.
    """

    reads_pixels: Final = False

    def __init__(self, cache: TeacherCache, embedding_size: int, digests: KeyframeDigests) -> None:
        self._cache, self._digests = cache, digests
        self._embedding_size = embedding_size

    @torch.no_grad()
    def embed_pairs(
        self, sample: PairedSample, is_asked: NDArray[np.bool_] | None = None
    ) -> Tensor:
        """Read the embeddings of the pairs' pixels, see `PixelTeacher`.

        Raises:
            FileNotFoundError: If the cache lacks the keyframe.
        """
        pictures = self._digests.images(sample.token)

        def read(image: int, tile: Tile) -> Tensor:
            return self._cache.read(pictures[image], tile)

        return _sample_pairs(read, self._cache.pyramid, sample, self._embedding_size, is_asked)


def fill_cache(
    cache: TeacherCache,
    dataset: KeyframeDataset,
    share: Sequence[int],
    report: Callable[[int, int], None],
    digests: KeyframeDigests | None = None,
    reach: int = 0,
) -> None:
    """Embed the keyframes that a cache lacks.

    The first picture shows how much space the others will take.

    Args:
        cache: Cache of a teacher.
        dataset: Data set, opened with images.
        share: Indices of the keyframes of this process.
        report: Called after each keyframe with the number of keyframes done and in total.
        digests: Of the data set; made anew by default.
        reach: Number of sweeps before each keyframe whose points decide on tiles, too.

    Raises:
        OSError: If the disk has too little space left.
    """
    digests = digests or KeyframeDigests(dataset, reach)
    is_room_known = False
    for number, index in enumerate(share, start=1):
        tiles = _tiles_of(cache, dataset, index, digests, reach)
        if not all(cache.holds(picture, tile) for picture, of in tiles for tile in of):
            for (picture, of), camera in zip(tiles, dataset.load(index, ()).cameras, strict=True):
                missing = [tile for tile in of if not cache.holds(picture, tile)]
                sizes = [cache.add(picture, camera.image, tile) for tile in missing]
                if sizes and not is_room_known:
                    is_room_known = True
                    left = share[number - 1 :]
                    _check_room(cache, digests, [dataset.token(i) for i in left], sum(sizes))
        report(number, len(share))


def _tiles_of(
    cache: TeacherCache,
    dataset: KeyframeDataset,
    index: int,
    digests: KeyframeDigests,
    reach: int,
) -> list[tuple[str, list[Tile]]]:
    """Find the tiles of each image of a keyframe in which some point lies.

    They are kept beside the embeddings: every training asks whether the cache is full.

    Returns:
        The digest and the tiles of each image; the whole image is one of them.

    Raises:
        ValueError: If the file in which they are kept is damaged.
    """
    pictures = digests.images(dataset.token(index))
    if cache.pyramid.num_levels == 1:
        return [(picture, [WHOLE]) for picture in pictures]
    path = cache.folder / "tiles" / f"{digests.whole([index])}.json"
    if not path.is_file():
        sample = dataset.load(index, range(1, reach + 1), with_pixels=False)
        found = tiles_with_points(cache.pyramid, sample.sweeps, sample.cameras)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(found))
    try:
        kept = json.loads(path.read_text())
        return [
            (picture, [Tile(*tile) for tile in of])
            for picture, of in zip(pictures, kept, strict=True)
        ]
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: damaged list of tiles ({error}); delete the file") from error


def tiles_with_points(
    pyramid: TilePyramid, sweeps: Sequence[Sweep], cameras: Sequence[CameraView]
) -> list[list[Tile]]:
    """Find the tiles of each camera's image in which some point lies, and the whole image."""
    pairs = pair_pixels_with_points(sweeps, cameras)
    metre_px = metre_pixels(pairs, cameras)
    found = []
    for number, camera in enumerate(cameras):
        rows = pairs.camera_index == number
        size = (camera.image.shape[0], camera.image.shape[1])
        tiles = np.unique(pyramid.find(pairs.pixels[rows], metre_px[rows], size), axis=0)
        found.append(sorted({WHOLE, *(Tile(*tile) for tile in tiles.tolist())}))
    return found


def _check_room(
    cache: TeacherCache, digests: KeyframeDigests, tokens: Sequence[str], num_bytes: int
) -> None:
    """Refuse a disk that is too full for the embeddings of all keyframes that are left."""
    pictures = {picture for token in tokens for picture in digests.images(token)}
    missing = sum(not cache.holds(picture) for picture in pictures)
    check_room(cache.folder, missing * num_bytes, f"{missing} more pictures of the teacher")


def _sample_pairs(
    embed: Callable[[int, Tile], Tensor],
    pyramid: TilePyramid,
    sample: PairedSample,
    embedding_size: int,
    is_asked: NDArray[np.bool_] | None,
) -> Tensor:
    """Interpolate the maps (1, D, h, w) of images and tiles at the pixels of the pairs: (P, D)."""
    embeddings = torch.zeros(len(sample.pixels), embedding_size)
    for number, image in enumerate(sample.images):
        is_chosen = sample.image_index == number
        if is_asked is not None:
            is_chosen &= is_asked
        rows = np.flatnonzero(is_chosen)
        size = (image.shape[0], image.shape[1])
        tiles, of_row = np.unique(
            pyramid.find(sample.pixels[rows], sample.metre_px[rows], size),
            axis=0, return_inverse=True,
        )  # fmt: skip
        for tile_number, tile in enumerate(Tile(*one) for one in tiles.tolist()):
            inside = rows[of_row.reshape(-1) == tile_number]  # NumPy 2.0 gives it two axes
            top, left, *shape = pyramid.box(tile, size)
            embeddings[inside] = sample_at(
                embed(number, tile).float(),
                torch.zeros(len(inside), dtype=torch.int64),
                torch.from_numpy(sample.pixels[inside] - np.array([left, top], dtype=np.float32)),
                (shape[0], shape[1]),
            )
    return embeddings
