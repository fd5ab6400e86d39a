"""The parameter table, its YAML file, and the words for what is wrong with a value."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")

import rclpy
from rclpy.context import Context
from rclpy.parameter import Parameter

from clip2scene_ros.parameters import (
    WORDS,
    NodeParameters,
    ParameterError,
    declare_parameters,
    declare_words,
)

pytestmark = pytest.mark.ros

ROOT = Path(__file__).parent.parent
ROWS = {row.metadata["name"]: row for row in fields(NodeParameters)}


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
            )
        )
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()
    context.shutdown()


def test_defaults_are_those_of_the_table(make_node):
    assert declare_parameters(make_node()) == NodeParameters()


def test_every_parameter_is_described_and_read_only(make_node):
    node = make_node()
    declare_parameters(node)
    for name in ROWS:
        descriptor = node.describe_parameter(name)
        assert descriptor.description.endswith((".", "].")), name
        assert descriptor.read_only, name


def test_words_may_change(make_node):
    node = make_node()
    assert declare_words(node, ("road", "tree")) == (["road", "tree"], None)
    assert not any(node.describe_parameter(name).read_only for name in WORDS)


def test_given_values_replace_defaults(make_node):
    values = declare_parameters(
        make_node(mode="fused", sync__tolerance=0.1, cameras=["front", "rear"], num_sweeps=3)
    )
    assert (values.mode, values.sync_tolerance_s, values.num_sweeps) == ("fused", 0.1, 3)
    assert values.cameras == ("front", "rear")
    assert values.image_topic("rear") == "/rear/image_rect_compressed"


def test_an_empty_string_in_a_list_means_an_empty_list(make_node):
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
        ({"num_sweeps": 0}, r"'num_sweeps' must be in \[1, 1000\], got 0"),
        ({"max_range": 80}, "'max_range' must be a float, such as 80.0; got 80"),
        ({"cameras": "front"}, "'cameras' must be a list of str; got 'front'"),
        ({"min_range": 20.0, "max_range": 10.0}, "'max_range' must be greater than 'min_range'"),
        ({"camera_image_topic": "/image"}, "'camera_image_topic' must contain {camera}"),
        ({"cameras": ["front", "front"]}, "'cameras' names one twice"),
    ],
)
def test_a_bad_value_is_refused_in_words(make_node, given, complaint):
    with pytest.raises(ParameterError, match=complaint.replace("{", r"\{")):
        declare_parameters(make_node(**given))


def test_an_empty_list_is_refused_with_the_way_to_write_none(make_node):
    node = make_node(["-p", "cameras:=[]"])
    with pytest.raises(ParameterError, match=r"'cameras' got an empty list.*\[''\]"):
        declare_parameters(node)


def test_use_sim_time_and_qos_overrides_are_no_unknown_parameters(make_node):
    name = "qos_overrides./points.subscription.depth"
    node = make_node(["-p", "use_sim_time:=true", "-p", f"{name}:=3"])
    assert declare_parameters(node) == NodeParameters()


def test_the_yaml_file_lists_every_parameter_with_its_default(make_node):
    file = ROOT / "config/segment_node.yaml"
    listed = flat(yaml.safe_load(file.read_text())["/**"]["ros__parameters"])
    defaults = {
        name: list(row.default) if isinstance(row.default, tuple) else row.default
        for name, row in ROWS.items()
    }
    assert listed == {**defaults, "prompt_names": [""]}
    assert declare_parameters(make_node(["--params-file", str(file)])) == NodeParameters()


def test_the_yaml_file_explains_every_parameter_in_the_tables_words():
    text = " ".join((ROOT / "config/segment_node.yaml").read_text().replace("#", " ").split())
    descriptions = [row.metadata["description"] for row in ROWS.values()] + list(WORDS.values())
    assert [words for words in descriptions if words not in text] == []


def flat(tree, prefix=""):
    rows = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            rows.update(flat(value, f"{prefix}{name}."))
        else:
            rows[prefix + name] = value
    return rows
