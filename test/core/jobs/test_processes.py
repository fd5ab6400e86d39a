import time
from functools import partial

import pytest
from job_workers import make_copying, make_dying, make_jobs, make_nothing

from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.processes import work_in_processes


@pytest.fixture
def work(tmp_path):
    """Do four jobs in two processes; give the folder and how often each was done."""
    jobs = make_jobs(tmp_path, "abcd")
    folder = JobFolder(tmp_path / "out", jobs)
    folder.make()

    def run(make):
        events = []
        work_in_processes(2, folder, jobs, make, events.append, time.time())
        ended = sorted(event.name for event in events if event.record and event.is_new)
        return {job.name: folder.read(job) for job in jobs}, ended

    return run


def test_processes_share_jobs(work, tmp_path):
    records, ended = work(make_copying)
    assert ended == ["a", "b", "c", "d"]
    assert {record.state for record in records.values()} == {"done"}
    assert [(tmp_path / "out" / n / "copy.txt").read_text() for n in "abcd"] == list("abcd")


def test_the_job_of_a_killed_process_is_done_by_another(work, tmp_path):
    (tmp_path / "tombs").mkdir()
    records, ended = work(partial(make_dying, "b", tmp_path / "tombs", 1))
    assert ended == ["a", "b", "c", "d"]
    assert {record.state for record in records.values()} == {"done"}
    assert str(records["b"].pid) not in {tomb.name for tomb in (tmp_path / "tombs").iterdir()}
    assert not [p for p in (tmp_path / "out").iterdir() if p.name.endswith(".unfinished")]


def test_a_job_that_kills_every_process_fails_alone(work, tmp_path):
    (tmp_path / "tombs").mkdir()
    records, _ = work(partial(make_dying, "b", tmp_path / "tombs", 99))
    assert {name: record.state for name, record in records.items()} == {
        "a": "done", "b": "failed", "c": "done", "d": "done",
    }  # fmt: skip
    assert "2 processes died" in records["b"].reason


def test_what_no_process_can_begin_is_one_error(work):
    with pytest.raises(ValueError, match="the weights are damaged"):
        work(make_nothing)
