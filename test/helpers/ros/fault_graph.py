"""A robot whose cables can be pulled, and whose clock the test can hold."""

from __future__ import annotations

import contextlib

import rclpy
from rclpy.context import Context
from rclpy.qos import QoSProfile
from ros_graph import (
    ONE_PER_QUADRANT,
    Graph,
    make_image,
    make_info,
    seconds_of,
    stamp,
    starting_graphs,
    write_extrinsics,
)
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import PointCloud2

from clip2scene_ros.node.health import statistics


class Robot(Graph):
    """A graph that knows which sweeps came back."""

    @property
    def labelled_s(self):
        """The stamps that came back, in order."""
        return [round(seconds_of(cloud), 6) for cloud in self.received.points]

    def label(self, stamp_s, points=ONE_PER_QUADRANT):
        """Send a cloud and wait for it; returns what came back."""
        self.send(stamp_s, points)
        self.spin_until(lambda: stamp_s in self.labelled_s)
        return self.received.points[self.labelled_s.index(stamp_s)]

    def send_until(self, condition, first_s, period_s=0.1):
        """Send clouds with rising stamps until something is so; returns the last stamp."""
        count = -1

        def is_so():
            nonlocal count
            if condition():
                return True
            count += 1
            self.send(first_s + count * period_s)
            self.spin_for(0.03)
            return False

        self.spin_until(is_so)
        return first_s + count * period_s

    def has(self, name, level, *fragments):
        """Whether a diagnostic item is at this level and says all this."""
        item = self.diagnosis(name)
        return (
            item is not None and item.level == level and all(f in item.message for f in fragments)
        )

    def pull(self, name):
        """Pull the cable of a publisher."""
        publisher = self.publishers.pop(name)
        topic = publisher.topic_name
        self.driver.destroy_publisher(publisher)
        self.spin_until(lambda: not self.node.count_publishers(topic))

    def plug_lidar(self):
        """Put the cable of the LiDAR back."""
        publisher = self.driver.create_publisher(PointCloud2, "/points", QoSProfile(depth=50))
        self.publishers["cloud"] = publisher
        self.spin_until(publisher.get_subscription_count)

    def show(self, camera, stamp_s, info="valid", image=None):
        """Deliver an image, and its CameraInfo."""
        image = make_image(stamp_s) if image is None else image
        self.publish_camera(camera, image, make_info() if info == "valid" else info)

    @contextlib.contextmanager
    def stranger(self):
        """A node of another participant: in one participant a topic has one type."""
        context = Context()
        rclpy.init(context=context, domain_id=self.context.get_domain_id())
        node = rclpy.create_node("stranger", context=context)
        try:
            yield node
        finally:
            node.destroy_node()
            context.shutdown()

    def set_clock(self, seconds):
        """Say what time it is, for a node with use_sim_time, and wait until it knows."""
        if "clock" not in self.publishers:
            self.publishers["clock"] = self.driver.create_publisher(Clock, "/clock", 10)
            self.spin_until(self.publishers["clock"].get_subscription_count)
        self.publishers["clock"].publish(Clock(clock=stamp(seconds)))
        self.spin_until(lambda: self.node.get_clock().now().nanoseconds == round(seconds * 1e9))


@contextlib.contextmanager
def robots(segmenter, folder, monkeypatch):
    """Give a function that starts a robot with parameters, without poses unless they say so."""
    # A machine that is busy elsewhere for seconds shall not miss what was said meanwhile.
    monkeypatch.setattr(statistics, "_RECENT_S", 30.0)
    with starting_graphs(
        lambda _: segmenter,
        monkeypatch,
        Robot,
        diagnostics_period_s=0.1,
        pose_source="none",
        extrinsics_file=write_extrinsics(folder),
        cameras=["cam_front"],
    ) as start:
        yield start
