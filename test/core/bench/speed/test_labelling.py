"""The staged labeller does the work of the one that ships, and each stage its own."""

import numpy as np
import pytest

from clip2scene_core.bench.speed.labelling import STAGES, StagedLabeller, build_maps
from clip2scene_core.inference.online import load_online_segmenter
from clip2scene_core.sample import Sweep
from clip2scene_core.sparse import kernel_map, tensor, voxelize


def some_sweeps(count):
    rng = np.random.default_rng(5)
    sweeps = []
    for number in range(count):
        points = rng.uniform((-20, -20, -2, 0), (20, 20, 1, 1), (700, 4)).astype(np.float32)
        points[:350, 2] = -1.8 + 0.02 * rng.standard_normal(350)
        points[0, 0] = np.nan
        T_fixed_lidar = np.eye(4)
        T_fixed_lidar[0, 3] = number
        sweeps.append(Sweep(points, T_fixed_lidar, number * 100_000_000))
    return sweeps


def test_labels_and_map_are_those_of_the_online_segmenter():
    online, staged = load_online_segmenter("small"), StagedLabeller("small")
    for sweep in some_sweeps(3):
        times = staged.label(sweep)
        assert np.array_equal(staged.labels, online.segment(sweep).labels)
        assert tuple(times) == STAGES
    ours, expected = staged._map.label(online.vocabulary), online.map()
    assert np.array_equal(ours.points, expected.points)
    assert np.array_equal(ours.labels, expected.labels)


def test_norms_that_are_not_folded_and_torch_operations_label_alike(monkeypatch):
    (sweep,) = some_sweeps(1)
    labels = []
    for is_folded in (True, False):
        labeller = StagedLabeller("small", is_folded)
        labeller.label(sweep)
        labels.append(labeller.labels)
    for module in (kernel_map, voxelize):
        monkeypatch.setattr(module, "compiled_for", lambda tensor: None)
    labeller = StagedLabeller("small")
    labeller.label(sweep)
    labels.append(labeller.labels)
    assert np.mean(labels[0] == labels[1]) > 0.995
    assert np.mean(labels[0] == labels[2]) > 0.995


def test_the_network_finds_all_maps_built(monkeypatch):
    labeller = StagedLabeller("small")
    (sweep,) = some_sweeps(1)

    def build_all_then_nothing(voxels):
        build_maps(voxels)
        for module, name in (
            (tensor, "neighbor_map"),
            (tensor, "downsample_map"),
            (voxelize, "_locate"),
        ):
            monkeypatch.setattr(module, name, lambda *_: pytest.fail("built in the network"))

    monkeypatch.setattr("clip2scene_core.bench.speed.labelling.build_maps", build_all_then_nothing)
    labeller.label(sweep)
