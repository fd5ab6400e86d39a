"""`clip2scene bench speed --quick`: everything runs, and its ratios are near the stored ones."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clip2scene_core.bench.speed.report import format_result
from clip2scene_core.bench.speed.result import load_result
from clip2scene_core.bench.speed.variants import VARIANTS, running
from clip2scene_core.bench.stages import BenchError
from clip2scene_core.sample import Sweep
from clip2scene_ros.cli.main import main

STORED = json.loads(Path(__file__).with_name("quick_speed_ratios.json").read_text())
FACTOR = 2.5
BETTER_BF16_FACTOR = 20.0  # oneDNN's code for new shapes may be avoided one day


def far_off(ratios):
    """Names of the ratios that are far from the stored ones, or not there."""
    has_bf16 = torch.cpu._is_avx512_bf16_supported()
    names = [name for name in STORED if has_bf16 or "bf16" not in name]
    return [name for name in names if not is_near(name, ratios.get(name, float("nan")))]


def is_near(name, ratio):
    stored = STORED[name]
    if "exponent" in name:
        return abs(ratio - stored) < 0.5
    if "share" in name and stored < 0.1:
        return 0 < ratio < 0.25
    down = BETTER_BF16_FACTOR if "bf16" in name else FACTOR
    return stored / down < ratio < stored * FACTOR


def test_a_ratio_that_is_far_off_or_missing_is_found():
    assert far_off(STORED) == []
    assert far_off({name: 1.2 * ratio for name, ratio in STORED.items()}) == []
    slower = {**STORED, "ops fp32, 64 channels: backward": 6.0}
    assert far_off(slower) == ["ops fp32, 64 channels: backward"]
    assert far_off({**STORED, "scale points: exponent": 1.5}) == ["scale points: exponent"]
    missing = {name: ratio for name, ratio in STORED.items() if "share of map" not in name}
    assert far_off(missing) == ["latency small: share of map"]


@pytest.mark.slow
def test_a_quick_bench_measures_all_and_its_ratios_are_near_the_stored(tmp_path, capsys):
    pytest.importorskip("numba")
    work = tmp_path / "work"
    arguments = ["bench", "speed", "--work", str(work), "--quick", "--threads", "1"]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "GFLOP/s" in printed
    result = load_result(work / "bench_speed.json")
    assert far_off(result.key_ratios()) == [], result.key_ratios()
    assert result.is_quick
    assert (result.speeds.threads, result.latency[0].num_sweeps) == (1, 4)
    report = (work / "bench_speed.md").read_text()
    assert report == format_result(result)
    assert str(tmp_path) not in report
    for name in ("bench_speed_small.png", "bench_speed_ops.png", "bench_speed_scale.png"):
        assert f"({name})" in report
        assert Image.open(work / name).width > 400

    kept = (work / "results" / "ops.json").stat().st_mtime_ns
    assert main(arguments) == 0
    assert (work / "results" / "ops.json").stat().st_mtime_ns == kept
    capsys.readouterr()
    assert main([*arguments, "--num-sweeps", "5"]) == 1
    assert "another setup" in capsys.readouterr().err


def test_a_student_that_is_not_there_is_named_by_its_process(tmp_path):
    missing = str(tmp_path / "none.safetensors")
    with running(missing, VARIANTS[:1], 1) as processes:
        (process,) = processes.values()
        with pytest.raises(BenchError, match=r"none\.safetensors"):
            process(Sweep(np.zeros((5, 4), np.float32), np.eye(4), 0))


@pytest.mark.parametrize("words", [["--num-sweeps", "1"], ["--students", "small", "small"]])
def test_a_bench_of_nothing_is_refused(tmp_path, capsys, words):
    assert main(["bench", "speed", "--work", str(tmp_path), "--quick", *words]) == 1
    assert "a speed bench needs" in capsys.readouterr().err
