"""The compiler of the world's inner loops, an optional dependency.

Compiled code is cached beside the source, and a change in one file does not renew its callers in
other files: after editing, delete `__pycache__/*.nb*`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, cast

Function = TypeVar("Function")

try:
    import numba
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        'the synthetic world is rendered with numba: pip install -c constraints.txt ".[train]"',
        name="numba",
    ) from error


def njit(
    cache: bool, inline: Literal["never", "always"] = "never"
) -> Callable[[Function], Function]:
    """Compile a function when it is first called.

    Divisions by zero give infinity, as in NumPy: Python's exception would cost a test for each.

    Args:
        cache: Whether to keep the compiled code on disk.
        inline: "always" copies the function into its callers. It pays where a call for each pixel
            passes many arrays, since numba counts a reference to each of them.

    Returns:
        The decorator.
    """
    compiler = numba.njit(cache=cache, error_model="numpy", inline=inline)
    return cast("Callable[[Function], Function]", compiler)
