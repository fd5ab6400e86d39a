"""The numbers of seen and unseen classes, against the evaluation of `clip2scene evaluate`."""

import numpy as np
import pytest

from clip2scene_core.bench.statistics import SceneCounts, compare
from clip2scene_core.bench.zeroshot.groups import ALL, HARMONIC, SEEN, UNSEEN, group_statistics
from clip2scene_core.evaluation import ConfusionMatrix, score_zeroshot
from clip2scene_core.zeroshot_splits import ZeroShotSplit

NAMES = ("car", "road", "cone", "grass", "bus")
SPLIT = ZeroShotSplit(("cone", "grass"))
STATISTICS = group_statistics(np.isin(NAMES, SPLIT.unseen))


def test_the_four_numbers_are_those_of_evaluate():
    counts = np.random.default_rng(0).integers(0, 50, (3, 5, 6))
    counts[1, 4], counts[1, :, 4] = 0, 0  # no bus in the second
    counts[2, 2:4] = counts[2, :, 2:4] = 0  # no unseen class in the third
    for number, one in enumerate(counts):
        confusion = ConfusionMatrix(5)
        confusion.counts = one
        wanted = score_zeroshot(confusion, NAMES, SPLIT)
        found = {name: float(statistic(counts)[number]) for name, statistic in STATISTICS.items()}
        expected = {
            SEEN: wanted.seen, UNSEEN: wanted.unseen, ALL: wanted.all, HARMONIC: wanted.harmonic
        }  # fmt: skip
        assert found == pytest.approx(expected, nan_ok=True)
    assert np.isnan(STATISTICS[HARMONIC](counts)[2])


def test_no_hit_at_all_is_zero_not_an_error():
    counts = np.zeros((5, 6), dtype=np.int64)
    counts[:, 5] = 3  # every point without a label
    assert float(STATISTICS[HARMONIC](counts)) == 0


def test_differences_of_hiou_have_errors():
    counts = np.random.default_rng(1).integers(1, 50, (2, 4, 5, 6))
    better = counts.copy()
    better[..., [2, 3], [2, 3]] += 200  # more unseen hits
    paired = compare(SceneCounts(better, True), SceneCounts(counts, True), STATISTICS[HARMONIC])
    assert paired.difference > 0
    assert paired.is_resolved
