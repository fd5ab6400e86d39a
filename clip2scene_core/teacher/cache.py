"""Dense embeddings of the frozen teacher on disk: computed once, read in every epoch."""

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
    """A folder for each teacher, with one file of float16 embeddings for each keyframe.

    The name of the folder is a digest of the CLIP's weights and settings, so another teacher has
    another folder. Embeddings do not depend on prompts. Files appear only when they are complete:
    an interrupted pass can continue, and several processes can share the work.

    Args:
        root: Folder of all caches.
        dense_clip: The teacher.

    Attributes:
        folder: Folder of this teacher.
    """

    def __init__(self, root: Path, dense_clip: DenseClip) -> None:
        self._dense_clip = dense_clip
        self.folder = root / fingerprint(dense_clip)

    def holds(self, token: str) -> bool:
        """Whether the embeddings of a keyframe are in the cache."""
        return self._path(token).is_file()

    def add(self, token: str, images: Sequence[NDArray[np.uint8]]) -> None:
        """Embed the images of a keyframe and write the embeddings.

        Args:
            token: Token of the keyframe.
            images: V images (H, W, 3) uint8 RGB, all of one size.

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
        """Map the embeddings of a keyframe into memory: (V, D, h, w) float16.

        Raises:
            FileNotFoundError: If they are not in the cache.
            ValueError: If the file is damaged.
        """
        path = self._path(token)
        try:
            # A copy-on-write map: torch needs a writable array, and the file must not change.
            return torch.from_numpy(np.load(path, mmap_mode="c"))
        except (ValueError, EOFError) as error:
            raise ValueError(f"{path}: damaged cache ({error}); delete the file") from error

    def _path(self, token: str) -> Path:
        return self.folder / token[:2] / f"{token}.npy"


def embed_image(dense_clip: DenseClip, image: NDArray[np.uint8]) -> Tensor:
    """Embed one image for training, with or without a cache.

    Args:
        dense_clip: The teacher.
        image: (H, W, 3) uint8 RGB.

    Returns:
        (D, h, w) float16, on the CPU.
    """
    pixels = torch.tensor(image).permute(2, 0, 1)[None].float() / 255
    return dense_clip.embed_pixels(pixels)[0].half().cpu()


def fingerprint(dense_clip: DenseClip) -> str:
    """Compute a digest of the weights and settings that determine a teacher's embeddings."""
    clip = dense_clip.clip
    digest = hashlib.sha256()
    for name, tensor in clip.model.visual.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().numpy().tobytes())
    settings = [
        dense_clip.image_height, dense_clip.scales, dense_clip.key_smoothing, clip.mean, clip.std,
        dense_clip.readout,
    ]  # fmt: skip
    digest.update(json.dumps(settings).encode())
    return digest.hexdigest()[:16]
