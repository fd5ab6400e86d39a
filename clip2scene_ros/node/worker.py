"""The thread that hands sweeps over: the newest one in, a labelled cloud out."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from clip2scene_core.inference.online import MissingCamerasError, OnlineSegmenter
from clip2scene_core.inference.pipeline import SweepPipeline
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView
from clip2scene_ros.labelling import as_sent, describe_sensor
from clip2scene_ros.messages.decode import stamp_ns
from clip2scene_ros.messages.quoting import one_line
from clip2scene_ros.node.health.sensor import SensorLog
from clip2scene_ros.node.health.statistics import SweepRecord
from clip2scene_ros.node.outputs.outputs import NodeOutputs
from clip2scene_ros.node.outputs.timing import SweepTiming
from clip2scene_ros.node.parameters.options import map_period_s
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind, SynchronizedSweep
from clip2scene_ros.sync.synchronizer import SweepSynchronizer

MAX_FAILURES_IN_A_ROW: Final = 5
"""After so many sweeps in a row that ended in an exception, the worker gives up."""

_IDLE_S: Final = 0.05
_JOIN_S: Final = 10.0

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class _OnItsWay:
    """A sweep in the pipeline, and when it went in, in seconds by a steady clock."""

    synchronized: SynchronizedSweep
    cameras: Sequence[CameraView]
    begin_s: float


class SegmentWorker:
    """Labels the newest ready sweep again and again, outside of the executor's thread.

    Results are published in the order of the sweeps, however many are labelled at once. A sweep
    that fails is counted and logged, and the next one is tried. After MAX_FAILURES_IN_A_ROW the
    worker gives up, marks the record, and labels nothing more. A sweep that neither a subscriber
    nor the map needs is dropped without decoding.

    Args:
        synchronizer: Releases sweeps.
        segmenter: Labels them and keeps the map.
        outputs: Publish the results.
        record: Counts what happened to the sweeps.
        now_ns: Gives the time now by the node's clock, in nanoseconds.
        values: Gives the node's present parameters; called once for each sweep.
        at_once: How many sweeps are labelled at once.
    """

    def __init__(
        self,
        synchronizer: SweepSynchronizer,
        segmenter: OnlineSegmenter,
        outputs: NodeOutputs,
        record: SweepRecord,
        now_ns: Callable[[], int],
        values: Callable[[], NodeParameters],
        at_once: int = 1,
    ) -> None:
        self._synchronizer = synchronizer
        self._segmenter = segmenter
        self._outputs = outputs
        self._record = record
        self._now_ns = now_ns
        self._values = values
        self._sensor_log = SensorLog()
        self._map_due_s = 0.0
        self._newest_stamp: Any = None
        self._mapped: tuple[Vocabulary, Any] | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._pipeline = SweepPipeline(segmenter, at_once, self.wake)
        self._on_their_way: deque[_OnItsWay] = deque()
        self._thread = threading.Thread(target=self._run, name="segment", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Tell the thread that a message arrived."""
        self._wake.set()

    def stop(self) -> None:
        """End the threads after the sweeps that they label now, which are not published."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_JOIN_S)
        self._pipeline.close(_JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                is_idle = not self._step()
            except Exception as error:  # noqa: BLE001  one bad sweep must not end the node
                self._note_failure(error)
                is_idle = True
            if is_idle:
                self._wake.wait(_IDLE_S)
                self._wake.clear()

    def _step(self) -> bool:
        """Publish a sweep that is labelled, begin with a new one; False if there was neither."""
        values = self._values()
        is_published = self._pipeline.is_ready
        if is_published:
            self._publish_oldest(values)
        if is_published or not self._on_their_way:
            self._publish_map_if_due(values)
        is_skipped, synchronized = False, None
        if self._record.has_given_up or self._record.is_paused:
            is_skipped = self._synchronizer.skip_newest(self._now_ns())
        elif map_period_s(values) is None and not self._outputs.has_subscribers():
            is_skipped = self._synchronizer.skip_newest(self._now_ns())
            if is_skipped:
                self._record.add_unwatched()
        elif not self._pipeline.is_full:
            synchronized = self._synchronizer.newest_sweep(self._now_ns())
        self._note(self._synchronizer.take_rejections())
        if synchronized is not None:
            self._begin(synchronized, values)
        elif not self._on_their_way:
            self._outputs.legend.announce(self._segmenter.vocabulary)
        return is_published or is_skipped or synchronized is not None

    def _begin(self, synchronized: SynchronizedSweep, values: NodeParameters) -> None:
        has_too_few = len(synchronized.cameras) < values.sync_min_cameras
        cameras = () if has_too_few else synchronized.cameras
        begin_s = time.monotonic()
        if synchronized.follows_time_jump:
            self._segmenter.reset()
        try:
            self._pipeline.put(synchronized.sweep, cameras)
        except MissingCamerasError:
            self._miss_cameras(
                synchronized, max(1, values.sync_min_cameras), "the sweep is dropped"
            )
            return
        self._on_their_way.append(_OnItsWay(synchronized, cameras, begin_s))
        if has_too_few:
            self._miss_cameras(synchronized, values.sync_min_cameras, "the LiDAR labels alone")

    def _publish_oldest(self, values: NodeParameters) -> None:
        done = self._on_their_way.popleft()
        synchronized, begin_s = done.synchronized, done.begin_s
        cloud = as_sent(self._pipeline.take(), synchronized)
        labelled_s = time.monotonic()
        if self._stopping.is_set() or self._record.is_paused:
            return  # a worker that was stopped or paused publishes nothing more
        self._outputs.legend.announce_cloud(
            cloud.vocabulary, synchronized.header, values.min_confidence
        )
        outgoing = self._outputs.sweeps.lay_out(cloud, synchronized)
        laid_out_s = time.monotonic()
        self._outputs.sweeps.send(outgoing)
        timing = SweepTiming(
            wait_s=synchronized.wait_s,
            decode_s=synchronized.decode_s,
            inference_s=labelled_s - begin_s,
            postprocess_s=laid_out_s - labelled_s,
            publish_s=time.monotonic() - laid_out_s,
            latency_s=(self._now_ns() - stamp_ns(synchronized.header)) * 1e-9,
        )
        self._outputs.timing.publish(timing)
        may_level = values.mode != "camera" and values.level != "off"
        told = self._segmenter.input
        sensor = describe_sensor(cloud, synchronized, values.base_frame, may_level, told)
        self._sensor_log.update(sensor)
        self._record.add_labelled(
            cloud,
            [view.name for view in done.cameras],
            timing,
            sensor,
            is_located=synchronized.sweep.is_located,
        )
        _LOGGER.debug(
            "labelled %d points by %d cameras: waited %.0f ms, worked %.0f ms, of which the "
            "segmenter %.0f ms; the labels are %.3f s old",
            len(cloud.points),
            len(done.cameras),
            1000 * timing.wait_s,
            1000 * timing.processing_s,
            1000 * timing.inference_s,
            timing.latency_s,
        )
        self._newest_stamp = synchronized.header.stamp

    def _miss_cameras(self, synchronized: SynchronizedSweep, least: int, outcome: str) -> None:
        reason = (
            f"{self._synchronizer.profile.cloud_topic}: cameras with an image: "
            f"{len(synchronized.cameras)} of {len(self._synchronizer.options.cameras)}, "
            f"needed: {least}; {outcome}"
        )
        self._note([Rejection(RejectionKind.TOO_FEW_CAMERAS, reason)])

    def _publish_map_if_due(self, values: NodeParameters) -> None:
        period_s = map_period_s(values)
        if period_s is None or self._newest_stamp is None:
            return
        vocabulary, stamp = self._mapped or (self._segmenter.vocabulary, None)
        # New prompts label the whole map at once: it is published without waiting for a sweep.
        if vocabulary is self._segmenter.vocabulary and (
            stamp is self._newest_stamp or time.monotonic() < self._map_due_s
        ):
            return
        begin_s = time.monotonic()
        labelled_map = self._segmenter.map()
        vocabulary, stamp = labelled_map.vocabulary, self._newest_stamp
        self._outputs.legend.announce(vocabulary)
        self._outputs.sweeps.publish_map(labelled_map, stamp)
        self._record.add_map(len(labelled_map.points), time.monotonic() - begin_s)
        self._map_due_s = time.monotonic() + period_s
        self._mapped = (vocabulary, stamp)

    def _note(self, rejections: list[Rejection]) -> None:
        self._record.add_rejections(rejections)
        for rejection in rejections:
            if rejection.kind is RejectionKind.TIME_JUMP:
                _LOGGER.info("%s", rejection.reason)
            else:
                _LOGGER.debug("%s: %s", rejection.kind.value, rejection.reason)

    def _note_failure(self, error: Exception) -> None:
        text = one_line(str(error)) or "no further text"
        text = f"{type(error).__name__}: {text}"
        if self._record.add_failure(text):
            _LOGGER.error("a sweep was lost: %s", text)
            _LOGGER.debug("the exception in full", exc_info=error)
        if self._record.num_failed_in_a_row >= MAX_FAILURES_IN_A_ROW:
            self._record.has_given_up = True
            _LOGGER.error("%d sweeps in a row were lost: giving up", MAX_FAILURES_IN_A_ROW)
