import errno
import fcntl
import subprocess
import sys

import pytest

from clip2scene_core.jobs.claim import NoLocksError, claim

HOLD = """
import sys, time
from pathlib import Path
from clip2scene_core.jobs.claim import claim
with claim(Path(sys.argv[1])) as is_mine:
    print(is_mine, flush=True)
    time.sleep(60)
"""


def test_one_has_a_claim_at_a_time(tmp_path):
    with claim(tmp_path / "a.lock") as first, claim(tmp_path / "a.lock") as second:
        assert (first, second) == (True, False)
    with claim(tmp_path / "a.lock") as third, claim(tmp_path / "b.lock") as other:
        assert (third, other) == (True, True)


def test_the_claim_of_a_killed_process_is_free(tmp_path):
    path = tmp_path / "a.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"True\n"
    with claim(path) as is_mine:
        assert not is_mine
    holder.kill()
    with claim(path, waits=True) as is_mine:
        assert is_mine
    holder.communicate()


def test_a_file_system_without_locks_is_named(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr(fcntl, "flock", refuse)
    refused = pytest.raises(NoLocksError, match="its file system has no locks")
    with refused, claim(tmp_path / "a.lock"):
        pass
