"""Steps are fed from the cache and live, with the same keyframes."""

import numpy as np
import pytest

from clip2scene_core.bench.speed.feeding import (
    FEED_STAGES,
    FEEDS,
    KeyframeSource,
    measure_feeding,
)
from clip2scene_core.bench.stages import BenchError


def test_all_feeds_and_stages_are_measured(tmp_path, tiny_nuscenes):
    source = KeyframeSource(tiny_nuscenes, tmp_path / "work", columns=0)
    result = measure_feeding(source, "small", 1, 1, 1)
    assert tuple(one.variant for one in result.variants) == FEEDS
    for variant in result.variants:
        assert tuple(one.stage for one in variant.stages) == (*FEED_STAGES, "all")
        parts = [one.cpu_ms.median for one in variant.stages]
        assert all(np.isfinite(parts))
        assert parts[-1] == pytest.approx(sum(parts[:-1]))
    assert (result.images, result.source) == (2, "keyframes of tiny")


def test_too_few_keyframes_are_refused(tmp_path, tiny_nuscenes):
    with pytest.raises(BenchError, match="has 2 keyframes, the bench needs 3"):
        KeyframeSource(tiny_nuscenes, tmp_path, columns=0).open(3)
