"""The node and the command line import what labelling needs, and no more."""

import pytest
from first_label import imported_until_the_first_label

pytestmark = pytest.mark.ros


def test_the_node_and_the_command_line_label_without_the_imports_of_the_clip():
    pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    imports = "import clip2scene_ros.segment_node, clip2scene_ros.cli.main"
    assert imported_until_the_first_label("lidar", imports) == []


def test_both_programs_keep_freed_memory(monkeypatch):
    pytest.importorskip("rclpy", reason="needs rclpy: pip install '.[ros]'")
    from clip2scene_ros import segment_node
    from clip2scene_ros.cli import main as command_line

    kept = []
    for program in (segment_node, command_line):
        monkeypatch.setattr(program, "keep_freed_memory", lambda: kept.append(True))
    monkeypatch.setattr(segment_node, "SegmentNode", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        segment_node.main()
    command_line.main(["parameters"])
    assert kept == [True, True]
