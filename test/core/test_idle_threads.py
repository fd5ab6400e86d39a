"""Torch's threads sleep when they have nothing to do, in programs that ask for it."""

import os
import platform
import subprocess
import sys

import pytest
from checkout import ROOT

from clip2scene_core.idle_threads import let_idle_threads_sleep

SCRIPT = """
import sys, time
from clip2scene_core.idle_threads import let_idle_threads_sleep
if {sleeps}:
    assert let_idle_threads_sleep()
import torch
torch.set_num_threads(2)
numbers = torch.ones(400_000)
torch.add(numbers, numbers)
begin = time.process_time()
for _ in range(40):
    torch.add(numbers, numbers)
    time.sleep(0.01)
print(time.process_time() - begin)
"""


def seconds_of_the_processor(sleeps: bool) -> float:
    """What forty short pieces of work with pauses cost a new process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY"):
        environment.pop(name, None)
    command = [sys.executable, "-c", SCRIPT.format(sleeps=sleeps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout)


@pytest.mark.skipif(
    platform.libc_ver()[0] != "glibc" or (os.cpu_count() or 1) < 2,
    reason="the setting is of GNU's OpenMP, and one thread waits for nobody",
)
def test_threads_that_sleep_cost_nothing() -> None:
    # Where other programs have the processors, threads are put to sleep anyway: the worst of three.
    most = max(seconds_of_the_processor(sleeps=False) for _ in range(3))
    if most < 0.15:
        pytest.skip(f"waiting costs at most {most:.2f} s here")
    assert min(seconds_of_the_processor(sleeps=True) for _ in range(3)) < most / 2


def test_what_the_environment_says_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    assert let_idle_threads_sleep()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
    monkeypatch.delenv("GOMP_SPINCOUNT")
    monkeypatch.setenv("OMP_WAIT_POLICY", "active")
    assert let_idle_threads_sleep()
    assert "GOMP_SPINCOUNT" not in os.environ


def test_after_torch_it_is_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setitem(sys.modules, "torch", sys)
    assert not let_idle_threads_sleep()
    assert "GOMP_SPINCOUNT" not in os.environ
