"""Pictures with captions, and random crops of pictures."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F


@dataclass(frozen=True)
class CaptionedPictures:
    """Square pictures, each with a caption.

    Attributes:
        images: (N, S, S, 3) uint8 RGB.
        captions: N texts.
        phrases: For each caption the parts of it that name an object or a surface, at least one.
    """

    images: NDArray[np.uint8]
    captions: tuple[str, ...]
    phrases: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        shape = self.images.shape
        if (
            len(shape) != 4
            or shape[1] != shape[2]
            or shape[3] != 3
            or self.images.dtype != np.uint8
        ):
            raise ValueError(
                f"images must be (N, S, S, 3) uint8, got {shape} {self.images.dtype}; crop squares"
            )
        if not len(self.captions) == len(self.phrases) == len(self.images):
            raise ValueError(
                f"every picture needs a caption and its phrases, got {len(self.images)} pictures, "
                f"{len(self.captions)} captions and {len(self.phrases)} lists of phrases"
            )
        if not all(self.phrases):
            raise ValueError(
                f"caption {self.captions[self.phrases.index(())]!r} has no phrase to learn from; "
                "leave its picture out"
            )

    @classmethod
    def collect(
        cls, pictures: Iterable[tuple[NDArray[np.uint8], str, tuple[str, ...]]]
    ) -> CaptionedPictures:
        """Collect pictures in memory: images (S, S, 3) uint8, captions, and phrases of captions.

        Raises:
            ValueError: If there is no picture.
        """
        collected = list(pictures)
        if not collected:
            raise ValueError("no pictures to train on; generate some first")
        images, captions, phrases = zip(*collected, strict=True)
        return cls(np.stack(images), captions, phrases)


@dataclass(frozen=True)
class Augmentation:
    """Ranges of the random crops.

    Attributes:
        sizes: Edges of a crop in pixels. Every step draws one, so that the tower sees objects at
            several distances from the border.
        smallest_zoom: Picture pixels per crop pixel at the strongest enlargement.
        largest_zoom: Picture pixels per crop pixel at the weakest enlargement. The size of the
            picture limits it. The logarithm of the zoom is drawn uniformly.
        color_change: Largest relative change of brightness, contrast and saturation.
    """

    sizes: tuple[int, ...] = (80, 112, 144)
    smallest_zoom: float = 0.75
    largest_zoom: float = 1.6
    color_change: float = 0.2


def random_crops(images: Tensor, augmentation: Augmentation, generator: torch.Generator) -> Tensor:
    """Cut one random crop out of each picture, mirror it at random, and change its colors.

    Args:
        images: (B, S, S, 3) uint8 RGB, on any device.
        augmentation: Ranges to draw from.
        generator: Random generator on the CPU, so that all devices draw the same numbers.

    Returns:
        (B, 3, size, size) float RGB in [0, 1]. All crops have one size, drawn from
        `augmentation.sizes`.
    """
    pictures = images.permute(0, 3, 1, 2).float() / 255
    num_pictures, side = len(pictures), pictures.shape[3]
    size_index = int(torch.randint(len(augmentation.sizes), (1,), generator=generator))
    size = min(augmentation.sizes[size_index], side)

    def draw(low: float, high: float, num_columns: int = 1) -> Tensor:
        uniform = torch.rand((num_pictures, num_columns), generator=generator)
        return (low + (high - low) * uniform).to(images.device)

    # Half the crop's side as a share of the picture's: at most 1, the whole picture.
    zoom = draw(math.log(augmentation.smallest_zoom), math.log(augmentation.largest_zoom)).exp()
    extent = (zoom * size / side).clamp(max=1.0)
    center = draw(-1, 1, 2) * (1 - extent)
    mirror = torch.where(draw(0, 1) < 0.5, -1.0, 1.0)
    affine = torch.zeros(num_pictures, 2, 3, device=images.device)
    affine[:, 0, 0] = (extent * mirror)[:, 0]
    affine[:, 1, 1] = extent[:, 0]
    affine[:, :, 2] = center
    grid = F.affine_grid(affine, [num_pictures, 3, size, size], align_corners=False)
    crops = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
    change = augmentation.color_change
    brightness, contrast, saturation = (
        draw(1 - change, 1 + change).view(-1, 1, 1, 1) for _ in range(3)
    )
    crops = crops * brightness
    mean = crops.mean(dim=(1, 2, 3), keepdim=True)
    crops = mean + (crops - mean) * contrast
    gray = crops.mean(dim=1, keepdim=True)
    return (gray + (crops - gray) * saturation).clamp(0, 1)
