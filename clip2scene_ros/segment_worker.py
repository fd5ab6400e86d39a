"""The thread that labels: newest sweep in, labelled cloud out."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from clip2scene_core.online import MissingCamerasError, OnlineSegmenter
from clip2scene_core.vocabulary import Vocabulary
from clip2scene_ros.assembler import SweepAssembler
from clip2scene_ros.assembly import AssembledSweep, Rejection, RejectionKind
from clip2scene_ros.conversions import stamp_ns
from clip2scene_ros.diagnostics import SweepRecord
from clip2scene_ros.publishers import SegmentPublishers

_IDLE_S = 0.05
_JOIN_S = 10.0

_LOGGER = logging.getLogger(__name__)


class SegmentWorker:
    """Labels the newest ready sweep, over and over, away from the executor's thread.

    A sweep that fails is counted and logged, and the next one is tried.

    Args:
        assembler: Gives sweeps.
        engine: Labels them.
        publishers: Take the results.
        record: Is told what happened.
        now_ns: The node's clock.
        map_period_s: Least time between two maps; None publishes none.
    """

    def __init__(
        self,
        assembler: SweepAssembler,
        engine: OnlineSegmenter,
        publishers: SegmentPublishers,
        record: SweepRecord,
        now_ns: Callable[[], int],
        map_period_s: float | None,
    ) -> None:
        self._assembler = assembler
        self._engine = engine
        self._publishers = publishers
        self._record = record
        self._now_ns = now_ns
        self._map_period_s = map_period_s
        self._map_due_s = 0.0
        self._mapped: tuple[Vocabulary, Any] | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="segment", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def wake(self) -> None:
        """Say that a message came in."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread after the sweep that it works on."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                is_idle = not self._step()
            except Exception as error:  # noqa: BLE001  one bad sweep must not end the node
                self._complain(error)
                is_idle = True
            if is_idle:
                self._wake.wait(_IDLE_S)
                self._wake.clear()

    def _step(self) -> bool:
        """Label one sweep if there is one; False if there was none."""
        assembled = self._assembler.newest_sweep(self._now_ns())
        self._record.add_rejections(
            self._assembler.take_rejections(), self._assembler.options.cameras
        )
        if assembled is None:
            self._publishers.announce(self._engine.vocabulary)
        else:
            self._label(assembled)
        self._publish_map_if_due()
        return assembled is not None

    def _label(self, assembled: AssembledSweep) -> None:
        if assembled.follows_time_jump:
            self._engine.reset()
        begin_s = time.monotonic()
        try:
            cloud = self._engine.add(assembled.sweep, assembled.cameras)
        except MissingCamerasError as error:
            topic = self._assembler.profile.cloud_topic
            reason = Rejection(RejectionKind.CAMERA, f"{topic}: {error}")
            self._record.add_rejections([reason])
            return
        inference_s = time.monotonic() - begin_s
        if self._stopping.is_set():
            return  # who stopped the worker must not hear of it again
        self._publishers.announce(cloud.vocabulary)
        self._publishers.publish_cloud(cloud, assembled.header)
        latency_s = (self._now_ns() - stamp_ns(assembled.header)) * 1e-9
        self._record.add_labelled(inference_s, latency_s)
        self._mapped = (cloud.vocabulary, assembled.header.stamp)

    def _publish_map_if_due(self) -> None:
        if self._map_period_s is None or self._mapped is None:
            return
        vocabulary, stamp = self._mapped
        # Once the words have changed, the legend no longer explains the labels in the map.
        if time.monotonic() < self._map_due_s or vocabulary is not self._engine.vocabulary:
            return
        self._publishers.publish_map(self._engine.map(), vocabulary, stamp)
        self._map_due_s = time.monotonic() + self._map_period_s
        self._mapped = None

    def _complain(self, error: Exception) -> None:
        text = " ".join(str(error).split()) or "no further text"
        text = f"{type(error).__name__}: {text}"
        if self._record.add_failure(text):
            _LOGGER.error("a sweep was lost: %s", text)
            _LOGGER.debug("the exception in full", exc_info=error)
