"""Several sweeps at once through one segmenter: more of them per second, each no sooner."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait

from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.inference.prepared_sweep import AnsweredSweep
from clip2scene_core.sample import CameraView, Sweep


class SweepPipeline:
    """Labels sweeps side by side, each in a thread of its own, and gives them back in order.

    A sweep takes as long as alone, or a little longer; with two at once, a second one is on its way
    meanwhile. Labels and map are those of `OnlineSegmenter.segment`, sweep by sweep.

    Args:
        segmenter: Labels them and keeps the map.
        at_once: How many sweeps are labelled at once, 1 or more.
        on_ready: Called from another thread when a sweep is done.

    Raises:
        ValueError: If at_once is below 1.

    Example:
        >>> import numpy as np
        >>> from clip2scene_core import Sweep, load_online_segmenter
        >>> points = np.array([[5.0, 1.0, -1.8, 0.1], [9.0, 0.0, -1.0, 0.3]], np.float32)
        >>> segmenter = load_online_segmenter("small", prompts=["car", "road"])
        >>> pipeline = SweepPipeline(segmenter, at_once=2)
        >>> sweeps = [Sweep(points, np.eye(4), stamp_ns) for stamp_ns in (0, 50_000_000)]
        >>> [cloud.stamp_ns for cloud in pipeline.segment_all((one, ()) for one in sweeps)]
        [0, 50000000]
        >>> pipeline.close()
    """

    def __init__(
        self,
        segmenter: OnlineSegmenter,
        at_once: int,
        on_ready: Callable[[], None] = lambda: None,
    ) -> None:
        if at_once < 1:
            raise ValueError(f"at_once must be 1 or more, got {at_once}")
        self._segmenter = segmenter
        self._at_once = at_once
        self._on_ready = on_ready
        self._threads = ThreadPoolExecutor(at_once, thread_name_prefix="label")
        self._on_their_way: deque[Future[AnsweredSweep]] = deque()

    @property
    def is_full(self) -> bool:
        """Whether `put` has to wait for a `take`."""
        return len(self._on_their_way) >= self._at_once

    @property
    def is_ready(self) -> bool:
        """Whether `take` would return at once."""
        return bool(self._on_their_way) and self._on_their_way[0].done()

    def put(self, sweep: Sweep, cameras: Sequence[CameraView] = ()) -> None:
        """Begin with a sweep; see `OnlineSegmenter.segment`.

        Raises:
            MissingCamerasError: In mode "camera" without cameras.
            ValueError: If `T_base_lidar` holds no rotation, or the pipeline is full.
        """
        if self.is_full:
            raise ValueError(f"{self._at_once} sweeps are on their way: take one first")
        prepared = self._segmenter.prepare(sweep, cameras)
        future = self._threads.submit(self._segmenter.answer, prepared)
        self._on_their_way.append(future)
        future.add_done_callback(lambda _: self._on_ready())

    def take(self) -> LabelledCloud:
        """Wait for the oldest sweep, and begin to add it to the map.

        Raises:
            IndexError: If no sweep is on its way.
            Exception: What labelling this sweep raised; the next `take` gives the next sweep.
        """
        return self._segmenter.complete(self._on_their_way.popleft().result())

    def segment_all(
        self, sweeps: Iterable[tuple[Sweep, Sequence[CameraView]]]
    ) -> Iterator[LabelledCloud]:
        """Label sweeps with their cameras, as many at once as the pipeline takes, in order.

        Raises:
            Exception: What `put` or `take` raised; the sweeps after it are still on their way.
        """
        for sweep, cameras in sweeps:
            if self.is_full:
                yield self.take()
            self.put(sweep, cameras)
        while self._on_their_way:
            yield self.take()

    def close(self, timeout_s: float | None = None) -> None:
        """Forget the sweeps that are on their way, and wait for the threads that label them.

        Args:
            timeout_s: Longest time to wait, in seconds; None waits for the end.
        """
        self._threads.shutdown(wait=False, cancel_futures=True)
        wait(self._on_their_way, timeout_s)
        self._on_their_way.clear()
