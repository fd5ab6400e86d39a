"""Jobs on a Ray cluster of this machine alone."""

import sys
import time
from functools import partial
from pathlib import Path

import job_workers
import pytest
from job_workers import make_copying, make_dying, make_jobs, make_nothing

from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.ray_cluster import RayCluster, work_on_ray

pytest.importorskip("ray", reason='needs Ray: pip install -c constraints.txt ".[ray]"')


@pytest.fixture(autouse=True)
def _importable_there(monkeypatch):
    """Ray's processes find modules of the tests by PYTHONPATH."""
    helpers = str(Path(job_workers.__file__).parent)
    monkeypatch.setenv("PYTHONPATH", ":".join([helpers, *filter(None, sys.path)]))


def run(tmp_path, make):
    """Do three jobs in two processes; give records and what was told of ends."""
    jobs = make_jobs(tmp_path, "abc")
    folder = JobFolder(tmp_path / "out", jobs)
    folder.make()
    events = []
    work_on_ray(RayCluster("local"), 2, folder, jobs, make, events.append, time.time())
    ended = sorted(event.name for event in events if event.record and event.is_new)
    return {job.name: folder.read(job) for job in jobs}, ended


def test_the_job_of_a_process_that_ray_lost_is_done_once_by_another(tmp_path):
    (tmp_path / "tombs").mkdir()
    records, ended = run(tmp_path, partial(make_dying, "b", tmp_path / "tombs", 1))
    assert ended == ["a", "b", "c"]
    assert {record.state for record in records.values()} == {"done"}
    (tomb,) = (tmp_path / "tombs").iterdir()
    assert str(records["b"].pid) != tomb.name
    assert [(tmp_path / "out" / name / "copy.txt").read_text() for name in "abc"] == list("abc")
    # What is done is not done again.
    again, ended = run(tmp_path, make_copying)
    assert (again, ended) == (records, [])


def test_what_no_process_can_begin_is_one_error(tmp_path):
    with pytest.raises(ValueError, match=r"^the weights are damaged$"):
        run(tmp_path, make_nothing)


def test_a_cluster_that_is_not_there_is_one_error(tmp_path):
    jobs = make_jobs(tmp_path, "a")
    folder = JobFolder(tmp_path / "out", jobs)
    with pytest.raises(ValueError, match=r"no Ray cluster at '127\.0\.0\.1:1' .*'ray start"):
        work_on_ray(RayCluster("127.0.0.1:1"), 1, folder, jobs, make_copying, print, time.time())
