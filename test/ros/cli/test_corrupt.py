import shutil
from pathlib import Path

import pytest
from street_sweep import make_street

from clip2scene_core.corruptions.corruption import STRENGTHS
from clip2scene_core.datasets import open_dataset
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


def test_a_recording_is_copied_as_a_data_set(scene_bag, tmp_path, capsys):
    out, kept = tmp_path / "turned", tmp_path / "kept"
    words = ["--kind", "camera_loss", "--strength", "1", "--out", str(out)]
    words += ["--recordings", str(kept), "--keyframe-distance", "0"]
    assert main(["corrupt", str(scene_bag), *words]) == 0
    (made,) = (path for path in kept.iterdir() if path.is_dir() and path.name != ".jobs")
    assert len(open_dataset(out)) == len(open_dataset(made)) == 2
    before, after = (len(open_dataset(path).load(0, ()).cameras) for path in (made, out))
    assert (before, after) == (2, 1)
    capsys.readouterr()
    shutil.copytree(scene_bag, tmp_path / "two/a")
    shutil.copytree(scene_bag, tmp_path / "two/b")
    assert main(["corrupt", str(tmp_path / "two"), *words]) == 1
    assert "has 2 recordings, and one data set is copied" in capsys.readouterr().err


def test_the_help_says_what_every_strength_means(capsys):
    with pytest.raises(SystemExit):
        main(["corrupt", "--help"])
    text = capsys.readouterr().out
    for kind, strengths in STRENGTHS.items():
        assert f"  {kind}: " in text
        assert all(str(numbers) in text for numbers in strengths)
