import json
import os
import shutil
import time

import pytest
from job_workers import copy_source, make_copying, make_failing, make_jobs, make_nothing

from clip2scene_core.jobs.folder import JobFolder
from clip2scene_core.jobs.record import MAX_DEATHS, JobError, begin
from clip2scene_core.jobs.work import work_through


def work(root, jobs, make=make_copying, since=None):
    """Do jobs in one process; give (name, state) of those that it did itself."""
    folder = JobFolder(root / "out", jobs)
    folder.make()
    events = []
    work_through(folder, jobs, make, events.append, time.time() if since is None else since)
    assert [event.name for event in events if event.record] == [job.name for job in jobs]
    return [(e.name, e.record.state) for e in events if e.record and e.is_new]


def manifest(root):
    return json.loads((root / "out/manifest.json").read_text())


def text(root, name):
    return (root / "out" / name / "copy.txt").read_text()


def test_each_job_is_done_once(tmp_path):
    jobs = make_jobs(tmp_path, "ab", size=1)
    assert work(tmp_path, jobs) == [("a", "done"), ("b", "done")]
    assert (text(tmp_path, "a"), text(tmp_path, "b")) == ("a", "b")
    assert work(tmp_path, jobs, make_nothing) == []  # not even what does them is made
    told = manifest(tmp_path)
    first = told["outputs"]["a"]
    assert (first["state"], first["result"], first["pid"]) == ("done", {"letters": 1}, os.getpid())
    assert first["source"] == str(tmp_path / "a.txt")
    assert told["settings"] == {first["settings"]: {"size": 1}}


def test_what_is_out_of_date_is_done_anew(tmp_path):
    work(tmp_path, make_jobs(tmp_path, "abc", size=1))
    (tmp_path / "b.txt").write_text("changed")
    shutil.rmtree(tmp_path / "out" / "c")
    jobs = make_jobs(tmp_path, "abc", size=1)
    assert work(tmp_path, jobs) == [("b", "done"), ("c", "done")]
    assert text(tmp_path, "b") == "changed"
    others = make_jobs(tmp_path, "ab", size=2)
    assert work(tmp_path, others) == [("a", "done"), ("b", "done")]
    told = manifest(tmp_path)
    by = {name: told["settings"][one["settings"]] for name, one in told["outputs"].items()}
    assert by == {"a": {"size": 2}, "b": {"size": 2}, "c": {"size": 1}}
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        ".jobs", "a", "b", "c", "manifest.json",
    ]  # fmt: skip


def test_an_old_output_stays_until_the_new_one_is_complete(tmp_path):
    work(tmp_path, make_jobs(tmp_path, "a", size=1))
    assert work(tmp_path, make_jobs(tmp_path, "a", size=2), lambda: make_failing("a")) == [
        ("a", "failed")
    ]
    assert text(tmp_path, "a") == "a"
    assert work(tmp_path, make_jobs(tmp_path, "a", size=1)) == [("a", "done")]


def test_a_failure_stops_no_other_and_is_tried_again_by_the_next_command(tmp_path):
    jobs = make_jobs(tmp_path, "abc")
    began = time.time()
    said = work(tmp_path, jobs, lambda: make_failing("b"))
    assert said == [("a", "done"), ("b", "failed"), ("c", "done")]
    told = manifest(tmp_path)["outputs"]["b"]
    assert (told["state"], told["reason"]) == ("failed", "b cannot be read")
    assert not (tmp_path / "out" / "b").exists()
    assert work(tmp_path, jobs, since=began) == []  # another process of that command
    assert work(tmp_path, jobs) == [("b", "done")]


def test_jobs_of_other_shares_wait_in_the_manifest(tmp_path):
    jobs = make_jobs(tmp_path, "ab")
    folder = JobFolder(tmp_path / "out", jobs)
    folder.make()
    work_through(folder, jobs[:1], make_copying, lambda event: None, time.time())
    states = {name: one["state"] for name, one in manifest(tmp_path)["outputs"].items()}
    assert states == {"a": "done", "b": "waiting"}


def test_folders_of_others_are_left_alone(tmp_path):
    (tmp_path / "out" / "a").mkdir(parents=True)
    (tmp_path / "out" / "a" / "thesis.txt").write_text("mine")
    assert work(tmp_path, make_jobs(tmp_path, "a")) == [("a", "failed")]
    assert "was not made by this command" in manifest(tmp_path)["outputs"]["a"]["reason"]
    assert work(tmp_path, make_jobs(tmp_path, "a")) == [("a", "failed")]
    assert (tmp_path / "out" / "a" / "thesis.txt").read_text() == "mine"


def test_a_job_that_kills_its_processes_is_given_up(tmp_path):
    jobs = make_jobs(tmp_path, "a")
    folder = JobFolder(tmp_path / "out", jobs)
    folder.make()
    for _ in range(MAX_DEATHS):
        folder.write(jobs[0], begin(jobs[0], folder.read(jobs[0])))  # and then it died
    assert work(tmp_path, jobs) == [("a", "failed")]
    assert f"{MAX_DEATHS} processes died" in manifest(tmp_path)["outputs"]["a"]["reason"]
    assert work(tmp_path, jobs) == [("a", "done")]


def test_an_interrupt_leaves_a_job_as_it_was(tmp_path):
    def interrupt(job, draft, tell):
        draft.mkdir()
        raise KeyboardInterrupt

    jobs = make_jobs(tmp_path, "a")
    with pytest.raises(KeyboardInterrupt):
        work(tmp_path, jobs, lambda: interrupt)
    assert JobFolder(tmp_path / "out", jobs).read(jobs[0]) is None
    assert manifest(tmp_path)["outputs"]["a"]["state"] == "waiting"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".jobs", "manifest.json"]


def test_a_claimed_job_is_waited_for(tmp_path, monkeypatch):
    jobs = make_jobs(tmp_path, "ab")
    folder = JobFolder(tmp_path / "out", jobs)
    folder.make()
    naps = []
    claimed = folder.claim(jobs[0])
    claimed.__enter__()

    def nap(seconds):
        assert text(tmp_path, "b") == "b"
        naps.append(seconds)
        claimed.__exit__(None, None, None)

    monkeypatch.setattr(time, "sleep", nap)
    done = []
    work_through(folder, jobs, make_copying, done.append, time.time())
    assert [event.name for event in done if event.record] == ["b", "a"]
    assert len(naps) == 1


def test_a_damaged_record_is_named(tmp_path):
    jobs = make_jobs(tmp_path, "a")
    work(tmp_path, jobs)
    path = tmp_path / "out/.jobs/a.json"
    path.write_text("{")
    with pytest.raises(ValueError, match=r"a\.json: damaged record of a job .*remove it"):
        work(tmp_path, jobs)


def test_a_mistake_in_the_work_is_no_failure_of_the_job(tmp_path):
    def mistake(job, draft, tell):
        raise TypeError

    with pytest.raises(TypeError):
        work(tmp_path, make_jobs(tmp_path, "a"), lambda: mistake)
    assert issubclass(JobError, ValueError)
    assert work(tmp_path, make_jobs(tmp_path, "a"), lambda: copy_source) == [("a", "done")]
