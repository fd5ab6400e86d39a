"""Several bags through `clip2scene segment`: shares, failures, and workers that are killed."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import ros_messages
from small_bags import MS, POINTS, START, read_raw, small_bag, write_bag

from clip2scene_core.checkpoint import save_checkpoint
from clip2scene_ros.cli.main import main

NAMES = ("a", "b", "c", "d")
WORKER = [sys.executable, "-m", "clip2scene_ros.cli.main"]


def write_drive(path, num_clouds):
    """A bag of clouds ten times as wide as those of `small_bag`, which a vehicle would hide."""
    at_ms = range(0, 100 * num_clouds, 100)
    wide = {ms: ros_messages.cloud(10 * POINTS, START + ms * MS) for ms in at_ms}
    messages = small_bag(at_ms, num_clouds)
    return write_bag(path, [(t, ms, wide[ms] if t == "/lidar_top" else m) for t, ms, m in messages])


@pytest.fixture
def student(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    return path


@pytest.fixture
def bags(tmp_path):
    """A folder of four bags of different length."""
    for number, name in enumerate(NAMES):
        write_drive(tmp_path / "bags" / name, 3 + number)
    return tmp_path / "bags"


@pytest.fixture
def segment(student, tmp_path):
    def run(*arguments, out="out"):
        words = ["segment", *arguments, "--out", tmp_path / out, "--weights", student]
        return main([str(word) for word in (*words, "--threads", "1")])

    return run


@pytest.fixture
def alone(segment, bags, tmp_path):
    """Label a bag by a command of its own; give its messages."""

    def label(name):
        assert segment(bags / name, out=f"alone_{name}") == 0
        return read_raw(tmp_path / f"alone_{name}")

    return label


def outputs(out):
    return json.loads((out / "manifest.json").read_text())["outputs"]


def states(out):
    return {name: record["state"] for name, record in outputs(out).items()}


def test_a_bag_that_cannot_be_read_stops_no_other(segment, bags, alone, tmp_path, capsys):
    mcap = next((bags / "b").glob("*.mcap"))
    whole = mcap.read_bytes()
    mcap.write_bytes(b"no recording at all")
    assert segment(bags) == 1
    said = capsys.readouterr().err
    assert "3 of 4 recordings are done, 3 of them now" in said
    assert f"1 failed, and the same command tries them again: b: {mcap}" in said
    assert states(tmp_path / "out") == {"a": "done", "b": "failed", "c": "done", "d": "done"}
    for name in "acd":
        assert read_raw(tmp_path / "out" / name) == alone(name)
    mcap.write_bytes(whole)
    began = outputs(tmp_path / "out")["a"]["began"]
    assert segment(bags) == 0
    assert "4 of 4 recordings are done, 1 of them now" in capsys.readouterr().out
    assert outputs(tmp_path / "out")["a"]["began"] == began
    assert outputs(tmp_path / "out")["d"]["result"]["labelled"] == 6


def test_shares_are_apart_and_complete(segment, bags, tmp_path, capsys):
    assert segment(bags / "a", bags / "b", bags / "c", "--share", "1/2") == 0
    assert "1 of 1 recordings are done, 1 of them now; 2 are in other" in capsys.readouterr().out
    assert states(tmp_path / "out") == {"a": "waiting", "b": "done", "c": "waiting"}
    assert segment(bags / "a", bags / "b", bags / "c", "--share", "0/2") == 0
    assert set(states(tmp_path / "out").values()) == {"done"}


def test_other_settings_or_weights_label_anew(segment, bags, student, tmp_path, tiny_checkpoint):
    assert segment(bags / "a", "--processes", "1") == 0
    first = outputs(tmp_path / "out")["a"]
    assert segment(bags / "a", "--processes", "1", "--prompts", "car", "van") == 1
    # A student of eye(3) has no CLIP that reads new words: the labels that are there stay.
    assert read_raw(tmp_path / "out" / "a")
    assert segment(bags / "a", "--processes", "1", "--min-confidence", "0.1") == 0
    second = outputs(tmp_path / "out")["a"]
    assert second["settings"] != first["settings"]
    student.unlink()
    save_checkpoint(student, replace(tiny_checkpoint, scene_tokens=("c",)))
    assert segment(bags / "a", "--processes", "1", "--min-confidence", "0.1") == 0
    assert outputs(tmp_path / "out")["a"]["settings"] != second["settings"]


def test_processes_of_one_command_share_the_bags(segment, bags, alone, tmp_path):
    assert segment(bags, "--processes", "2") == 0
    told = outputs(tmp_path / "out")
    assert {one["state"] for one in told.values()} == {"done"}
    assert os.getpid() not in {one["pid"] for one in told.values()}
    assert read_raw(tmp_path / "out" / "d") == alone("d")


def test_what_a_killed_worker_began_is_done_once_by_another(bags, student, alone, tmp_path):
    for name in NAMES:  # long enough to be killed in
        for file in (bags / name).iterdir():
            file.unlink()
        (bags / name).rmdir()
        write_drive(bags / name, 60)
    out = tmp_path / "out"
    words = ["segment", bags, "--out", out, "--weights", student, "--threads", "1"]
    command = [*WORKER, *map(str, words)]
    victim = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    other = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        begun = _stopped_at_work(victim, out)
        assert not (out / begun).exists()
        victim.kill()
        _, said = other.communicate(timeout=300)
    finally:
        victim.kill()
        other.kill()
    assert other.returncode == 0
    done = re.findall(r"(\w): done", victim.communicate()[1] + said)
    assert sorted(done) == sorted(NAMES)
    told = outputs(out)
    assert {name: one["state"] for name, one in told.items()} == dict.fromkeys(NAMES, "done")
    assert told[begun]["pid"] == other.pid
    expected = alone("a")  # the four are the same
    assert [read_raw(out / name) == expected for name in NAMES] == [True] * 4
    assert sorted(path.name for path in out.iterdir()) == [".jobs", *NAMES, "manifest.json"]


def _stopped_at_work(worker, out):
    """Stop a worker while it labels a bag; give the bag."""
    for _ in range(3000):
        time.sleep(0.02)
        for record in out.glob(".jobs/?.json"):
            one = json.loads(record.read_text())
            if (one["state"], one["pid"]) == ("running", worker.pid):
                worker.send_signal(signal.SIGSTOP)
                time.sleep(0.1)
                if json.loads(record.read_text()) == one:
                    return record.stem
                worker.send_signal(signal.SIGCONT)
        assert worker.poll() is None
    raise AssertionError("the worker took no bag")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["{bags}", "--processes", "0"], "--processes must be 1 or more"),
        (["{bags}", "--view"], "--view and --rrd show one bag"),
        (["{bags}", "{bags}/a"], "would both be"),
        (["{bags}", "{bags}/../student.safetensors"], "is no recording"),
        (["{bags}", "--prompts", "dragon"], "error:"),
    ],
)
def test_what_does_not_fit_is_refused_before_any_bag(
    segment, bags, arguments, why, tmp_path, capsys
):
    assert segment(*(word.format(bags=bags) for word in arguments)) == 1
    assert why in capsys.readouterr().err
    assert (
        set(states(tmp_path / "out").values()) <= {"waiting"}
        if (tmp_path / "out").exists()
        else True
    )


def test_labels_do_not_go_among_the_bags(segment, bags, capsys):
    assert segment(bags, out="bags") == 1
    assert "holds the bags themselves" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["3", "2/2", "0/0", "-1/2", "a/b"])
def test_a_share_is_counted_from_zero(segment, bags, text, capsys):
    with pytest.raises(SystemExit):
        segment(bags, f"--share={text}")
    assert "must be" in capsys.readouterr().err
