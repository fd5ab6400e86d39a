"""Memory that a program gave back and takes again costs it no page faults."""

import ctypes
import os
import platform
import subprocess
import sys

import pytest
from checkout import ROOT

from clip2scene_core.allocator import keep_freed_memory

SCRIPT = """
import resource, threading
import numpy as np
from clip2scene_core.allocator import keep_freed_memory
if {keeps}:
    assert keep_freed_memory()

def faults():
    begin = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        blocks = [np.ones(size << 17) for size in (1, 2, 4, 8, 16)]  # of MiB
        del blocks
    print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - begin)

for _ in range(2):  # in a thread, as the node labels
    thread = threading.Thread(target=faults)
    thread.start()
    thread.join()
"""


def page_faults(keeps):
    """Of the second twenty rounds, in a new process."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", SCRIPT.format(keeps=keeps)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[1])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the settings are glibc's")
def test_memory_that_is_kept_is_not_faulted_in_again():
    # The kernel may answer with large pages, and then there is little to save: the worst of five.
    most = max(page_faults(keeps=False) for _ in range(5))
    if most < 1000:
        pytest.skip(f"at most {most} page faults here without it")
    assert min(page_faults(keeps=True) for _ in range(5)) < most / 10


def test_nothing_happens_without_glibc(monkeypatch):
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(ctypes, "CDLL", lambda _: pytest.fail("asked for malloc"))
    assert not keep_freed_memory()
