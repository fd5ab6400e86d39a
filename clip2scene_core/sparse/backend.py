"""Choose between compiled loops and operations of torch or NumPy."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

from torch import Tensor


def compiled_for(tensor: Tensor) -> ModuleType | None:
    """Give `compiled`, or None where torch operations have to do.

    That is on a GPU, without numba, and where numba has no folder to keep its code in: to compile
    at every start would take seconds.
    """
    return compiled_module("sparse.compiled") if tensor.device.type == "cpu" else None


@functools.cache
def compiled_module(name: str) -> ModuleType | None:
    """Give a compiled module, such as "sparse.compiled"; None where it cannot be used at all."""
    try:
        return importlib.import_module(f"clip2scene_core.{name}")
    except (ImportError, RuntimeError):
        return None
