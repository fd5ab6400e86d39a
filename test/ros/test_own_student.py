"""docs/own_student.md is run as it is written, with less of everything."""

import re
import shlex
import shutil

import numpy as np
import pytest
from checkout import DOCS, ROOT

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_ros.bags.io import open_bag
from clip2scene_ros.bags.labelled_reader import read_labelled_bag
from clip2scene_ros.cli.main import main

PAGE = (DOCS / "own_student.md").read_text()
BLOCKS = re.findall(r"^```(python|sh)\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
LESS = {
    "doctor": ["--keyframes", "2"],
    "segment": ["--camera-scales", "0.5", "--no-key-smoothing"],
    "pretrain": ["--no-doctor", "--set", "training.epochs=1", "--set", "teacher.image_height=112"],
}


@pytest.mark.slow
def test_the_page_leads_from_a_bag_to_a_student(tmp_path, monkeypatch, capsys):
    (tmp_path / "rosbags").mkdir()
    shutil.copytree(ROOT / "rosbags/synthetic_street", tmp_path / "rosbags/synthetic_street")
    monkeypatch.chdir(tmp_path)
    assert [kind for kind, _ in BLOCKS] == ["python", "sh", "sh", "sh", "sh"]
    for kind, text in BLOCKS:
        if kind == "python":
            exec(
                compile(text.replace("SECONDS = 3.0", "SECONDS = 1.0"), "own_student.md", "exec"),
                {},
            )
            continue
        words = shlex.split(text.replace("\\\n", " "))
        assert words[0] == "clip2scene"
        assert main([*words[1:], *LESS[words[1]]]) == 0
    with open_bag(tmp_path / "my_bag") as bag:
        topics = {connection.topic for connection in bag.connections}
    assert "/ouster/points" in topics
    assert "/front/image_rect/compressed" in topics
    assert not any("lidarseg" in topic or "back/" in topic for topic in topics)
    said = capsys.readouterr().out
    assert "What was recorded, and what to record more of:" in said
    assert "agreement, not accuracy" in said
    assert "note     amount: the student learned from" in said
    assert (tmp_path / "projection.jpg").is_file()
    page = (tmp_path / "student.report.html").read_text()
    assert page.count("data:image/jpeg") > 4
    assert load_checkpoint(tmp_path / "student.safetensors").record["from"]["heads"] == "kept"
    for name in ("by_cameras", "by_lidar"):
        sweeps = read_labelled_bag(tmp_path / name)
        assert len(sweeps) >= 5
        labels = np.concatenate([sweep.labels for sweep in sweeps])
        assert len(np.unique(labels)) > 4
