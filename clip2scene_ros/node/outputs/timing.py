"""The times that the stages of a sweep took, and the topics that publish them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from rclpy.node import Node
from std_msgs.msg import Float64

_LATENCY: Final = "pipeline_latency"
_CYCLE: Final = "cyclic_time"
_STAGE: Final = "processing_time/"
_STAGES: Final = ("wait", "decode", "inference", "postprocess", "publish", "total")


@dataclass(frozen=True)
class SweepTiming:
    """Times of the stages of one sweep, in seconds by a steady clock, in their order.

    Attributes:
        wait_s: From the arrival of the cloud until it is decoded: waiting for images, for a pose
            and for the sweep before it.
        decode_s: Messages to arrays.
        inference_s: The segmenter: choosing points, networks, comparing with prompts, map.
        postprocess_s: Arrays to messages.
        publish_s: Handing the messages to the middleware.
        latency_s: Age of the labels at publication: ROS time minus the sweep's stamp. It includes
            what happened before the node, and is meaningless if the stamps are of another clock.
    """

    wait_s: float
    decode_s: float
    inference_s: float
    postprocess_s: float
    publish_s: float
    latency_s: float

    @property
    def processing_s(self) -> float:
        """Seconds that the node worked: without the wait."""
        return self.decode_s + self.inference_s + self.postprocess_s + self.publish_s

    @property
    def total_s(self) -> float:
        """Seconds from the arrival of the cloud to the publication of its labels."""
        return self.wait_s + self.processing_s


class TimingPublishers:
    """Publishes the times of each sweep in milliseconds, on topics that have subscribers.

    Args:
        node: Owns the publishers.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._publishers = {
            name: node.create_publisher(Float64, f"~/debug/{name}_ms", 1)
            for name in (_LATENCY, _CYCLE, *(_STAGE + stage for stage in _STAGES))
        }
        self._last_s: float | None = None

    def close(self) -> None:
        """Take the topics off the graph."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)

    def has_subscribers(self) -> bool:
        """Say whether any of the topics has subscribers."""
        return any(p.get_subscription_count() for p in self._publishers.values())

    def publish(self, timing: SweepTiming) -> None:
        """Publish the times of a sweep that has just been published."""
        now_s = time.monotonic()
        seconds = {_STAGE + stage: getattr(timing, f"{stage}_s") for stage in _STAGES}
        seconds[_LATENCY] = timing.latency_s
        if self._last_s is not None:
            seconds[_CYCLE] = now_s - self._last_s
        self._last_s = now_s
        for name, value_s in seconds.items():
            if self._publishers[name].get_subscription_count():
                self._publishers[name].publish(Float64(data=1000 * value_s))
