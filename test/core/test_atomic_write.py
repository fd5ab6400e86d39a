import os
import stat
import subprocess
import sys

import pytest

from clip2scene_core.atomic_write import atomic_write


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "a.json"
    with atomic_write(path) as draft:
        draft.write_text("half")
        assert not path.exists()
        assert draft.parent == path.parent  # a rename is atomic within one file system only
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
