"""The compiler of the world's inner loops, an optional dependency.

Compiled code is cached beside the source, and a change in one file does not renew its callers in
other files: after editing, delete `__pycache__/*.nb*`.
"""

from __future__ import annotations

try:
    from numba import njit
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'the embedded world is rendered with numba: pip install -c constraints.txt ".[train]"',
        name="numba",
    ) from error

__all__ = ["njit"]
