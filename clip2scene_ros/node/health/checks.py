"""Turn counts into diagnostic items that name the topic, the frame or the camera."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from clip2scene_ros.labelling import lasting_notes
from clip2scene_ros.messages.quoting import quoted
from clip2scene_ros.node.health.diagnostics import ERROR, OK, WARN, Item
from clip2scene_ros.node.health.sensor import sensor_item
from clip2scene_ros.node.health.statistics import WINDOW_S, Recent, SweepRecord
from clip2scene_ros.node.health.threshold import Threshold
from clip2scene_ros.node.parameters.table import NodeParameters
from clip2scene_ros.node.subscription import SensorSubscription
from clip2scene_ros.sync.sweeps import RejectionKind

if TYPE_CHECKING:
    from clip2scene_core.inference.online import OnlineSegmenter

_CLOUD_FAULTS: Final = (RejectionKind.BAD_CLOUD, RejectionKind.ZERO_STAMP)
_CAMERA_FAULTS: Final = (RejectionKind.UNCALIBRATED, RejectionKind.ZERO_STAMP)
_LOSSES: Final = (RejectionKind.NO_POSE, RejectionKind.NO_EXTRINSICS)
_POSE_FAULTS: Final = (
    *_LOSSES,
    RejectionKind.EXTRINSICS_MOVED,
    RejectionKind.BAD_TRANSFORM,
)
_TF_INPUTS: Final = ("tf", "tf_static")
_PATIENCE_S: Final = 2.0
_MISSED_PERIODS: Final = 3
_BRIEFLY_S: Final = 0.3


class NodeHealth:
    """Judges the inputs and the sweeps at each call of `items`, about once a second.

    A fault that was seen stands until something has gone well that could not have with it: what is
    merely not heard of any more is not called mended.

    Ratios, rates and times are those of the last WINDOW_S seconds; counts are those since the
    start.

    Args:
        values: Gives the node's present parameters.
        inputs: Subscriptions by name of the input, from SensorInputs.
        record: Counts of sweeps and rejections.
        segmenter: Knows the present prompts.
        resolve: Resolves a topic name of the node.
    """

    def __init__(
        self,
        values: Callable[[], NodeParameters],
        inputs: Mapping[str, SensorSubscription],
        record: SweepRecord,
        segmenter: OnlineSegmenter,
        resolve: Callable[[str], str],
    ) -> None:
        self._read_values = values
        self._inputs = inputs
        self._record = record
        self._segmenter = segmenter
        self._resolve = resolve
        self._is_dropping = Threshold()
        self._is_long = Threshold()
        self._is_quiet = {name: Threshold() for name in inputs}
        self._notes: tuple[str, ...] = ()
        self._received: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])

    @property
    def _values(self) -> NodeParameters:
        return self._read_values()

    def items(self) -> list[Item]:
        """Judge LiDAR, its place, cameras, poses, inference, prompts and map, in this order."""
        recent = self._record.recent()
        return [
            self._lidar(recent),
            self._sensor(recent),
            *self._cameras(recent),
            self._poses(recent),
            self._inference(recent),
            self._prompts(),
            self._map(),
        ]

    def _lidar(self, recent: Recent) -> Item:
        lidar = self._inputs["lidar"]
        reason = self._record.standing_reason(_CLOUD_FAULTS, self._record.last_labelled_s)
        num_empty = sum(facts.num_points == 0 for facts in recent.labelled)
        if self._is_silent("lidar"):
            level, message = ERROR, self._outage("no cloud on", lidar)
        elif reason:
            level, message = ERROR, reason
        elif not lidar.received:
            level, message = OK, f"waits for the first cloud on {lidar.topic}"
        elif num_empty:
            level, message = WARN, f"{num_empty} clouds on {lidar.topic} were empty"
        else:
            level, message = OK, f"clouds come in on {lidar.topic}"
        values = {
            **_facts(lidar),
            "bad clouds": sum(self._record.count(kind) for kind in _CLOUD_FAULTS),
            "empty clouds": num_empty,
        }
        if recent.labelled:
            newest = recent.labelled[-1]
            values["points"] = newest.num_points
            values["points not finite"] = newest.num_not_finite
            values["points unlabelled"] = newest.num_unlabelled
        return Item("lidar", level, message, values, is_waited_for=not lidar.received)

    def _sensor(self, recent: Recent) -> Item:
        sweeps = [facts.sensor for facts in recent.labelled]
        self._notes = lasting_notes(sweeps, self._notes)
        return sensor_item(sweeps, self._values.level, self._notes)

    def _cameras(self, recent: Recent) -> Iterator[Item]:
        # Mode camera cannot label without cameras; in mode fused the labels only get worse.
        fault = ERROR if self._values.mode == "camera" else WARN
        cameras = [c for c in self._values.cameras if f"{c} image" in self._inputs]
        for camera in cameras:
            image, info = self._inputs[f"{camera} image"], self._inputs.get(f"{camera} info")
            used_s = self._record.last_used_s(camera)
            reason = self._record.standing_reason([RejectionKind.CAMERA], used_s, camera)
            unusable = self._record.standing_reason(_CAMERA_FAULTS, used_s, camera)
            if self._is_silent(f"{camera} image"):
                level, message = fault, self._outage("no image on", image)
            elif info is not None and not info.received and self._is_silent(f"{camera} info"):
                level, message = fault, self._outage("no CameraInfo on", info)
            elif unusable:
                level, message = ERROR, unusable
            elif reason:
                level, message = fault, reason
            else:
                level, message = OK, f"images from {image.topic}"
            used = sum(camera in facts.cameras for facts in recent.labelled)
            values = {**_facts(image), "used ratio": used / max(1, len(recent.labelled))}
            if info is not None:
                values["CameraInfo publishers"] = info.num_publishers()
                values["CameraInfo received"] = info.received
            is_waited_for = not (image.received and (info is None or info.received))
            yield Item(f"camera {camera}", level, message, values, is_waited_for)

    def _poses(self, recent: Recent) -> Item:
        values = self._values
        reason = self._record.standing_reason(_POSE_FAULTS, self._record.last_located_s)
        odometry = self._inputs.get("odometry")
        lost = sum(recent.rejected[kind] for kind in _LOSSES)
        ratio = lost / max(1, lost + len(recent.labelled))
        level, message = OK, f"poses of {values.base_frame} in {values.fixed_frame}"
        if values.pose_source == "none":
            message = "not used: pose_source is none"
        elif odometry is not None and self._is_silent("odometry"):
            level, message = ERROR, self._outage("no odometry on", odometry)
        elif reason:
            is_lasting = lost > 0 and self._starved_s() > values.input_timeout_s
            level = ERROR if is_lasting else WARN
            message = f"{100 * ratio:.0f} % of the sweeps lost; {reason}" if lost else reason
            message += "".join(f"; {hint}" for hint in self._tf_hints())
        elif self._is_starved():
            level = WARN
            message = f"no sweep has a pose yet{''.join(f'; {hint}' for hint in self._tf_hints())}"
        missing = {kind.value: self._record.count(kind) for kind in _POSE_FAULTS}
        facts = {"pose_source": values.pose_source, "lost ratio": ratio, **missing}
        source = self._inputs.get(values.pose_source)
        if source is not None:
            facts = {"topic": source.topic, **facts}
        for name in ("odometry", *_TF_INPUTS):
            if name in self._inputs:
                facts[f"{name} publishers"] = self._inputs[name].num_publishers()
                facts[f"{name} received"] = self._inputs[name].received
        # A node that starts beside a running robot gets clouds a moment before poses.
        is_waited_for = not self._record.num_labelled
        return Item("tf", level, message, facts, is_waited_for)

    def _is_starved(self) -> bool:
        """Whether clouds come, and none got a pose for so long that they all wait."""
        is_waiting = self._inputs["lidar"].received > 0 and not self._record.num_labelled
        return is_waiting and bool(self._tf_hints()) and self._starved_s() > _PATIENCE_S

    def _tf_hints(self) -> Iterator[str]:
        """Say what did not come on /tf and /tf_static: nobody publishes, or nobody latches."""
        if self._values.pose_source != "tf":
            return
        for name in _TF_INPUTS:
            source = self._inputs.get(name)
            if source is not None and not source.received:
                yield f"nothing came on {source.describe()}"
            elif source is not None and source.is_partly_volatile():
                yield f"some of it is missing: {source.describe()}"

    def _inference(self, recent: Recent) -> Item:
        record, values = self._record, self._values
        input_hz = self._input_hz()
        is_over = self._has_ended(input_hz)
        num_labelled = len(recent.labelled)
        dropped = recent.rejected[RejectionKind.OVERTAKEN]
        ratio = dropped / max(1, num_labelled + dropped)
        processing_ms = [1000 * facts.timing.processing_s for facts in recent.labelled]
        ages_ms = [1000 * facts.timing.latency_s for facts in recent.labelled]
        typical_ms = _percentile(processing_ms, 50)
        # What is left of a bag that has ended says nothing of the next one, and needs no advice.
        is_dropping = self._is_dropping.judge(0.0 if is_over else ratio, values.max_drop_ratio)
        is_long = self._is_long.judge(0.0 if is_over else typical_ms, values.max_processing_ms)
        failure = record.failure()
        too_few_cameras = record.recent_reason([RejectionKind.TOO_FEW_CAMERAS])
        if record.has_given_up:
            level = ERROR
            message = f"gave up after {record.num_failed_in_a_row} lost sweeps in a row: {failure}"
        elif record.is_paused:
            level, message = WARN, "paused by ~/set_enabled: sweeps are not labelled"
        elif failure:
            level, message = ERROR, f"the last sweep was lost: {failure}"
        elif too_few_cameras:
            level, message = WARN, too_few_cameras
        elif is_dropping:
            level = WARN
            message = (
                f"too slow: {100 * ratio:.0f} % of the sweeps were overtaken by newer ones; with "
                f"idle processors, sweeps_at_once may be more than {values.sweeps_at_once}"
            )
        elif is_long:
            level = WARN
            message = (
                f"too slow: a sweep takes {typical_ms:.0f} ms, "
                f"max_processing_ms is {values.max_processing_ms:.0f}"
            )
        elif recent.num_unwatched:
            level, message = OK, "nobody listens: sweeps are not labelled (output.lazy)"
        else:
            level, message = OK, f"{record.num_labelled} sweeps labelled"
        numbers = {
            "topic": self._resolve("~/points"),
            "input Hz": input_hz,
            "output Hz": num_labelled / recent.seconds,
            "labelled": record.num_labelled,
            "overtaken": record.count(RejectionKind.OVERTAKEN),
            "drop ratio": ratio,
            "failed": record.num_failed,
            "too few cameras": record.count(RejectionKind.TOO_FEW_CAMERAS),
            "time jumps": record.count(RejectionKind.TIME_JUMP),
            "from before a time jump": record.count(RejectionKind.BEFORE_JUMP),
            "not wanted": recent.num_unwatched,
            "processing ms median": typical_ms,
            "processing ms p95": _percentile(processing_ms, 95),
            "label age ms median": _percentile(ages_ms, 50),
            "label age ms p95": _percentile(ages_ms, 95),
        }
        is_proven = bool(recent.labelled) and not is_over
        return Item("inference", level, message, numbers, is_proven=is_proven)

    def _prompts(self) -> Item:
        vocabulary = self._segmenter.vocabulary
        return Item(
            "prompts",
            OK,
            f"{len(vocabulary)} prompts",
            {
                "topic": self._resolve("~/legend"),
                "prompts": "; ".join(map(quoted, vocabulary.prompts)),
                "names": "; ".join(map(quoted, vocabulary.names)),
            },
        )

    def _map(self) -> Item:
        record, values = self._record, self._values
        facts = {
            "topic": self._resolve("~/map"),
            "voxels": record.num_voxels,
            "published": record.num_maps,
            "ms": record.map_ms,
        }
        if not values.map_enabled:
            return Item("map", OK, "not used: map.enabled is false")
        if values.pose_source == "none":
            return Item("map", OK, "not used: pose_source is none")
        if not record.num_maps:
            return Item("map", OK, "waits for the first labelled sweep", facts)
        return Item("map", OK, f"{record.num_voxels} voxels in {values.fixed_frame}", facts)

    def _input_hz(self) -> float:
        now_s, received = time.monotonic(), self._inputs["lidar"].received
        self._received.append((now_s, received))
        while len(self._received) > 2 and self._received[1][0] < now_s - WINDOW_S:
            self._received.popleft()
        then_s, received_then = self._received[0]
        return (received - received_then) / max(now_s - then_s, 1e-3)

    def _has_ended(self, input_hz: float) -> bool:
        """Whether the clouds have stopped coming, such as at the end of a bag."""
        silent_s = self._inputs["lidar"].silent_s()
        return silent_s > max(_MISSED_PERIODS / max(input_hz, 1e-3), _BRIEFLY_S)

    def _is_silent(self, name: str) -> bool:
        """Whether an input is silent; once it was, until two of its messages follow closely."""
        source = self._inputs[name]
        quiet_s = source.silent_s()
        if self._is_quiet[name].is_over:
            quiet_s = max(quiet_s, source.gap_s)
        return self._is_quiet[name].judge(quiet_s, self._values.input_timeout_s)

    def _starved_s(self) -> float:
        return time.monotonic() - self._record.last_labelled_s

    def _outage(self, missing: str, source: SensorSubscription) -> str:
        if source.silent_s() > self._values.input_timeout_s or not source.received:
            return f"{missing} {source.describe()} for {source.silent_s():.0f} s"
        return (
            f"{source.describe()} is slow: its last message came {source.gap_s:.1f} s after the "
            f"one before, input_timeout is {self._values.input_timeout_s:g} s"
        )


def _facts(subscription: SensorSubscription) -> dict[str, object]:
    return {
        "topic": subscription.topic,
        "publishers": subscription.num_publishers(),
        "offered": subscription.offered_reliability(),
        "reliability": "reliable" if subscription.is_reliable else "best effort",
        "received": subscription.received,
        "age s": subscription.silent_s(),
    }


def _percentile(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else 0.0
