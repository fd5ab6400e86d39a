"""The device and the number of threads that torch uses."""

from __future__ import annotations

import os

import torch


def find_device(name: str) -> torch.device:
    """Turn a name into a device of this machine.

    Args:
        name: "cpu", "cuda", "cuda:1", ...

    Raises:
        ValueError: If torch does not know the name or the machine has no such device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0].rstrip(".") if str(error) else type(error).__name__
        raise ValueError(f"device {name!r} cannot be used ({reason}); 'cpu' always can") from error
    return device


def use_threads(count: int = 0) -> None:
    """Set the number of torch threads for the whole process; only programs call this.

    Threads wait for each other. If another process needs a processor, for example the ROS
    middleware, all of them slow down: on two busy processors two threads label some per cent fewer
    sweeps than one, and fewer still where idle threads do not sleep (`let_idle_threads_sleep`).

    Args:
        count: Number of threads. 0 means half of the processors, but at most torch's own default.

    Raises:
        ValueError: If count is negative.
    """
    if count < 0:
        raise ValueError(f"threads must be 0 (half of the processors) or more, got {count}")
    half = max(1, (os.cpu_count() or 1) // 2)
    torch.set_num_threads(count or min(half, torch.get_num_threads()))
