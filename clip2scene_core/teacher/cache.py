"""Dense embeddings of the frozen teacher on disk: computed once, read in every epoch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.teacher.tiles import WHOLE, Tile, TilePyramid

_DECODING: Final = 1
"""Counts the ways in which files became pixels and pixels embeddings: caches of another are not
found. Raise it when a change to readers or teacher gives the same file other embeddings."""


class TeacherCache:
    """A folder for each teacher, with a file of float16 embeddings for each picture and its tiles.

    The name of the folder is a digest of the CLIP's weights and settings, so another teacher has
    another folder. The name of a file is a digest of the picture that was embedded, so a picture
    that changed is embedded anew, wherever it lies and whatever its keyframe is called. Embeddings
    do not depend on prompts. Files appear only when they are complete: an interrupted pass can
    continue, and several processes can share the work.

    Args:
        root: Folder of all caches.
        dense_clip: The teacher.
        pyramid: Tiles that it looks at beside whole pictures; none by default.

    Attributes:
        folder: Folder of this teacher.
        pyramid: Tiles of its pictures.
    """

    def __init__(
        self, root: Path, dense_clip: DenseClip, pyramid: TilePyramid | None = None
    ) -> None:
        self._dense_clip = dense_clip
        self.pyramid = pyramid or TilePyramid(image_height=dense_clip.image_height)
        self.folder = root / fingerprint(dense_clip, self.pyramid)

    def holds(self, picture: str, tile: Tile = WHOLE) -> bool:
        """Whether the embeddings of a picture, named by its digest, are in the cache."""
        return self._path(picture, tile).is_file()

    def add(self, picture: str, image: NDArray[np.uint8], tile: Tile = WHOLE) -> int:
        """Embed a picture, or a tile of it, and write the embeddings.

        Args:
            picture: Digest of the picture's file, hexadecimal digits.
            image: (H, W, 3) uint8 RGB, the whole picture.
            tile: Part to embed.

        Returns:
            Number of bytes that were written.

        Raises:
            ValueError: If the teacher's embeddings are not finite.
        """
        embeddings = embed_image(self._dense_clip, self.pyramid.cut(image, tile)).numpy()[None]
        path = self._path(picture, tile)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.save(file, embeddings)
        return embeddings.nbytes

    def read(self, picture: str, tile: Tile = WHOLE) -> Tensor:
        """Map the embeddings of a picture or tile into memory: (1, D, h, w) float16.

        Raises:
            FileNotFoundError: If they are not in the cache.
            ValueError: If the file is damaged.
        """
        path = self._path(picture, tile)
        try:
            # A copy-on-write map: torch needs a writable array, and the file must not change.
            return torch.from_numpy(np.load(path, mmap_mode="c"))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path}: damaged cache ({error}); delete the file") from error

    def _path(self, picture: str, tile: Tile) -> Path:
        part = "" if tile == WHOLE else f"-{tile.level}-{tile.row}-{tile.column}"
        return self.folder / picture[:2] / f"{picture}{part}.npy"


def embed_image(dense_clip: DenseClip, image: NDArray[np.uint8]) -> Tensor:
    """Embed one image for training, with or without a cache.

    Args:
        dense_clip: The teacher.
        image: (H, W, 3) uint8 RGB.

    Returns:
        (D, h, w) float16, on the CPU.

    Raises:
        ValueError: If the embeddings are not finite.
    """
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    embeddings = dense_clip.embed_pixels(pixels)[0].half().cpu()
    if not bool(torch.isfinite(embeddings).all()):
        raise ValueError(
            f"CLIP {dense_clip.clip.name!r} embeds a picture with numbers that are not finite; its "
            f"weights are damaged"
        )
    return embeddings


def fingerprint(dense_clip: DenseClip, pyramid: TilePyramid | None = None) -> str:
    """Compute a digest of what decides a teacher's embeddings: weights, network and settings."""
    clip = dense_clip.clip
    # The modules tell networks apart that have the same weights, such as two activations.
    digest = hashlib.sha256(f"{_DECODING} {clip.model.visual!r}".encode())
    for name, tensor in clip.model.visual.state_dict().items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    settings = [
        dense_clip.image_height, dense_clip.scales, dense_clip.key_smoothing, clip.mean, clip.std,
        dense_clip.readout, dense_clip.window, dense_clip.window and dense_clip.window_step,
        dense_clip.refinement,
    ]  # fmt: skip
    if dense_clip.precision != "fp32":
        settings.append(dense_clip.precision)
    if pyramid is not None and pyramid.num_levels > 1:
        settings += [pyramid.num_levels, pyramid.metre_px]
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()[:16]
