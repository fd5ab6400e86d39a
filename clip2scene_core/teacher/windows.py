"""Windows that slide over a wide image, so that CLIP sees what is as large as its training images.

Position embeddings then need not be stretched over a width that they never had.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def window_starts(length: int, window: int, step: int) -> list[int]:
    """Find where windows begin along one side of an image.

    Args:
        length: Of the side.
        window: Of a window, in the same unit.
        step: From one window to the next.

    Returns:
        Starts in ascending order. The last window ends where the side ends, so its overlap with
        the one before may be larger. One window, at 0, if it is as long as the side or longer.
    """
    if window >= length:
        return [0]
    return [*range(0, length - window, step), length - window]


def slide(
    embed: Callable[[Tensor], Tensor], pixels: Tensor, window: int, step: int, stride: int
) -> Tensor:
    """Embed an image window by window; the embeddings of a place are averaged over its windows.

    Args:
        embed: Pixels (B, 3, H', W') -> embeddings (B, D, H' / stride, W' / stride).
        pixels: (B, 3, H, W) float, whole numbers of places.
        window: Edge of the square windows, pixels, a multiple of stride; a smaller image is one
            window.
        step: From one window to the next, pixels, a multiple of stride, at most window.
        stride: Edge of a place, pixels.

    Returns:
        (B, D, H / stride, W / stride) float.
    """
    height, width = pixels.shape[2:]
    tops, lefts = window_starts(height, window, step), window_starts(width, window, step)
    if len(tops) == len(lefts) == 1:
        return embed(pixels)
    rows, columns = height // stride, width // stride
    num_windows = torch.zeros(rows, columns, device=pixels.device)
    total: Tensor | None = None
    for top in tops:
        for left in lefts:
            part = embed(pixels[:, :, top : top + window, left : left + window])
            if total is None:
                total = part.new_zeros(*part.shape[:2], rows, columns)
            y, x = top // stride, left // stride
            place = (..., slice(y, y + part.shape[2]), slice(x, x + part.shape[3]))
            total[place] += part
            num_windows[place] += 1
    assert total is not None
    return total / num_windows
