"""Where and with how many threads torch computes."""

from __future__ import annotations

import os

import torch


def find_device(name: str) -> torch.device:
    """Turn a name into a device that is there.

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
    """Set the threads that torch computes with, for the whole process: a program's choice.

    Torch's threads spin while they wait for each other. Where something else needs a processor,
    such as the middleware beside a node, all of them lose: on two busy processors two threads label
    six times fewer sweeps than one.

    Args:
        count: 0 takes half of the processors, and no more than torch would take by itself.

    Raises:
        ValueError: If count is negative.
    """
    if count < 0:
        raise ValueError(f"threads must be 0 (half of the processors) or more, got {count}")
    half = max(1, (os.cpu_count() or 1) // 2)
    torch.set_num_threads(count or min(half, torch.get_num_threads()))
