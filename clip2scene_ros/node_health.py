"""Turns what the node counts into diagnostics that name the topic, the frame or the camera."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from clip2scene_ros.assembly import RejectionKind
from clip2scene_ros.diagnostics import ERROR, OK, WARN, Item, SweepRecord
from clip2scene_ros.parameters import NodeParameters
from clip2scene_ros.subscriptions import SensorSubscription

if TYPE_CHECKING:
    from clip2scene_core.online import OnlineSegmenter

_CLOUD_FAULTS = (RejectionKind.BAD_CLOUD, RejectionKind.ZERO_STAMP)
_POSE_FAULTS = (
    RejectionKind.NO_POSE,
    RejectionKind.NO_EXTRINSICS,
    RejectionKind.EXTRINSICS_MOVED,
    RejectionKind.BAD_TRANSFORM,
)


class NodeHealth:
    """Judges the inputs and the sweeps, once per call of `items`.

    Args:
        values: The node's parameters.
        inputs: The subscriptions by name: "lidar", "odometry", "{camera} image", "{camera} info".
        record: What happened to the sweeps.
        engine: Names the prompts.
    """

    def __init__(
        self,
        values: NodeParameters,
        inputs: Mapping[str, SensorSubscription],
        record: SweepRecord,
        engine: OnlineSegmenter,
    ) -> None:
        self._values = values
        self._inputs = inputs
        self._record = record
        self._engine = engine
        self._before = (time.monotonic(), 0, 0, 0)

    def items(self) -> list[Item]:
        """Judge everything."""
        return [
            self._lidar(),
            *self._cameras(),
            self._poses(),
            self._inference(),
            self._prompts(),
        ]

    def _lidar(self) -> Item:
        lidar = self._inputs["lidar"]
        reason = self._record.recent_reason(_CLOUD_FAULTS)
        if self._is_silent(lidar):
            level, message = ERROR, f"no cloud on {self._outage(lidar)}"
        elif reason:
            level, message = ERROR, reason
        elif not lidar.received:
            level, message = OK, f"waits for the first cloud on {lidar.topic}"
        else:
            level, message = OK, f"clouds come in on {lidar.topic}"
        bad = sum(self._record.count(kind) for kind in _CLOUD_FAULTS)
        return Item("lidar", level, message, {**_facts(lidar), "bad clouds": bad})

    def _cameras(self) -> Iterator[Item]:
        # Without cameras nothing can be labelled in mode camera; the other modes only lose by it.
        fault = ERROR if self._values.mode == "camera" else WARN
        cameras = [c for c in self._values.cameras if f"{c} image" in self._inputs]
        for camera in cameras:
            image, info = self._inputs[f"{camera} image"], self._inputs[f"{camera} info"]
            reason = self._record.recent_reason([RejectionKind.CAMERA], camera)
            if self._is_silent(image):
                level, message = fault, f"no image on {self._outage(image)}"
            elif not info.received and self._is_silent(info):
                level, message = fault, f"no CameraInfo on {self._outage(info)}"
            elif reason:
                level, message = fault, reason
            else:
                level, message = OK, f"images from {image.topic}"
            yield Item(f"camera {camera}", level, message, _facts(image))

    def _poses(self) -> Item:
        values = self._values
        reason = self._record.recent_reason(_POSE_FAULTS)
        odometry = self._inputs.get("odometry")
        level, message = OK, f"poses of {values.base_frame} in {values.fixed_frame}"
        if values.pose_source == "none":
            message = "not used: pose_source is none"
        elif odometry is not None and self._is_silent(odometry):
            level, message = ERROR, f"no odometry on {self._outage(odometry)}"
        elif reason:
            is_lasting = self._starved_s() > values.input_timeout_s
            level, message = ERROR if is_lasting else WARN, reason
        missing = {kind.value: self._record.count(kind) for kind in _POSE_FAULTS}
        return Item("tf", level, message, {"pose_source": values.pose_source, **missing})

    def _inference(self) -> Item:
        record = self._record
        received, overtaken = self._inputs["lidar"].received, record.count(RejectionKind.OVERTAKEN)
        now_s = time.monotonic()
        before_s, received_before, labelled_before, overtaken_before = self._before
        self._before = (now_s, received, record.num_labelled, overtaken)
        labelled = record.num_labelled - labelled_before
        dropped = overtaken - overtaken_before
        ratio = dropped / max(1, labelled + dropped)
        failure = record.failure()
        if failure:
            level, message = ERROR, f"the last sweep was lost: {failure}"
        elif ratio > self._values.max_drop_ratio:
            level = WARN
            message = f"too slow: {100 * ratio:.0f} % of the sweeps were overtaken by newer ones"
        else:
            level, message = OK, f"{record.num_labelled} sweeps labelled"
        period_s = max(now_s - before_s, 1e-3)
        return Item(
            "inference",
            level,
            message,
            {
                "input Hz": (received - received_before) / period_s,
                "output Hz": labelled / period_s,
                "labelled": record.num_labelled,
                "overtaken": overtaken,
                "drop ratio": ratio,
                "failed": record.num_failed,
                "time jumps": record.count(RejectionKind.TIME_JUMP),
                "inference ms": record.inference_ms,
                "latency ms": record.latency_ms,
            },
        )

    def _prompts(self) -> Item:
        vocabulary = self._engine.vocabulary
        return Item(
            "prompts",
            OK,
            f"{len(vocabulary)} prompts",
            {"prompts": "; ".join(vocabulary.prompts), "names": "; ".join(vocabulary.names)},
        )

    def _is_silent(self, subscription: SensorSubscription) -> bool:
        return subscription.silent_s() > self._values.input_timeout_s

    def _starved_s(self) -> float:
        return time.monotonic() - self._record.last_labelled_s

    @staticmethod
    def _outage(subscription: SensorSubscription) -> str:
        return f"{subscription.describe()} for {subscription.silent_s():.0f} s"


def _facts(subscription: SensorSubscription) -> dict[str, object]:
    return {
        "topic": subscription.topic,
        "publishers": subscription.num_publishers(),
        "reliability": "reliable" if subscription.is_reliable else "best effort",
        "received": subscription.received,
        "age s": subscription.silent_s(),
    }
