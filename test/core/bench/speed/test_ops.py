"""Single convolutions: all cases are measured, peers only where they are there and right."""

import pytest
import torch

from clip2scene_core.bench.speed import ops, peers
from clip2scene_core.bench.speed.ops import DIRECTIONS, OpsPlan, measure_ops
from clip2scene_core.bench.speed.peers import spconv_layer, why_left_out, why_wrong
from clip2scene_core.bench.speed.sweeps import SweepSource
from clip2scene_core.sparse.conv import sparse_convolution
from clip2scene_core.sparse.voxelize import voxelize

PLAN = OpsPlan((0.5,), (4, 8), num_sweeps=2, warm_up=1, peak_side=32)


def test_every_case_is_measured(some_source):
    result = measure_ops(some_source, PLAN)
    ours = [one for one in result.costs if one.what in DIRECTIONS]
    assert [(one.precision, one.channels, one.what) for one in ours] == [
        (precision, channels, what)
        for channels in (4, 8)
        for precision in ("fp32", "bf16")
        for what in ("forward", "backward")
    ]
    for cost in result.costs:
        assert cost.voxels <= cost.pairs <= 27 * cost.voxels
        assert cost.peak_share > 0
        assert cost.dense_ratio.median > 0
    assert all(one.forward_ratio.median == 1 for one in result.costs if one.what == "forward")
    assert {one.peer for one in result.left_out} <= {"spconv", "torchsparse"}


def test_peers_are_left_out_by_name(monkeypatch):
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: None)
    assert why_left_out("spconv", 1) == "not installed"
    monkeypatch.setattr(peers.importlib.util, "find_spec", lambda name: object())
    assert why_left_out("spconv", 1) == ""
    assert "more than one thread, and there are 2" in why_left_out("spconv", 2)
    assert "GPU" in why_left_out("torchsparse", 1)


def test_a_peer_is_measured_only_if_it_computes_the_same(monkeypatch, some_source):
    monkeypatch.setattr(ops, "why_left_out", lambda peer, threads: "")
    for factor, is_measured in ((1.0, True), (1.1, False)):

        def layer(level, weight, factor=factor):
            return lambda features: factor * sparse_convolution(features, weight, level.neighbors)

        monkeypatch.setattr(ops, "spconv_layer", layer)
        result = measure_ops(some_source, PLAN)
        for precision in ("fp32", "bf16"):
            measured = [one.what for one in result.costs if one.precision == precision]
            assert ("spconv fp32" in measured) == is_measured
        reasons = {one.peer: one.reason for one in result.left_out}
        assert ("spconv" in reasons) != is_measured
    assert "differs from ours by 0.1" in reasons["spconv"]


def test_a_result_that_is_no_number_is_wrong():
    ours = torch.ones(2, 3)
    assert why_wrong(lambda features: features, ours, ours) == ""
    assert why_wrong(lambda features: features * torch.nan, ours, ours)


@pytest.mark.parametrize("num_batches", [1, 2])
def test_spconv_computes_what_we_compute(num_batches):
    """With one thread: more make its results on a CPU wrong."""
    pytest.importorskip("spconv", reason="needs spconv's CPU wheel")
    generator = torch.Generator().manual_seed(0)
    points = 8 * torch.rand(200, 3, generator=generator) - 4
    batch_index = torch.randint(num_batches, (200,), generator=generator)
    level = voxelize(points, batch_index, 1.0).level
    features, weight = torch.randn(len(level), 3), torch.randn(27, 3, 5)
    ours = sparse_convolution(features, weight, level.neighbors)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.inference_mode():
            assert why_wrong(spconv_layer(level, weight), features, ours) == ""
    finally:
        torch.set_num_threads(threads)


def test_sweeps_are_named_without_folders(tmp_path):
    assert str(tmp_path.parent) not in SweepSource(tmp_path).describe()
