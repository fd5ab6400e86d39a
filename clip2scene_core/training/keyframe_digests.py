"""Digests of keyframes, so that a cache or a stopped run never goes on with other data."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.datasets.keyframe_files import digest_file
from clip2scene_core.training.fabric import Fabric


class KeyframeDigests:
    """Digests of the keyframes of a data set: of images, points, poses, calibration and stamps.

    Every file is read once, about a second for a gigabyte beside the time of the disk. A data set
    that was copied elsewhere has the same digests.

    Args:
        dataset: Any number of keyframes.
        reach: Number of sweeps before each keyframe that count, too.
    """

    def __init__(self, dataset: KeyframeDataset, reach: int = 0) -> None:
        self._dataset, self._reach = dataset, reach
        # Where every scan is a keyframe, ten of them share each file, one soon after the other.
        self._digest_file = lru_cache(maxsize=256)(digest_file)
        tokens = [dataset.token(index) for index in range(len(dataset))]
        self._index_of = {token: index for index, token in enumerate(tokens)}
        self._images: dict[str, tuple[str, ...]] = {}
        self._keyframes: dict[str, str] = {}
        self._previous: dict[str, str] = {}
        self._keyframes_of: dict[str, list[str]] = {}
        for index, token in enumerate(tokens):
            self._keyframes_of.setdefault(dataset.scene_token(index), []).append(token)

    def images(self, token: str) -> tuple[str, ...]:
        """Digest of each image of a keyframe, in the order of `Sample.cameras`.

        Raises:
            DatasetError: If a file is missing.
        """
        if token not in self._images:
            files = self._dataset.files(self._index_of[token], ())
            self._images[token] = files.digest_images()
        return self._images[token]

    def keyframe(self, token: str) -> str:
        """Digest of a keyframe: its own sweep, images, poses, calibration and stamps.

        Raises:
            DatasetError: If a file is missing.
        """
        if token not in self._keyframes:
            files = self._dataset.files(self._index_of[token], ())
            self._keyframes[token] = files.digest(self.images(token), self._digest_file)
        return self._keyframes[token]

    def scene(self, scene_token: str) -> str:
        """Digest of the keyframes of a sequence, in their order.

        Raises:
            DatasetError: If a file is missing.
        """
        return _digest([self.keyframe(token) for token in self._keyframes_of[scene_token]])

    def whole(self, keyframes: Sequence[int] | None = None) -> str:
        """Digest of everything: tokens, keyframes and the sweeps before them, in their order.

        Args:
            keyframes: Indices of the keyframes that count; all by default.

        Raises:
            DatasetError: If a file is missing.
        """
        tokens = list(self._index_of)
        chosen = tokens if keyframes is None else [tokens[index] for index in keyframes]
        return _digest([f"{t} {self.keyframe(t)} {self._earlier(t)}" for t in chosen])

    def exchange(self, fabric: Fabric) -> None:
        """Read all keyframes, each process its share, and tell the other processes."""
        tokens = list(self._index_of)
        for token in tokens[fabric.global_rank :: fabric.world_size]:
            self.keyframe(token)
            self._earlier(token)
        if fabric.world_size == 1:
            return
        mine = (self._images, self._keyframes, self._previous)
        for rank in range(fabric.world_size):
            images, keyframes, previous = fabric.broadcast(mine, src=rank)
            self._images = {**self._images, **images}
            self._keyframes = {**self._keyframes, **keyframes}
            self._previous = {**self._previous, **previous}

    def _earlier(self, token: str) -> str:
        """Digest of the sweeps before a keyframe; "" if none count."""
        if self._reach and token not in self._previous:
            files = self._dataset.files(self._index_of[token], range(1, self._reach + 1))
            self._previous[token] = files.digest(self.images(token), self._digest_file)
        return self._previous.get(token, "")


def _digest(texts: Sequence[str]) -> str:
    return hashlib.sha256("\n".join(texts).encode()).hexdigest()[:32]
