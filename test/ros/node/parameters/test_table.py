"""The parameter table, its YAML file, and what is said about a wrong value."""

from __future__ import annotations

import pytest
import yaml
from checkout import ROOT

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter

from clip2scene_ros.node.background import Background
from clip2scene_ros.node.parameters.export import parameters_markdown, parameters_yaml
from clip2scene_ros.node.parameters.live import LiveParameters
from clip2scene_ros.node.parameters.options import sync_options
from clip2scene_ros.node.parameters.row import ParameterError
from clip2scene_ros.node.parameters.table import ROWS, NodeParameters

pytestmark = pytest.mark.ros


def declare_parameters(node):
    return follow(node).values


def follow(node, prepare=lambda old, new: None, take=lambda values, prepared: None):
    return LiveParameters(node, prepare, take, Background(node))


@pytest.fixture
def make_node(monkeypatch):
    """Make a node with these overrides; a double underscore stands for a dot."""
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = Context()
    rclpy.init(context=context)
    nodes = []

    def make(arguments=(), **values):
        overrides = [Parameter(k.replace("__", "."), value=v) for k, v in values.items()]
        nodes.append(
            rclpy.create_node(
                "clip2scene",
                context=context,
                parameter_overrides=overrides,
                cli_args=["--ros-args", *arguments],
                start_parameter_services=False,
            )
        )
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.shutdown()


def test_defaults_are_those_of_the_table(make_node):
    assert declare_parameters(make_node()) == NodeParameters()


def test_every_parameter_is_described_and_read_only_unless_it_may_change(make_node):
    node = make_node()
    declare_parameters(node)
    for row in ROWS:
        descriptor = node.describe_parameter(row.name)
        assert descriptor.description.endswith((".", "].")), row.name
        assert descriptor.read_only == (not row.dynamic), row.name


def test_given_values_replace_defaults(make_node):
    values = declare_parameters(
        make_node(mode="fused", sync__tolerance=0.1, cameras=["front", "rear"], map__decay=3.0)
    )
    assert (values.mode, values.sync_tolerance_s, values.map_decay_s) == ("fused", 0.1, 3.0)
    assert values.cameras == ("front", "rear")
    assert values.image_topic("rear") == "/rear/image_rect_compressed"


def test_an_empty_string_alone_in_a_list_means_an_empty_list(make_node):
    assert declare_parameters(make_node(cameras=[""])).cameras == ()


def test_a_template_may_ask_for_capitals():
    values = NodeParameters(camera_info_topic="/{CAMERA}/camera_info")
    assert values.info_topic("cam_front") == "/CAM_FRONT/camera_info"


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"mod": "lidar"}, "unknown parameter 'mod'; did you mean 'mode'?"),
        ({"sync__tolernce": 0.1}, "unknown parameter 'sync.tolernce'; did you mean 'sync.tolera"),
        ({"mode": "radar"}, "'mode' must be one of lidar, camera, fused, got 'radar'"),
        ({"min_confidence": 1.5}, r"'min_confidence' must be in \[0.0, 1.0\], got 1.5"),
        ({"map__max_voxels": 0}, r"'map.max_voxels' must be in \[1000, 20000000\], got 0"),
        ({"range__max": 80}, "'range.max' must be a float, such as 80.0; got 80"),
        ({"cameras": "front"}, "'cameras' must be a list of str; got 'front'"),
        ({"range__min": 20.0, "range__max": 10.0}, "'range.max' must be greater than 'range.min'"),
        ({"cameras": ["front", ""]}, "'cameras' holds an empty text beside others"),
        ({"tf_timeout": float("nan")}, r"'tf_timeout' must be in \[0.0, 10.0\], got nan"),
        ({"camera_image_topic": "/image"}, "'camera_image_topic' must contain {camera}"),
        ({"intensity_scale": "full"}, r"'intensity_scale' must be auto or a number in \[1e-06, "),
        ({"intensity_scale": 0.0}, r"'intensity_scale' must be auto or a number in .*, got 0.0"),
        ({"intensity_scale": True}, r"'intensity_scale' must be auto or a number in .*, got True"),
        ({"cameras": ["front", "front"]}, "'cameras' names one twice"),
    ],
)
def test_a_bad_value_is_refused_with_the_reason(make_node, given, complaint):
    with pytest.raises(ParameterError, match=complaint.replace("{", r"\{")):
        declare_parameters(make_node(**given))


@pytest.mark.parametrize("text", ["auto", "255", "255.0", "4095.5"])
def test_the_intensity_scale_is_auto_or_a_number_of_any_type(make_node, text):
    values = declare_parameters(make_node(["-p", f"intensity_scale:={text}"]))
    assert str(sync_options(values).intensity_scale) in (text, f"{text}.0")


def test_an_empty_list_is_refused_with_the_way_to_write_none(make_node):
    node = make_node(["-p", "cameras:=[]"])
    with pytest.raises(ParameterError, match=r"'cameras' got an empty list.*\[''\]"):
        declare_parameters(node)


def test_use_sim_time_and_qos_overrides_are_no_unknown_parameters(make_node):
    name = "qos_overrides./points.subscription.depth"
    node = make_node(["-p", "use_sim_time:=true", "-p", f"{name}:=3"])
    assert declare_parameters(node) == NodeParameters()


@pytest.mark.parametrize(
    "name",
    ["/points.subscription.reliability", "/points.publisher.depth", "points.subscription.depth"],
)
def test_an_override_of_qos_that_nobody_would_read_is_refused(make_node, name):
    node = make_node(["-p", f"qos_overrides.{name}:=3"])
    with pytest.raises(ParameterError, match="is not offered, only the depth of a subscription"):
        declare_parameters(node)


def test_files_are_what_the_table_makes():
    remedy = "write it again: clip2scene parameters"
    yaml_file, table = ROOT / "config/segment_node.yaml", ROOT / "docs/parameters.md"
    assert yaml_file.read_text() == parameters_yaml(), f"{remedy} --yaml > {yaml_file}"
    assert table.read_text() == parameters_markdown(), f"{remedy} > {table}"


def test_the_yaml_file_lists_every_parameter_with_its_default(make_node):
    listed = flat(yaml.safe_load(parameters_yaml())["/**"]["ros__parameters"])
    assert listed == {row.name: row.ros_default for row in ROWS}
    file = str(ROOT / "config/segment_node.yaml")
    assert declare_parameters(make_node(["--params-file", file])) == NodeParameters()


def test_the_markdown_table_has_one_line_for_each_parameter():
    lines = [line for line in parameters_markdown().splitlines() if line.startswith("| `")]
    assert [line.split("`")[1] for line in lines] == [row.name for row in ROWS]
    (line,) = (line for line in lines if "`sync.tolerance`" in line)
    assert line.split(" | ")[1:3] == ["`0.06`", "0 to 0.5"]


def test_a_change_is_prepared_then_taken(make_node):
    node, steps = make_node(), []

    def prepare(old, new):
        steps.append(("prepare", old.prompts, new.prompts))
        return len(new.prompts)

    parameters = follow(node, prepare, lambda values, n: steps.append((values.prompts, n)))
    parameters.set(prompts=("road", "tree"))
    assert steps == [("prepare", (), ("road", "tree")), (("road", "tree"), 2)]
    assert parameters.values.prompts == ("road", "tree")


def test_a_change_that_cannot_be_prepared_is_answered_with_the_reason(make_node):
    node, taken = make_node(), []

    def prepare(old, new):
        raise {"a": ValueError("no\nsuch word"), "b": KeyError("b")}[new.prompts[0]]

    parameters = follow(node, prepare, lambda values, prepared: taken.append(values))
    results = node.set_parameters([Parameter("prompts", value=[prompt]) for prompt in "ab"])
    assert [(r.successful, r.reason) for r in results] == [
        (False, "no such word"),
        (False, "KeyError: 'b'"),
    ]
    assert (taken, parameters.values) == ([], NodeParameters())
    assert node.get_parameter("prompts").value == [""]


def test_new_prompts_alone_set_their_names_back(make_node):
    node = make_node(prompts=["road"], prompt_names=["street"])
    parameters = follow(node)
    parameters.set(prompts=("tree",), prompt_names=("plant",))
    assert parameters.values.prompt_names == ("plant",)
    parameters.set(prompts=("car",))
    assert parameters.values.prompt_names == ()
    assert node.get_parameter("prompt_names").value == [""]


@pytest.mark.parametrize("empty", [[], [""]], ids=str)
def test_an_empty_list_is_taken_at_run_time_whatever_its_type(make_node, empty):
    node = make_node(prompts=["road"])
    parameters = follow(node)
    (result,) = node.set_parameters([Parameter("prompts", value=empty)])
    assert (result.successful, parameters.values.prompts) == (True, ())
    assert node.get_parameter("prompts").value == [""]


def flat(tree, prefix=""):
    rows = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            rows.update(flat(value, f"{prefix}{name}."))
        else:
            rows[prefix + name] = value
    return rows
