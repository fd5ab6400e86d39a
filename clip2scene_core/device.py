"""The device that tensors live on, checked before anything is loaded."""

from __future__ import annotations

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
