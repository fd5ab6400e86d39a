"""The pages for people: what they quote, name and show is what the code says and takes."""

from __future__ import annotations

import ast
import re
import shlex
from pathlib import Path

import folder_figure
import pytest
import yaml
from checkout import DOCS, ROOT
from fake_launch import load_launch_file

from clip2scene_ros.cli.main import make_parser
from clip2scene_ros.node.parameters.table import ROWS
from clip2scene_ros.sync.extrinsics import load_extrinsics

PAGES = [*sorted(DOCS.glob("*.md")), ROOT / "README.md", ROOT / "rosbags/README.md"]

_MIN_QUOTE = 8
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\((?!https?://)([^)#]*)(?:#([^)]*))?\)")
_OF_ROS = {"use_sim_time", "__node", "__ns", "points", "odom"}


def blocks(page: Path, language: str) -> list[str]:
    return [text for kind, text in _BLOCK.findall(page.read_text()) if kind == language]


def commands(page: Path) -> list[str]:
    """Lines to type, with continued lines joined and comments left out."""
    text = "\n".join(blocks(page, "sh")).replace("\\\n", " ")
    return [line.split("  #")[0].split(" #")[0].strip() for line in text.splitlines()]


def marked_yaml(page: Path, mark: str) -> str:
    (text,) = re.findall(
        rf"<!-- test: {mark} -->\n```yaml\n(.*?)^```", page.read_text(), re.M | re.S
    )
    return str(text)


def constants_of_the_code() -> str:
    """All texts of both packages, the parts of an f-string one by one."""
    texts = []
    for package in ("clip2scene_core", "clip2scene_ros"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.Constant) and isinstance(node.value, str):
                    texts.append(node.value)
    return "\0".join(texts)


def test_what_troubleshooting_quotes_is_what_the_code_says():
    said = constants_of_the_code()
    quotes = [
        line for block in blocks(ROOT / "docs/troubleshooting.md", "text")
        for line in block.splitlines()
    ]  # fmt: skip
    assert len(quotes) > 20
    unsaid = []
    for quote in quotes:
        parts = [part.strip("' ") for part in re.split(r"<[a-z]+>", quote)]
        parts = [part for part in parts if len(part) >= _MIN_QUOTE]
        assert parts, f"too little is quoted to find it: {quote}"
        unsaid += [part for part in parts if part not in said]
    assert unsaid == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target, anchor in _LINK.findall(page.read_text()):
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name}: no {target}"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {target} has no heading {anchor}"


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {
        re.sub(r"[^\w -]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_is_assigned_exists(page, monkeypatch):
    """Launch arguments, parameters and remappings: NAME:=VALUE."""
    known = (
        {row.name for row in ROWS} | _OF_ROS | set(load_launch_file(monkeypatch, ROOT).ARGUMENTS)
    )
    assigned = set(re.findall(r"([\w.]+):=", page.read_text()))
    assert assigned <= known


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_understood(page):
    """Every `clip2scene` line is parsed by the command's own parser."""
    parser = make_parser()
    for line in commands(page):
        for part in line.split("&&"):
            words = shlex.split(part)
            if words[:1] == ["clip2scene"]:
                parser.parse_args(words[1:])  # raises SystemExit on words that it does not know


def test_the_walks_name_what_is_there():
    steps = re.findall(
        r"^\| \d+ \| `([\w.]+)` \| `([\w/]+\.py)` \|", (DOCS / "architecture.md").read_text(), re.M
    )
    assert len(steps) > 30
    for name, path in steps:
        scope = ast.parse((ROOT / path).read_text()).body
        for part in name.split("."):
            found = [node for node in scope if getattr(node, "name", "") == part]
            assert found, f"architecture.md: no {name} in {path}"
            scope = getattr(found[0], "body", [])


@pytest.mark.parametrize("name", ["method.md", "zeroshot.md"])
def test_what_pages_name_in_a_file_is_in_it(name):
    """`NAME` in [file.py](path), and `NAME`s before it in the same list."""
    found = re.findall(r"`(\w+)` in \[\w+\.py\]\(\.\./([\w/]+\.py)\)", (DOCS / name).read_text())
    assert len(found) > 5
    for definition, path in found:
        defined = re.findall(r"^(?:def|class) (\w+)|^(\w+)[:=]", (ROOT / path).read_text(), re.M)
        assert definition in {part for pair in defined for part in pair}, f"{path}: {definition}"


def test_the_figure_of_the_folders_shows_the_imports():
    remedy = "draw it again: python test/helpers/folder_figure.py"
    assert folder_figure.FIGURE.read_text() == folder_figure.draw(), remedy


@pytest.mark.parametrize("name", ["Dockerfile", "docs/install.md"])
def test_torch_is_installed_in_the_versions_of_setup_py(name):
    bounds = re.findall(r'"(torch(?:vision)?[<>=][^"]*)"', (ROOT / name).read_text())
    assert len(bounds) == 2
    assert all(f'"{bound}"' in (ROOT / "setup.py").read_text() for bound in bounds)


def test_the_robots_extrinsics_file_loads(tmp_path):
    path = tmp_path / "extrinsics.yaml"
    path.write_text(marked_yaml(ROOT / "docs/own_robot.md", "extrinsics"))
    lidar, camera = load_extrinsics(path)
    assert (lidar.child, camera.child) == ("os_lidar", "camera_front_optical")
    assert camera.T_parent_child[:3, 2] == pytest.approx([1, 0, 0])  # it looks ahead
    assert camera.T_parent_child[:3, 0] == pytest.approx([0, -1, 0])  # its x is to the right


@pytest.mark.ros
def test_the_robots_parameter_file_loads(tmp_path, monkeypatch):
    """In a real node, through its table: names, types, ranges, and that the values fit together."""
    rclpy = pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    from clip2scene_ros.node.background import Background
    from clip2scene_ros.node.parameters.live import LiveParameters
    from clip2scene_ros.node.parameters.options import sync_options

    path = tmp_path / "robot.yaml"
    path.write_text(marked_yaml(ROOT / "docs/own_robot.md", "parameters"))
    monkeypatch.setenv("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    context = rclpy.context.Context()
    rclpy.init(context=context)
    arguments = ["--ros-args", "--params-file", str(path)]
    node = rclpy.create_node(
        "clip2scene", context=context, cli_args=arguments, start_parameter_services=False
    )
    try:
        background = Background(node)
        values = LiveParameters(
            node, lambda old, new: None, lambda values, _: None, background
        ).values
    finally:
        node.destroy_node()
        context.shutdown()
    assert values.image_topic("front") == "/camera/front/image_raw"
    assert (values.max_range_m, values.map_radius_m) == (60.0, 40.0)
    assert sync_options(values).pose_source == "odometry"
    transforms = yaml.safe_load(marked_yaml(ROOT / "docs/own_robot.md", "extrinsics"))["transforms"]
    assert {transform["parent"] for transform in transforms} == {values.base_frame}
    assert values.frame_overrides == ("{camera}=camera_{camera}_optical",)
