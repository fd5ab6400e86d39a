"""The RViz configuration and the Foxglove layout name only what exists, and can hear it."""

from __future__ import annotations

import json

import pytest
import yaml
from checkout import ROOT

from clip2scene_ros.bags.labelled_writer import OWN_TOPICS as BAG_TOPICS
from clip2scene_ros.sync.topics import NUSCENES, NUSCENES_CAMERAS

RVIZ = yaml.safe_load((ROOT / "config/segment.rviz").read_text())
FOXGLOVE = json.loads((ROOT / "config/foxglove_layout.json").read_text())

RVIZ_TYPES = {
    "rviz_default_plugins/PointCloud2": "sensor_msgs/msg/PointCloud2",
    "rviz_default_plugins/Image": "sensor_msgs/msg/Image",
    "rviz_default_plugins/MarkerArray": "visualization_msgs/msg/MarkerArray",
}
"""Displays of rviz_default_plugins (Jazzy) and the messages that they take."""
RVIZ_OTHERS = {
    *("rviz_default_plugins/Grid", "rviz_default_plugins/TF", "rviz_default_plugins/Orbit"),
    *("rviz_default_plugins/MoveCamera", "rviz_default_plugins/Select"),
    *("rviz_default_plugins/FocusCamera", "rviz_default_plugins/Measure"),
    *("rviz_common/Displays", "rviz_common/Views", "rviz_common/Time", ""),
}
FOXGLOVE_PANELS = {"3D", "Image", "DiagnosticSummary", "Parameters"}
OVERLAYS = {f"/clip2scene/{camera}/overlay" for camera in NUSCENES_CAMERAS}
CAMERAS = {
    topic
    for camera in NUSCENES_CAMERAS
    for topic in (NUSCENES.cameras[camera].image, NUSCENES.cameras[camera].info)
}
OWN_TOPICS = OVERLAYS | {
    f"/clip2scene/{name}"
    for name in ("points", "map", "query/points", "legend_image", "legend_markers")
}


def displays():
    """RViz's displays that have a topic."""
    return [d for d in RVIZ["Visualization Manager"]["Displays"] if "Topic" in d]


def classes_in(content):
    if isinstance(content, dict):
        for key, value in content.items():
            if key == "Class":
                yield value
            yield from classes_in(value)
    elif isinstance(content, list):
        for value in content:
            yield from classes_in(value)


def foxglove_topics():
    """The topics of all panels."""
    found = set()
    for panel in FOXGLOVE["configById"].values():
        found |= set(panel.get("topics", {}))
        found |= {panel[key] for key in ("topicToRender",) if key in panel}
        image = panel.get("imageMode", {})
        found |= {image[key] for key in ("imageTopic", "calibrationTopic") if key in image}
    return found


def panels_in(layout):
    if isinstance(layout, str):
        return [layout]
    assert layout["direction"] in ("row", "column")
    return panels_in(layout["first"]) + panels_in(layout["second"])


def test_rviz_shows_everything_that_the_node_draws():
    assert {display["Topic"]["Value"] for display in displays()} == OWN_TOPICS
    assert set(classes_in(RVIZ)) <= set(RVIZ_TYPES) | RVIZ_OTHERS
    assert RVIZ["Visualization Manager"]["Global Options"]["Fixed Frame"] == "map"
    assert "rviz_default_plugins/TF" in set(classes_in(RVIZ))


def test_rviz_colours_labels_by_rgb_and_a_query_by_its_probability():
    by_topic = {display["Topic"]["Value"]: display for display in displays()}
    for name in ("points", "map"):
        assert by_topic[f"/clip2scene/{name}"]["Color Transformer"] == "RGB8"
    query = by_topic["/clip2scene/query/points"]
    assert (query["Color Transformer"], query["Min Intensity"], query["Max Intensity"]) == (
        "Intensity", 0, 1,
    )  # fmt: skip


def test_foxglove_lays_the_points_over_the_cameras_itself_and_shows_the_nodes_health():
    assert foxglove_topics() == (OWN_TOPICS - OVERLAYS) | CAMERAS | {"/diagnostics"}
    over_cameras = [
        panel for name, panel in FOXGLOVE["configById"].items() if name.startswith("Image!cam")
    ]
    assert len(over_cameras) == len(NUSCENES_CAMERAS)
    assert all(panel["topics"]["/clip2scene/points"]["visible"] for panel in over_cameras)


def test_a_labelled_bag_fills_the_panels_of_foxglove():
    of_a_node = {"/diagnostics"}
    hidden = {
        topic
        for topic, settings in FOXGLOVE["configById"]["3D!street"]["topics"].items()
        if not settings["visible"]
    }
    assert foxglove_topics() - of_a_node - hidden <= {*BAG_TOPICS, *CAMERAS}


def test_foxglove_lays_out_each_of_its_panels_once():
    panels = panels_in(FOXGLOVE["layout"])
    assert sorted(panels) == sorted(FOXGLOVE["configById"])
    assert {panel.split("!")[0] for panel in panels} == FOXGLOVE_PANELS


@pytest.mark.ros
def test_the_node_publishes_it_all_with_a_fitting_type_and_quality(request):
    pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    from rclpy.qos import DurabilityPolicy, ReliabilityPolicy

    graph = request.getfixturevalue("start_graph")(mode="fused")

    def publishers(topic):
        return graph.driver.get_publishers_info_by_topic(topic)

    shown = foxglove_topics() - CAMERAS
    graph.spin_until(lambda: all(publishers(topic) for topic in shown))
    for display in displays():
        topic = display["Topic"]
        (offered,) = publishers(topic["Value"])
        assert offered.topic_type == RVIZ_TYPES[display["Class"]], topic
        # A subscriber may ask for no more than is offered.
        if topic["Reliability Policy"] == "Reliable":
            assert offered.qos_profile.reliability == ReliabilityPolicy.RELIABLE, topic
        is_latched = offered.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
        assert is_latched == (topic["Durability Policy"] == "Transient Local"), topic
