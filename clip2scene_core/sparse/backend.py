"""Choose between compiled loops and torch operations for voxels and kernel maps."""

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
    return _compiled() if tensor.device.type == "cpu" else None


@functools.cache
def _compiled() -> ModuleType | None:
    try:
        return importlib.import_module("clip2scene_core.sparse.compiled")
    except (ImportError, RuntimeError):
        return None
