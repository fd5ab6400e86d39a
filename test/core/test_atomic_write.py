import os
import shutil
import stat
import subprocess
import sys
import tempfile

import pytest

from clip2scene_core import atomic_write as atomic_write_module
from clip2scene_core.atomic_write import atomic_folder, atomic_write, scratch_folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a.json"
    with atomic_write(path) as draft:
        draft.write_text("half")
        assert not path.exists()
        assert draft.parent.parent == path.parent  # a rename is atomic within one file system
        assert draft.name == path.name  # numpy and Pillow look at the suffix
        draft.write_text("whole")
    assert path.read_text() == "whole"
    assert names(tmp_path) == ["a.json"]


def test_a_new_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with atomic_write(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert names(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_leaves_the_old_file_and_no_draft(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")

    def write_half() -> None:
        with atomic_write(path) as draft:
            draft.write_text("half")
            raise error

    with pytest.raises(error):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_others_may_read_the_file_as_any_new_one(tmp_path):
    path = tmp_path / "a.json"
    before = os.umask(0o027)
    try:
        with atomic_write(path) as draft:
            draft.write_text("a")
            draft.chmod(0o600)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_draft_that_was_never_written_is_an_error(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), atomic_write(path):
        pass
    assert path.read_text() == "old"


OTHER_WRITER = """
import sys
from pathlib import Path
from clip2scene_core.atomic_write import atomic_write

with atomic_write(Path(sys.argv[1])) as draft:
    draft.write_text("the other's")
    print("written", flush=True)
    sys.stdin.readline()
"""


@pytest.mark.parametrize("is_other_last", [True, False])
def test_of_two_writers_the_last_one_wins(tmp_path, is_other_last):
    path = tmp_path / "a.json"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    command = [sys.executable, "-c", OTHER_WRITER, str(path)]
    with subprocess.Popen(command, **pipes) as other:
        with atomic_write(path) as draft:
            draft.write_text("ours")
            assert other.stdout.readline() == "written\n"
            if not is_other_last:
                other.communicate("end\n", timeout=60)
                assert path.read_text() == "the other's"
        assert path.read_text() == "ours"
        if is_other_last:
            other.communicate("end\n", timeout=60)
        assert other.returncode == 0
    assert path.read_text() == ("the other's" if is_other_last else "ours")
    assert names(tmp_path) == ["a.json"]


def test_a_folder_appears_when_it_is_complete(tmp_path):
    out = tmp_path / "new" / "world"
    with atomic_folder(out) as draft:
        draft.mkdir()
        (draft / "a").write_text("a")
        assert not out.exists()
    assert (out / "a").read_text() == "a"
    assert names(out.parent) == ["world"]
    with pytest.raises(FileExistsError, match="not empty"), atomic_folder(out):
        pass
    (tmp_path / "empty").mkdir()
    with atomic_folder(tmp_path / "empty") as draft:
        draft.mkdir()
        (draft / "a").touch()
    assert names(tmp_path / "empty") == ["a"]


def test_an_error_leaves_no_folder(tmp_path):
    def write_half() -> None:
        with atomic_folder(tmp_path / "world") as draft:
            draft.mkdir()
            (draft / "a").touch()
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        write_half()
    assert names(tmp_path) == []


@pytest.mark.parametrize("name", ["a.json", "n" * 240])
def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path, name):
    path = tmp_path / name
    command = [sys.executable, "-c", OTHER_WRITER, str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, **pipes) as other:
        assert other.stdout.readline() == "written\n"
        with atomic_write(tmp_path / f"{name[:200]}.other") as draft:
            draft.write_text("beside")
        with atomic_write(path) as draft:  # it lives: its draft is not touched
            draft.write_text("ours")
        other.kill()
    assert len(names(tmp_path)) == 3
    with atomic_write(path) as draft:
        draft.write_text("ours")
    assert names(tmp_path) == sorted([name, f"{name[:200]}.other"])


@pytest.mark.parametrize("is_opened", [False, True])
def test_a_writer_begins_anew_if_another_takes_its_new_folder_for_left_over(
    tmp_path, monkeypatch, is_opened
):
    """Two processes that write the same file: one may clear away what the other has just made."""
    make, lock, taken = tempfile.mkdtemp, atomic_write_module._is_locked, []

    def take(folder):
        shutil.rmtree(folder)
        taken.append(folder)

    def made(*arguments):
        folder = make(*arguments)
        if not is_opened and not taken:
            take(folder)
        return folder

    def locked(handle):
        if is_opened and not taken:
            take(next(tmp_path.glob(".*.unfinished")))
        return lock(handle)

    monkeypatch.setattr(tempfile, "mkdtemp", made)
    monkeypatch.setattr(atomic_write_module, "_is_locked", locked)
    with atomic_write(tmp_path / "table.npz") as draft:
        draft.write_bytes(b"whole")
    assert names(tmp_path) == ["table.npz"]
    assert len(taken) == 1


def test_a_folder_takes_the_place_of_another_when_it_is_complete(tmp_path):
    path = tmp_path / "a"
    path.mkdir()
    (path / "old.txt").write_text("old")

    def fill(content):
        with atomic_folder(path, replaces=True) as draft:
            draft.mkdir()
            (draft / "new.txt").write_text(content)
            assert names(path) == ["old.txt"]
            if content == "half":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill("half")
    assert names(path) == ["old.txt"]
    fill("whole")
    assert (names(tmp_path), names(path)) == (["a"], ["new.txt"])


SCRATCH = """
import sys
from clip2scene_core.atomic_write import scratch_folder
with scratch_folder("job") as folder:
    (folder / "large").write_text("a")
    print("written", flush=True)
    sys.stdin.read()
"""


def test_scratch_folders_of_killed_processes_go_with_the_next(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-c", SCRATCH]
    with subprocess.Popen(command, env=environment, **pipes) as other:
        assert other.stdout.readline() == "written\n"
        with scratch_folder("job"):
            assert len(names(tmp_path)) == 2
        other.kill()
    assert len(names(tmp_path)) == 1
    with scratch_folder("job") as folder:
        assert names(tmp_path) == [folder.name]
    assert names(tmp_path) == []


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np, torch
from safetensors.torch import save_file
from clip2scene_core.atomic_write import atomic_write

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
values = np.random.default_rng(0).random(10_000)
writers = {
    "text": lambda draft: draft.write_text("a" * 100_000),
    "tofile": values.tofile,
    "npz": lambda draft: np.savez(draft.with_suffix(".npz"), values),
    "safetensors": lambda draft: save_file({"a": torch.from_numpy(values)}, draft),
}
for name, write in writers.items():
    path = Path(sys.argv[1]) / name
    path.write_text("old")
    try:
        with atomic_write(path) as draft:
            write(draft)
    except OSError as error:
        assert "could not be written whole: the disk is full" in str(error), error
        assert str(path) in str(error)
    else:
        raise AssertionError(name)
    assert path.read_text() == "old"
"""


def test_a_full_disk_leaves_the_old_file_and_is_named(tmp_path):
    subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], check=True, timeout=60)
    assert names(tmp_path) == ["npz", "safetensors", "text", "tofile"]
