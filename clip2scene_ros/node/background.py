"""A second thread for requests that take long: the executor goes on hearing messages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from rclpy.node import Node
from rclpy.task import Future

Result = TypeVar("Result")


class Background:
    """Does one job after the other, away from the executor's thread.

    Callbacks await it. As long as one does, no other callback of its group is called, so whoever
    shall not wait for it needs a group of his own.

    Args:
        node: Whose executor the callbacks run on.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")

    async def run(self, job: Callable[[], Result]) -> Result:
        """Do a job; returns what it returns and raises what it raises."""
        future = Future(executor=self._node.executor)
        future.add_done_callback(lambda _: None)  # else nothing wakes the executor
        self._pool.submit(partial(_settle, future, job))
        result: Result = await future
        return result

    def close(self) -> None:
        """End after the job that is being done: a file that is being written becomes whole."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _settle(future: Future, job: Callable[[], Result]) -> None:
    try:
        result = job()
    except Exception as error:  # noqa: BLE001  it is raised where the job is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
