import os
from functools import partial

import pytest

from clip2scene_core.bench.stages import BenchError, Stage, StageResult, WorkFolder


def ignore(result: StageResult) -> None:
    pass


def note(path, value):
    """Compute, and leave a trace of it."""
    with path.open("a") as file:
        file.write(f"{value}\n")
    return {"value": value}


def fail():
    raise ValueError("the sky fell")


@pytest.mark.parametrize("workers", [1, 2])
def test_stages_are_computed_once_and_come_in_order(tmp_path, workers):
    trace = tmp_path / "trace"
    stages = [Stage(f"stage-{k}", partial(note, trace, k)) for k in range(3)]
    seen = []
    first = WorkFolder(tmp_path / "work", {"a": 1}).run(stages, workers, seen.append)
    assert [result.value["value"] for result in first] == [0, 1, 2]
    assert {result.name for result in seen} == {"stage-0", "stage-1", "stage-2"}
    assert all(result.seconds >= 0 and result.commit for result in first)
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
    assert folder.run(stages[:1], workers, ignore)[0].value == {"value": 1}
    assert trace.read_text() == "1\n"


def test_a_process_that_dies_is_one_line(tmp_path):
    stages = [Stage("dead", partial(os._exit, 3)), Stage("other", partial(note, tmp_path / "t", 1))]
    with pytest.raises(BenchError, match=r"its process died, .* fewer workers"):
        WorkFolder(tmp_path / "work", {}).run(stages, 2, ignore)


def test_a_folder_belongs_to_one_setup(tmp_path):
    WorkFolder(tmp_path, {"seeds": 3})
    WorkFolder(tmp_path, {"seeds": 3})
    with pytest.raises(BenchError, match="another setup"):
        WorkFolder(tmp_path, {"seeds": 4})
