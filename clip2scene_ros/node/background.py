"""A second thread for requests that take long, while the executor goes on with messages."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from rclpy.node import Node
from rclpy.task import Future

Result = TypeVar("Result")


class Background:
    """Does one job after the other, outside of the executor's thread.

    Callbacks await their job. While one waits, no other callback of its group is called, so
    callbacks that must not wait need another group.

    Args:
        node: The node whose executor runs the callbacks.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="background")

    async def run(self, job: Callable[[], Result]) -> Result:
        """Do a job; returns and raises what the job does."""
        future = Future(executor=self._node.executor)
        future.add_done_callback(lambda _: None)  # else nothing wakes the executor
        self._pool.submit(partial(_settle, future, job))
        result: Result = await future
        return result

    def close(self) -> None:
        """End after the present job, so that a file that it writes becomes complete."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _settle(future: Future, job: Callable[[], Result]) -> None:
    try:
        result = job()
    except Exception as error:  # noqa: BLE001  it is raised where the job is awaited
        future.set_exception(error)
    else:
        future.set_result(result)
