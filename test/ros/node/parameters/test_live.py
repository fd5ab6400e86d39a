"""Parameters that change while the node labels, over the real parameter services."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import ros_graph
from ros_graph import make_cloud, names_of

from clip2scene_ros.node.parameters.table import ROWS

pytestmark = pytest.mark.ros

POINTS = [[5, 5, 0, 10], [-5, 5, 0, 20]]


def label(graph, stamp_s):
    before = len(graph.received.points)
    graph.publishers["cloud"].publish(make_cloud(POINTS, stamp_s))
    graph.spin_until(lambda: len(graph.received.points) > before)


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("min_confidence", 0.25, "min_confidence"),
        ("background", False, "background"),
        ("range.min", 2.0, "min_range_m"),
        ("range.max", 30.0, "max_range_m"),
        ("ego_radius", 0.5, "ego_radius_m"),
        ("map.radius", 20.0, "map_radius_m"),
        ("map.decay", 5.0, "map_decay_s"),
    ],
)
def test_the_segmenter_labels_the_next_sweep_by_the_new_value(
    start_graph, segmenter, name, value, field
):
    graph = start_graph()
    assert graph.set_parameters(**{name: value}) == [(True, "")]
    assert getattr(segmenter.options, field) == value


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("sync.tolerance", 0.1, "tolerance_s"),
        ("sync.max_wait", 0.3, "max_wait_s"),
        ("tf_timeout", 0.5, "pose_wait_s"),
    ],
)
def test_the_synchronizer_waits_by_the_new_value(start_graph, name, value, field):
    graph = start_graph()
    assert graph.set_parameters(**{name: value}) == [(True, "")]
    assert getattr(graph.node.inputs.synchronizer.options, field) == value


def test_a_value_that_contradicts_another_is_refused_and_both_may_change_together(
    start_graph, segmenter
):
    graph = start_graph()
    ((successful, reason),) = graph.set_parameters(**{"range.max": 1.0})
    assert not successful
    assert reason == ("parameter 'range.max' must be greater than 'range.min', got 1.0 and 1.0")
    assert graph.node.get_parameter("range.max").value == 80.0
    assert graph.set_together(**{"range.min": 0.0, "range.max": 1.0}) == (True, "")
    assert (segmenter.options.min_range_m, segmenter.options.max_range_m) == (0.0, 1.0)


def test_of_values_set_together_none_is_taken_if_one_is_refused(start_graph, segmenter):
    graph = start_graph()
    before = segmenter.encoded_prompts, segmenter.options
    successful, reason = graph.set_together(min_confidence=0.5, prompts=["road", "unknown"])
    assert not successful
    assert "'unknown'" in reason
    assert (segmenter.encoded_prompts, segmenter.options) == before
    assert graph.node.get_parameter("min_confidence").value == 0.0


def test_a_value_out_of_range_is_refused_with_the_range(start_graph):
    graph = start_graph()
    ((successful, reason),) = graph.set_parameters(ego_radius=6.0)
    assert not successful
    assert "5.0" in reason
    assert "6.0" in reason


def test_a_group_merges_prompts_in_the_legend_and_new_prompts_end_it(start_graph):
    graph = start_graph()
    assert graph.set_parameters(prompt_groups=["plant: tree | bush"]) == [(True, "")]
    label(graph, 1.0)
    assert names_of(graph.received.legends[-1]) == ["car", "plant", "road", "building"]
    assert graph.set_parameters(prompts=["tram"]) == [(True, "")]
    assert list(graph.node.get_parameter("prompt_groups").value) == [""]
    label(graph, 2.0)
    assert names_of(graph.received.legends[-1]) == ["tram"]


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("prompt_groups", ["vehicle"], "group 'vehicle' must be a name, a colon"),
        ("prompt_template", "a photo", "must hold one {}"),
        ("prompt_names", ["one"], "1 names but 4 prompts"),
        ("palette", [1, 2, 3], "a palette of 4 labels has 12 values"),
        ("palette", [300] * 12, "must be in [0, 255], got 300"),
        ("map.save_path", "street.pcd", "a map is written as .npz or .ply, got 'street.pcd'"),
        ("sync.min_cameras", 7, "must be at most 1, the number of cameras"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason_and_the_old_value_stays(
    start_graph, name, value, complaint
):
    graph = start_graph(mode="fused", cameras=["cam_front"])
    before = graph.node.parameters.values
    ((successful, reason),) = graph.set_parameters(**{name: value})
    assert not successful
    assert complaint in reason
    assert graph.node.parameters.values == before


def test_a_palette_colours_the_legend(start_graph):
    graph = start_graph()
    assert graph.set_parameters(palette=list(range(12))) == [(True, "")]
    graph.spin_until(lambda: len(graph.received.legends) == 2)
    classes = json.loads(graph.received.legends[-1].data)["classes"]
    assert [entry["rgb"] for entry in classes] == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11]]


def test_a_query_is_asked_without_a_new_legend(start_graph, segmenter):
    graph = start_graph()
    vocabulary = segmenter.vocabulary
    assert graph.set_parameters(query="tram") == [(True, "")]
    assert segmenter.encoded_prompts.query.text == "tram"
    assert segmenter.vocabulary is vocabulary
    assert graph.set_parameters(query="") == [(True, "")]
    assert segmenter.encoded_prompts.query is None


def test_the_weights_own_prompts_come_back(start_graph):
    graph = start_graph(prompts=["tram"])
    assert graph.set_parameters(prompts=[""]) == [(True, "")]
    label(graph, 1.0)
    assert names_of(graph.received.legends[-1]) == ["car", "tree", "road", "building"]


def test_prompts_may_come_from_a_file(start_graph, tmp_path):
    file = tmp_path / "prompts.yaml"
    file.write_text("street: road\nvehicle: [car, bus]\n")
    graph = start_graph(prompts_file=str(file))
    assert names_of(graph.received.legends[-1]) == ["street", "vehicle"]


def test_with_too_few_images_mode_fused_labels_by_lidar_alone(
    start_graph, segmenter, extrinsics_file
):
    graph = start_graph(
        mode="fused", cameras=["cam_front", "cam_back"], extrinsics_file=extrinsics_file
    )
    for stamp_s, least in ((1.0, 1), (2.0, 2)):
        assert graph.set_parameters(**{"sync.min_cameras": least}) == [(True, "")]
        graph.publish_camera("cam_front", ros_graph.make_image(stamp_s), ros_graph.make_info())
        label(graph, stamp_s)
    assert [[view.name for view in cameras] for cameras in segmenter.cameras] == [["cam_front"], []]


def test_a_slow_sweep_is_a_warning_by_the_new_limit(start_graph, segmenter):
    graph = start_graph()
    segmenter.before_add = lambda _sweep: time.sleep(0.02)
    label(graph, 1.0)
    assert graph.set_parameters(max_processing_ms=5.0) == [(True, "")]
    status = graph.spin_until_diagnosed("inference", "max_processing_ms is 5")
    assert status.level == b"\x01"


def test_every_dynamic_parameter_takes_its_own_value_again(start_graph):
    graph = start_graph()
    for row in (row for row in ROWS if row.dynamic):
        value = graph.node.get_parameter(row.name).value
        assert graph.set_parameters(**{row.name: value}) == [(True, "")], row.name
