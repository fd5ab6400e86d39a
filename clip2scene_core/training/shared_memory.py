"""Batches of worker processes come in shared memory, of which containers often have little."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from torch import Tensor

WORKER_TIMEOUT_S: Final = 1800
"""A worker that waits for shared memory says nothing; none needs as long for a batch."""

_FOLDER: Final = Path("/dev/shm")
_WAIT_S: Final = 60.0
_WORKER_MEMORY: Final = 1 << 30
_CURE: Final = (
    "give the container --shm-size=2g or --ipc=host, choose a smaller batch_size or fewer "
    "--workers, or load keyframes in the training process with --workers 0"
)


def spare_workers(num_processes: int) -> int:
    """Give 1 if a worker has a processor and a gigabyte of shared memory for its batches, else 0.

    Args:
        num_processes: Number of processes that train on this machine.
    """
    has_processor = (os.cpu_count() or 1) > num_processes
    has_memory = _FOLDER.is_dir() and shutil.disk_usage(_FOLDER).free >= _WORKER_MEMORY
    return int(has_processor and has_memory)


class SharedCollate:
    """Joins keyframes to a batch in a worker, and looks whether it fits into shared memory.

    Torch's own worker fails there in a thread that nobody hears, and the training waits for ever.

    Args:
        collate: Joins a list of keyframes to a batch, a dataclass of tensors.
        num_workers: Number of workers that share the memory.
    """

    def __init__(self, collate: Callable[[list[Any]], Any], num_workers: int) -> None:
        self._collate, self._num_workers = collate, num_workers

    def __call__(self, samples: list[Any]) -> Any:
        """Join keyframes to a batch.

        Raises:
            OSError: If the shared memory is too small for the batch, or stays full for a minute.
        """
        batch = self._collate(samples)
        if not _FOLDER.is_dir():  # other systems share memory in another way
            return batch
        size = count_bytes(batch)
        end = time.monotonic() + _WAIT_S
        while True:
            disk = shutil.disk_usage(_FOLDER)
            # Other workers may be about to write a batch like this one.
            if disk.free > self._num_workers * size:
                return batch
            if disk.total < self._num_workers * size or time.monotonic() > end:
                raise OSError(
                    f"{_FOLDER} has {disk.total / 1e6:.1f} MB, {disk.free / 1e6:.1f} MB of them "
                    f"free, too little for {self._num_workers} --workers with batches of "
                    f"{size / 1e6:.1f} MB each; {_CURE}"
                )
            time.sleep(0.1)


def count_bytes(batch: Any) -> int:
    """Count the bytes of all tensors in a dataclass of tensors and such dataclasses."""
    if isinstance(batch, Tensor):
        return batch.element_size() * batch.nelement()
    if dataclasses.is_dataclass(batch):
        return sum(count_bytes(getattr(batch, f.name)) for f in dataclasses.fields(batch))
    return 0


def explain_worker_error(error: Exception) -> Exception | None:
    """Make one line of what torch makes of an error in a worker; None if it is of no worker."""
    message = str(error)
    if "Original Traceback" in message:
        # The last line of a traceback is "package.Type: message".
        kind, _, reason = message.strip().splitlines()[-1].partition(": ")
        return OSError(reason) if isinstance(error, OSError) else ValueError(reason or kind)
    if not isinstance(error, RuntimeError) or "DataLoader" not in message:
        return None
    if "timed out" in message:
        return OSError(f"no worker has loaded a batch for {WORKER_TIMEOUT_S} s; {_CURE}")
    return OSError(f"a worker that loads keyframes has died, perhaps for lack of memory; {_CURE}")
