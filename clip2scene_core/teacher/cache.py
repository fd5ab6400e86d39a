"""The frozen teacher's dense embeddings on disk: computed once, read in every epoch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.teacher.maskclip import DenseClip


class TeacherCache:
    """One file of half-precision embeddings for each keyframe, under a folder for each teacher.

    The folder's name is a digest of the CLIP's weights and of how it reads images, so another
    teacher never finds these files. Embeddings know no prompts: words may change without a new
    pass. Files appear only when they are complete; an interrupted pass goes on where it stopped,
    and any number of processes can share the work.

    Args:
        root: Folder of caches.
        dense_clip: The teacher.
    """

    def __init__(self, root: Path, dense_clip: DenseClip) -> None:
        self._dense_clip = dense_clip
        self.folder = root / fingerprint(dense_clip)

    def holds(self, token: str) -> bool:
        """Tell whether a keyframe's embeddings are there."""
        return self._path(token).is_file()

    def add(self, token: str, images: Sequence[NDArray[np.uint8]]) -> None:
        """Embed a keyframe's images and write them.

        Args:
            token: The keyframe's.
            images: V images (H, W, 3) uint8, all of one size.

        Raises:
            ValueError: If the images differ in size.
        """
        sizes = {image.shape for image in images}
        if len(sizes) > 1:
            raise ValueError(
                f"keyframe {token}: a cache keeps images of one size together, got "
                f"{', '.join(map(str, sorted(sizes)))}; train without a cache"
            )
        maps = np.stack([embed_image(self._dense_clip, image).numpy() for image in images])
        path = self._path(token)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as draft, draft.open("wb") as file:
            np.save(file, maps)

    def read(self, token: str) -> Tensor:
        """Map a keyframe's embeddings into memory: (V, D, h, w) float16.

        Raises:
            FileNotFoundError: If they are not there.
            ValueError: If the file is damaged.
        """
        path = self._path(token)
        try:
            # A private map: torch wants to be allowed to write, the file stays as it is.
            return torch.from_numpy(np.load(path, mmap_mode="c"))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path}: damaged cache ({error}); delete the file") from error

    def _path(self, token: str) -> Path:
        return self.folder / token[:2] / f"{token}.npy"


def embed_image(dense_clip: DenseClip, image: NDArray[np.uint8]) -> Tensor:
    """Embed one image as training reads it, cached or not: (D, h, w) float16 on the CPU.

    Args:
        dense_clip: The teacher.
        image: (H, W, 3) uint8, red green blue.
    """
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    return dense_clip.embed_pixels(pixels)[0].half().cpu()


def fingerprint(dense_clip: DenseClip) -> str:
    """Digest of everything that decides a teacher's embeddings."""
    clip = dense_clip.clip
    digest = hashlib.sha256()
    for name, tensor in clip.model.visual.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    settings = [
        dense_clip.image_height, dense_clip.scales, dense_clip.key_smoothing, clip.mean, clip.std,
    ]  # fmt: skip
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()[:16]
