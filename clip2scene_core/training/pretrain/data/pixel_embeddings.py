"""CLIP embeddings of the pixels of pairs, computed live or read from a cache."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.teacher.cache import TeacherCache, embed_image
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.sampling import sample_at
from clip2scene_core.training.data_check import check_room
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample


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
    """

    reads_pixels: Final = True

    def __init__(self, dense_clip: DenseClip) -> None:
        self._dense_clip = dense_clip

    @torch.no_grad()
    def embed_pairs(
        self, sample: PairedSample, is_asked: NDArray[np.bool_] | None = None
    ) -> Tensor:
        """Embed the pixels of the pairs, see `PixelTeacher`."""
        maps = [embed_image(self._dense_clip, image)[None] for image in sample.images]
        return _sample_pairs(maps, sample, self._dense_clip.clip.embedding_size, is_asked)


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
        maps = [self._cache.read(picture) for picture in self._digests.images(sample.token)]
        return _sample_pairs(maps, sample, self._embedding_size, is_asked)


def fill_cache(
    cache: TeacherCache,
    dataset: KeyframeDataset,
    share: Sequence[int],
    report: Callable[[int, int], None],
    digests: KeyframeDigests | None = None,
) -> None:
    """Embed the keyframes that a cache lacks.

    The first picture shows how much space the others will take.

    Args:
        cache: Cache of a teacher.
        dataset: Data set, opened with images.
        share: Indices of the keyframes of this process.
        report: Called after each keyframe with the number of keyframes done and in total.
        digests: Of the data set; made anew by default.

    Raises:
        OSError: If the disk has too little space left.
    """
    digests = digests or KeyframeDigests(dataset)
    is_room_known = False
    for number, index in enumerate(share, start=1):
        pictures = digests.images(dataset.token(index))
        if not all(map(cache.holds, pictures)):
            for picture, camera in zip(pictures, dataset.load(index, ()).cameras, strict=True):
                if not cache.holds(picture):
                    size = cache.add(picture, camera.image)
                    if not is_room_known:
                        is_room_known = True
                        left = share[number - 1 :]
                        _check_room(cache, digests, [dataset.token(i) for i in left], size)
        report(number, len(share))


def _check_room(
    cache: TeacherCache, digests: KeyframeDigests, tokens: Sequence[str], num_bytes: int
) -> None:
    """Refuse a disk that is too full for the embeddings of all keyframes that are left."""
    pictures = {picture for token in tokens for picture in digests.images(token)}
    missing = sum(not cache.holds(picture) for picture in pictures)
    check_room(cache.folder, missing * num_bytes, f"{missing} more pictures of the teacher")


def _sample_pairs(
    maps: list[Tensor],
    sample: PairedSample,
    embedding_size: int,
    is_asked: NDArray[np.bool_] | None,
) -> Tensor:
    """Interpolate V maps (1, D, h, w) at the pixels of the pairs: (P, D) float32."""
    embeddings = torch.zeros(len(sample.pixels), embedding_size)
    for number, dense in enumerate(maps):
        is_chosen = sample.image_index == number
        if is_asked is not None:
            is_chosen &= is_asked
        rows = torch.from_numpy(is_chosen).nonzero()[:, 0]
        if len(rows):
            embeddings[rows] = sample_at(
                dense.float(),
                torch.zeros(len(rows), dtype=torch.int64),
                torch.from_numpy(sample.pixels)[rows],
                (sample.images[number].shape[0], sample.images[number].shape[1]),
            )
    return embeddings
