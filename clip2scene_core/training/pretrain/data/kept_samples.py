"""Keyframes that were paired in an epoch before, in memory: only augmentation differs."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np

from clip2scene_core.training.pretrain.data.paired_sample import PairedSample

_MOST_BYTES: Final = 1 << 30


class KeptSamples:
    """Keeps paired keyframes as long as there is room; those that came first stay.

    In every epoch each keyframe comes once, in another order. So of more keyframes than there is
    room for, the first ones are found in every epoch, while the last ones used would be found in
    hardly any.

    Args:
        most_bytes: Room for arrays, in each process that loads keyframes; about 1 MB a keyframe of
            25,000 points.
    """

    def __init__(self, most_bytes: int = _MOST_BYTES) -> None:
        self._most_bytes, self._num_bytes = most_bytes, 0
        self._samples: dict[int, PairedSample] = {}

    def find(self, index: int) -> PairedSample | None:
        """The keyframe of this index, or None; nothing in it can be written to."""
        return self._samples.get(index)

    def keep(self, index: int, sample: PairedSample) -> None:
        """Keep a keyframe, if there is room. Its arrays can no longer be written to."""
        values = [getattr(sample, field.name) for field in fields(sample)]
        arrays = [value for value in values if isinstance(value, np.ndarray)]
        arrays += [*sample.clouds, *sample.images]
        num_bytes = sum(array.nbytes for array in arrays)
        if self._num_bytes + num_bytes > self._most_bytes:
            return
        for array in arrays:
            array.flags.writeable = False
        self._samples[index] = sample
        self._num_bytes += num_bytes
