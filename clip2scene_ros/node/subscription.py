"""A sensor subscription that counts its messages and adapts its QoS to the publishers."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from rclpy.callback_groups import MutuallyExclusiveCallbackGroup
from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription
from sensor_msgs.msg import CompressedImage, Image

from clip2scene_ros.messages.quoting import quoted

_IMAGE_TYPES = {
    "sensor_msgs/msg/CompressedImage": CompressedImage,
    "sensor_msgs/msg/Image": Image,
}

_MAX_SHOWN = 3
_BEST_EFFORT = ReliabilityPolicy.BEST_EFFORT
_RELIABILITIES = {ReliabilityPolicy.RELIABLE: "reliable", _BEST_EFFORT: "best effort"}


class SensorSubscription:
    """One subscription that counts its messages and whose reliability follows its publishers.

    A reliable subscription loses no large cloud between processes, but gets nothing from a
    best-effort publisher, and the publishers are known only when they appear. `maintain` must be
    called a few times a second, because a subscription may not be replaced from its own callback.
    The callbacks have their own group, so that they go on while a service waits.

    Args:
        node: Owns the subscription.
        message_type: A ROS message class; None takes Image or CompressedImage as published.
        topic: Relative or absolute name; remapping applies.
        callback: Takes each message, on the executor's thread.
        depth: Number of messages in the queue; 1 for raw images. ROS's parameter
            qos_overrides./TOPIC.subscription.depth overrides it.
        reliability: "auto", "reliable" or "best_effort".
        is_latched: Get the messages that were published before the subscription, too. None gets
            them where all publishers latch, as some drivers do a calibration that never changes.

    Attributes:
        topic: Absolute name.
        is_reliable: Whether the subscription is reliable at present.
        received: Number of messages so far.
        last_received_s: Time of the last message, in seconds by a steady clock.
        gap_s: Seconds between the last two messages; 0 before the second one.
    """

    def __init__(
        self,
        node: Node,
        message_type: Any,
        topic: str,
        callback: Callable[[Any], None],
        depth: int,
        reliability: str,
        is_latched: bool | None = False,
    ) -> None:
        self._node = node
        self._message_type = message_type
        self._callback = callback
        self._depth = depth
        self._durability = (
            DurabilityPolicy.VOLATILE if is_latched is False else DurabilityPolicy.TRANSIENT_LOCAL
        )
        self._may_be_volatile = is_latched is None
        self._is_not_latched = False
        self._may_fall_back = reliability == "auto"
        self._is_refused = False
        self._subscription: Subscription | None = None
        self._group = MutuallyExclusiveCallbackGroup()
        self.topic = node.resolve_topic_name(topic)
        self.is_reliable = reliability != "best_effort"
        self.received = 0
        self.last_received_s = time.monotonic()
        self.gap_s = 0.0
        self.maintain()

    def maintain(self) -> None:
        """Subscribe once the type is known; replace a subscription that its publishers refuse."""
        if self._subscription is not None and self._is_refused:
            self._is_refused = False
            self.is_reliable = False
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
            self._node.get_logger().info(
                f"{self.topic} is published best effort: subscribed so; large clouds may get lost "
                f"unless the publisher has a larger Fast DDS segment (dds_profile)"
            )
        if self._subscription is not None and self._is_not_latched:
            self._is_not_latched = self._may_be_volatile = False
            self._durability = DurabilityPolicy.VOLATILE
            self._node.destroy_subscription(self._subscription)
            self._subscription = None
        if self._subscription is None:
            message_type = self._message_type or self._published_image_type()
            if message_type is not None:
                self._subscribe(message_type)

    def close(self) -> None:
        """Unsubscribe."""
        if self._subscription is not None:
            self._node.destroy_subscription(self._subscription)
            self._subscription = None

    def silent_s(self) -> float:
        """Give the seconds since the last message; since the start if none has come."""
        return time.monotonic() - self.last_received_s

    def num_publishers(self) -> int:
        """Count the publishers in the graph, of any type and reliability."""
        return int(self._node.count_publishers(self.topic))

    def offered_reliability(self) -> str:
        """Say for people what the publishers offer: "reliable", "best effort", both or ""."""
        offers = {
            _RELIABILITIES.get(publisher.qos_profile.reliability, "unknown")
            for publisher in self._node.get_publishers_info_by_topic(self.topic)
        }
        return ", ".join(sorted(offers))

    def describe(self) -> str:
        """Describe the topic for people: its publishers, and why their messages do not come."""
        mismatches = "".join(f", {mismatch}" for mismatch in self._mismatches())
        return f"{self.topic} (publishers: {self.num_publishers()}{mismatches})"

    def is_partly_volatile(self) -> bool:
        """Say whether a latched subscription has a publisher that does not latch."""
        is_needed = self._durability == DurabilityPolicy.TRANSIENT_LOCAL
        return (is_needed and not self._may_be_volatile) and any(
            publisher.qos_profile.durability == DurabilityPolicy.VOLATILE
            for publisher in self._node.get_publishers_info_by_topic(self.topic)
        )

    def _subscribe(self, message_type: Any) -> None:
        reliability = ReliabilityPolicy.RELIABLE if self.is_reliable else _BEST_EFFORT
        # A queue of raw images of 4 MB each delays the clouds, and only the newest one is used.
        depth = 1 if message_type is Image else self._depth
        events = None
        if (self._may_fall_back and self.is_reliable) or self._may_be_volatile:
            events = SubscriptionEventCallbacks(incompatible_qos=self._on_incompatible)
        self._subscription = self._node.create_subscription(
            message_type,
            self.topic,
            self._on_message,
            QoSProfile(depth=depth, reliability=reliability, durability=self._durability),
            event_callbacks=events,
            callback_group=self._group,
            # Reliability is a parameter of the node, because it may have to follow the publisher.
            qos_overriding_options=QoSOverridingOptions((QoSPolicyKind.DEPTH,)),
        )

    def _on_message(self, message: Any) -> None:
        now_s = time.monotonic()
        if self.received:
            self.gap_s = now_s - self.last_received_s
        self.received += 1
        self.last_received_s = now_s
        self._callback(message)

    def _on_incompatible(self, event: Any) -> None:
        if event.last_policy_kind == QoSPolicyKind.RELIABILITY:
            self._is_refused = self._may_fall_back
        elif event.last_policy_kind == QoSPolicyKind.DURABILITY:
            self._is_not_latched = self._may_be_volatile

    def _mismatches(self) -> list[str]:
        publishers = self._node.get_publishers_info_by_topic(self.topic)
        if not publishers:
            return []
        mismatches = []
        message_types = [self._message_type] if self._message_type else _IMAGE_TYPES.values()
        wanted = [_type_name(message_type) for message_type in message_types]
        published = {publisher.topic_type for publisher in publishers}
        if published.isdisjoint(wanted):
            listed = " and ".join(map(quoted, sorted(published)[:_MAX_SHOWN]))
            mismatches.append(f"of {listed}, not {' or '.join(wanted)}")
        is_refused = self.is_reliable and not self._may_fall_back
        if is_refused and self.offered_reliability() == _RELIABILITIES[_BEST_EFFORT]:
            mismatches.append("best effort, but qos.reliability asks for reliable")
        if self.is_partly_volatile():
            offered = [publisher.qos_profile.durability for publisher in publishers]
            num_volatile = offered.count(DurabilityPolicy.VOLATILE)
            part = f"{num_volatile} of them " if num_volatile < len(offered) else ""
            mismatches.append(f"{part}volatile, but latched is needed (transient local)")
        return mismatches

    def _published_image_type(self) -> Any:
        for publisher in self._node.get_publishers_info_by_topic(self.topic):
            if publisher.topic_type in _IMAGE_TYPES:
                return _IMAGE_TYPES[publisher.topic_type]
        return None


def _type_name(message_type: Any) -> str:
    return f"{message_type.__module__.split('.')[0]}/msg/{message_type.__name__}"
