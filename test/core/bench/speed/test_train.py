"""Steps of training: all ways learn from the same batches, and every stage is timed."""

import numpy as np

from clip2scene_core.bench.speed.train import TRAIN_STAGES, WAYS, measure_train


def test_all_ways_and_stages_are_measured(some_source):
    result = measure_train(some_source, "small", num_steps=2, sweeps_per_step=2, warm_up=1)
    assert tuple(one.variant for one in result.variants) == WAYS
    for variant in result.variants:
        assert tuple(one.stage for one in variant.stages) == (*TRAIN_STAGES, "all")
        parts = [one.cpu_ms.median for one in variant.stages]
        assert all(np.isfinite(parts))
        assert parts[-1] > parts[2] > 0  # all, and backward
    assert all(one.cpu_ratio.median == 1 for one in result.variants[0].stages)
