import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from bench_stages import fail, note
from checkout import HELPERS

from clip2scene_core.bench.stages import BenchError, Stage, StageResult, WorkFolder


def ignore(result: StageResult) -> None:
    pass


@pytest.mark.parametrize("workers", [1, 2])
def test_stages_are_computed_once_and_come_in_order(tmp_path, workers):
    trace = tmp_path / "trace"
    stages = [Stage(f"stage-{k}", partial(note, trace, k)) for k in range(3)]
    seen = []
    first = WorkFolder(tmp_path / "work", {"a": 1}).run(stages, workers, seen.append)
    assert [result.value["value"] for result in first.values()] == [0, 1, 2]
    assert list(first) == ["stage-0", "stage-1", "stage-2"]
    assert {result.name for result in seen} == {"stage-0", "stage-1", "stage-2"}
    assert all(result.seconds >= 0 and result.commit for result in first.values())
    assert sorted(trace.read_text().split()) == ["0", "1", "2"]
    again = WorkFolder(tmp_path / "work", {"a": 1}).run(stages, workers, ignore)
    assert again == first
    assert len(trace.read_text().split()) == 3


@pytest.mark.parametrize("workers", [1, 2])
def test_a_failed_stage_is_named_and_the_others_results_stay(tmp_path, workers):
    trace = tmp_path / "trace"
    stages = [Stage("good", partial(note, trace, 1)), Stage("bad", fail)]
    folder = WorkFolder(tmp_path / "work", {})
    with pytest.raises(BenchError, match="stage bad: the sky fell"):
        folder.run(stages, workers, ignore)
    assert folder.run(stages[:1], workers, ignore)["good"].value == {"value": 1}
    assert trace.read_text() == "1\n"


def test_a_process_that_dies_is_one_line(tmp_path):
    stages = [Stage("dead", partial(os._exit, 3)), Stage("other", partial(note, tmp_path / "t", 1))]
    with pytest.raises(BenchError, match=r"its process died, .* fewer workers"):
        WorkFolder(tmp_path / "work", {}).run(stages, 2, ignore)


BENCH = """
import sys, time
from functools import partial
from pathlib import Path
from clip2scene_core.bench.stages import Stage, WorkFolder
from bench_stages import wait_for_ever

if __name__ == "__main__":
    root = Path(sys.argv[1])
    stages = [Stage(str(k), partial(wait_for_ever, root / f"{k}.pid")) for k in range(2)]
    WorkFolder(root / "work", {}).run(stages, 2, print)
"""


def test_no_worker_outlives_a_bench_that_is_killed(tmp_path):
    script = tmp_path / "bench.py"
    script.write_text(BENCH)
    environment = {**os.environ, "PYTHONPATH": str(HELPERS / "processes")}
    bench = subprocess.Popen([sys.executable, str(script), str(tmp_path)], env=environment)
    traces = [tmp_path / "0.pid", tmp_path / "1.pid"]
    try:
        wait_until(lambda: all(trace.exists() for trace in traces))
    finally:
        bench.kill()
        bench.wait()
    workers = [int(trace.read_text()) for trace in traces]
    wait_until(lambda: not any(map(is_alive, workers)))


def is_alive(pid):
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def wait_until(condition, seconds=60):
    end_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end_s, "it did not come to this"
        time.sleep(0.05)


def test_a_folder_belongs_to_one_setup(tmp_path):
    WorkFolder(tmp_path, {"seeds": 3})
    WorkFolder(tmp_path, {"seeds": 3})
    with pytest.raises(BenchError, match="another setup"):
        WorkFolder(tmp_path, {"seeds": 4})
