import json

import numpy as np
from separable_samples import TEXT, make_config

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.training.pretrain.data.paired_sample import PairedSample
from clip2scene_core.training.pretrain.data.samples import Samples
from clip2scene_core.training.pretrain.label_counts import LabelCounts, count_labels
from clip2scene_core.training.pretrain.run import pretrain


class RandomSamples(Samples):
    """Clouds all around; cameras see some points, some of them twice; others have a vote."""

    def __init__(self) -> None:
        self.made = [self._make(np.random.default_rng(seed)) for seed in range(3)]

    def __len__(self) -> int:
        return len(self.made)

    def __getitem__(self, key):
        return self.made[key[1]]

    def _make(self, generator):
        points = generator.uniform(-45, 45, (300, 4)).astype(np.float32)
        points[:, 2] = generator.uniform(-2, 2, 300)
        pairs = generator.integers(0, 100, 80)
        labels = np.full(300, IGNORE_LABEL, dtype=np.uint8)
        labels[90:150] = 1
        nothing = np.zeros(80, dtype=np.int64)
        sample = PairedSample(
            "token", (points,), (), nothing, pairs, nothing, np.zeros((80, 2), np.float32),
            np.full(80, np.inf, np.float32), nothing, nothing, labels, np.ones(300, np.float32),
            labels,
        )  # fmt: skip
        return sample, TEXT[generator.integers(0, 2, 80) * 2]


def test_counts_are_those_of_a_loop_over_points():
    samples = RandomSamples()
    counts = count_labels(samples, TEXT)
    of_text, of_keyframes = np.zeros(3, int), np.zeros(3, int)
    points_at, labelled_at = np.zeros((12, 4), int), np.zeros((12, 4), int)
    num_seen = num_labelled = 0
    for sample, pixels in samples.made:
        (cloud,) = sample.clouds
        found = set()
        for point, pixel in zip(sample.point_index, pixels, strict=True):
            voted = sample.labels[point]
            label = int(pixel[:3].argmax()) if voted == IGNORE_LABEL else int(voted)
            of_text[label] += 1
            found.add(label)
        seen = set(sample.point_index.tolist())
        for row, (x, y, z, _) in enumerate(cloud.tolist()):
            has_vote = sample.labels[row] != IGNORE_LABEL
            if has_vote and row not in seen:
                of_text[sample.labels[row]] += 1
                found.add(int(sample.labels[row]))
            degrees = np.degrees(np.arctan2(y, x))
            sector = int((degrees + 360) % 360 // 30)
            distance = (x * x + y * y + z * z) ** 0.5
            nearness = sum(distance >= edge for edge in (10, 20, 40))
            points_at[sector, nearness] += 1
            labelled_at[sector, nearness] += has_vote or row in seen
            num_labelled += has_vote or row in seen
        num_seen += len(seen)
        for label in found:
            of_keyframes[label] += 1
    assert (counts.num_keyframes, counts.num_points) == (3, 900)
    assert (counts.num_seen, counts.num_labelled) == (num_seen, num_labelled)
    assert counts.labels_of_text.tolist() == of_text.tolist()
    assert counts.keyframes_of_text.tolist() == of_keyframes.tolist()
    np.testing.assert_array_equal(counts.points_at, points_at)
    np.testing.assert_array_equal(counts.labelled_at, labelled_at)


def test_counts_survive_the_record_of_a_checkpoint(tmp_path, tiny_nuscenes, tiny_clip):
    config = make_config(tiny_clip, "training.epochs=1", "losses.class_balance=true")
    out = pretrain(NuScenesDataset(tiny_nuscenes), config, tmp_path / "a.safetensors")
    record = load_checkpoint(out).record["labels"]
    counts = LabelCounts.from_record(record)
    assert json.loads(json.dumps(counts.to_record())) == record
    assert counts.num_keyframes == 2
    assert 0 < counts.num_seen == counts.num_labelled < counts.num_points == 96
    assert counts.points_at.shape == counts.labelled_at.shape == (12, 4)
