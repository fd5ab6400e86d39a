"""A source of small random sweeps, no two of which are equal."""

import numpy as np
import pytest

from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.sample import Sweep


class RandomSource(SweepSource):
    def read(self, count):
        rng = np.random.default_rng(0)
        return tuple(
            Sweep(rng.uniform(0, 4, (300 + 10 * number, 4)).astype(np.float32), np.eye(4), number)
            for number in range(count)
        )


@pytest.fixture
def some_source():
    return RandomSource()
