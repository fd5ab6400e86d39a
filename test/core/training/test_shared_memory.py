from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from clip2scene_core.training import shared_memory
from clip2scene_core.training.shared_memory import (
    SharedCollate,
    count_bytes,
    explain_worker_error,
)

Disk = namedtuple("Disk", "total used free")


@dataclass
class Batch:
    one: torch.Tensor
    other: torch.Tensor


@dataclass
class Nested:
    inner: Batch
    number: int = 3


def collate(samples):
    return Batch(torch.zeros(1000), torch.zeros(500, dtype=torch.float64))


class Broken(Dataset):
    def __len__(self):
        return 2

    def __getitem__(self, index):
        raise ValueError("sample.bin is truncated")


def test_the_bytes_of_all_tensors_count():
    assert count_bytes(Nested(collate([]))) == 8000


@pytest.mark.parametrize(
    ("total", "workers", "fits"), [(10**6, 2, True), (9000, 1, True), (9000, 2, False)]
)
def test_a_batch_that_does_not_fit_is_refused(monkeypatch, tmp_path, total, workers, fits):
    monkeypatch.setattr(shared_memory, "_FOLDER", tmp_path)
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda folder: Disk(total, 0, total))
    if fits:
        assert len(SharedCollate(collate, workers)([]).one) == 1000
    else:
        with pytest.raises(OSError, match=r"for 2 --workers .*--shm-size=2g or --ipc=host"):
            SharedCollate(collate, workers)([])


def test_memory_that_stays_full_is_refused(monkeypatch, tmp_path):
    monkeypatch.setattr(shared_memory, "_FOLDER", tmp_path)
    monkeypatch.setattr(shared_memory, "_WAIT_S", 0.3)
    free = iter([10, 10, 10**6])
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda f: Disk(10**7, 0, next(free)))
    SharedCollate(collate, 1)([])  # the training takes a batch, and there is room again
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda f: Disk(10**7, 0, 10))
    with pytest.raises(OSError, match="--workers 0"):
        SharedCollate(collate, 1)([])


def test_the_error_of_a_worker_is_one_line():
    with pytest.raises(ValueError, match="Original Traceback") as raised:
        list(DataLoader(Broken(), num_workers=1))
    assert str(explain_worker_error(raised.value)) == "sample.bin is truncated"
    late = RuntimeError("DataLoader timed out after 1800 seconds")
    assert "no worker has loaded a batch for 1800 s" in str(explain_worker_error(late))
    late = RuntimeError("DataLoader worker (pid 3) is killed by signal: Bus error.")
    assert "--shm-size" in str(explain_worker_error(late))
    assert explain_worker_error(RuntimeError("size mismatch")) is None


@pytest.mark.parametrize(
    ("processors", "free", "workers"), [(2, 1 << 30, 1), (1, 1 << 30, 0), (2, 64 << 20, 0)]
)
def test_a_worker_is_spared_where_processor_and_memory_are(monkeypatch, processors, free, workers):
    monkeypatch.setattr(shared_memory.os, "cpu_count", lambda: processors)
    monkeypatch.setattr(shared_memory.shutil, "disk_usage", lambda _: Disk(free, 0, free))
    assert shared_memory.spare_workers(1) == workers
