"""The compiler (numba) of the inner loops, an optional dependency.

Compiled code is cached beside the source. A change in one file does not recompile its callers in
other files: after a change, delete `__pycache__/*.nb*`.
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
    """Compile a function at its first call.

    A division by zero gives infinity, as in NumPy, because Python's exception needs a test for each
    division.

    Args:
        cache: Whether to keep the compiled code on disk.
        inline: "always" copies the function into its callers. This is faster if a call for each
            pixel passes many arrays, because numba counts a reference to each array.

    Returns:
        The decorator.
    """
    compiler = numba.njit(cache=cache, error_model="numpy", inline=inline)
    return cast("Callable[[Function], Function]", compiler)
