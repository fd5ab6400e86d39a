"""All publishers of the node, which exist from configure to cleanup."""

from __future__ import annotations

from rclpy.node import Node

from clip2scene_ros.node.outputs.clouds import SegmentPublishers
from clip2scene_ros.node.outputs.legend import LegendPublishers
from clip2scene_ros.node.outputs.timing import TimingPublishers
from clip2scene_ros.node.parameters.table import NodeParameters


class NodeOutputs:
    """The node's publishers of legends, sweeps and times; the diagnostics have their own.

    Args:
        node: Owns the publishers.
        values: The node's parameters.
    """

    def __init__(self, node: Node, values: NodeParameters) -> None:
        self.legend = LegendPublishers(node, values.base_frame)
        self.sweeps = SegmentPublishers(node, values)
        self.timing = TimingPublishers(node)

    def close(self) -> None:
        """Take all topics off the graph."""
        for publishers in (self.legend, self.sweeps, self.timing):
            publishers.close()

    def has_subscribers(self) -> bool:
        """Say whether a topic that labelling a sweep serves has subscribers, other than the map."""
        return self.sweeps.has_subscribers() or self.timing.has_subscribers()
