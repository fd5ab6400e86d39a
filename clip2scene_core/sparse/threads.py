"""Threads for compiled loops: they sleep while they have nothing to do."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import torch


def run_in_parts(compute: Callable[[int, int], None], bounds: list[int]) -> None:
    """Call a function once for each part of a range, on as many threads as torch has.

    Each thread takes the next part when it has done one. Where processors are busy and the others
    come late, the caller's thread does all of them, and does not wait.

    Args:
        compute: Takes the begin and the end of a part; releases the interpreter's lock.
        bounds: Where parts begin, and the end of the last one.
    """
    parts = iter(list(pairwise(bounds)))  # shared: each part goes to one thread

    def take_parts() -> None:
        for begin, end in parts:
            compute(begin, end)

    num_threads = min(torch.get_num_threads(), len(bounds) - 1)
    helpers = [_pool().submit(take_parts) for _ in range(num_threads - 1)]
    try:
        take_parts()
    finally:
        for helper in helpers:
            if not helper.cancel():
                helper.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="convolution")


# Threads do not survive a fork, and a pool does not notice.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_pool.cache_clear)
