from pathlib import Path

import pytest
from street_sweep import make_street

from clip2scene_core.corruptions.corruption import STRENGTHS
from clip2scene_ros.cli.main import main


@pytest.fixture
def street(tiny_nuscenes: Path) -> Path:
    return make_street(tiny_nuscenes)


def test_the_command_writes_what_evaluate_and_bag_read(street, tmp_path, capsys):
    out = tmp_path / "foggy"
    arguments = ["corrupt", str(street), "--kind", "fog", "--strength", "4", "--out", str(out)]
    assert main(arguments) == 0
    assert "visibility 50 m" in capsys.readouterr().out
    assert main(["evaluate", str(out), "--modes", "lidar", "fused"]) == 0
    assert "mean IoU" in capsys.readouterr().out
    bag = tmp_path / "bag"
    assert main(["bag", str(out), "--scene", "scene-0001", "--out", str(bag), "--labels"]) == 0
    assert "6 sweeps, 6 images, 2 sweeps with labels" in capsys.readouterr().out
    assert main(arguments) == 1
    assert "not empty" in capsys.readouterr().err


def test_the_help_says_what_every_strength_means(capsys):
    with pytest.raises(SystemExit):
        main(["corrupt", "--help"])
    text = capsys.readouterr().out
    for kind, strengths in STRENGTHS.items():
        assert f"  {kind}: " in text
        assert all(str(numbers) in text for numbers in strengths)
