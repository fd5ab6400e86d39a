"""`clip2scene doctor`, and the same before a pre-training."""

import shutil

import pytest

from clip2scene_ros.cli.main import main


def test_a_data_set_is_examined(tiny_nuscenes, tiny_clip, tmp_path, capsys):
    picture = tmp_path / "shown" / "projection.png"
    command = [
        "doctor", str(tiny_nuscenes), "--picture", str(picture), "--teacher", f"small:{tiny_clip}",
    ]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert " 0 problems" in said
    assert "measured on 2" in said
    assert picture.is_file()


def test_a_problem_is_the_exit_status(tiny_nuscenes, capsys):
    shutil.rmtree(tiny_nuscenes / "samples" / "CAM_BACK")
    assert main(["doctor", str(tiny_nuscenes)]) == 1
    said = capsys.readouterr()
    assert "problem  files: 2 files are missing" in said.out
    assert "\n         -> complete the download" in said.out
    assert "findings are problems" in said.err


def test_a_folder_of_recordings(scene_bag, tmp_path, capsys):
    folder = tmp_path / "drives"
    folder.mkdir()
    shutil.copytree(scene_bag, folder / "a")
    shutil.copytree(scene_bag, folder / "b")
    assert main(["doctor", str(folder), "--picture", str(tmp_path / "p.png")]) == 0
    said = capsys.readouterr().out
    assert f"{folder / 'a'}:" in said
    assert f"{folder / 'b'}:" in said
    assert (tmp_path / "p_1.png").is_file()
    assert main(["doctor", str(folder), "--points-topic", "/nowhere"]) == 1
    assert "/nowhere is no sensor_msgs" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--keyframes", "0"], ["--teacher", "small:nowhere"]])
def test_arguments_that_cannot_be_used(tiny_nuscenes, arguments, capsys):
    assert main(["doctor", str(tiny_nuscenes), *arguments]) == 1
    assert arguments[1].rpartition(":")[2] in capsys.readouterr().err


def test_a_pre_training_on_recordings_is_examined_first(scene_bag, tiny_clip, tmp_path, capsys):
    out = tmp_path / "student.safetensors"
    kept = tmp_path / "kept"
    command = [
        "pretrain", str(scene_bag), "--prompts", "car", "--teacher", f"small:{tiny_clip}",
        "--recordings", str(kept), "--out", str(out), "--fixed-frame", "nowhere",
    ]  # fmt: skip
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "problem  poses: 0 of 6 clouds have one" in said
    assert "the recordings have" in said
    assert "--no-doctor" in said
    assert not kept.exists()
    assert main([*command, "--no-doctor"]) == 1
    assert "the recordings have" not in capsys.readouterr().err


def test_a_data_set_is_not_examined_first(tiny_nuscenes, tmp_path, capsys):
    (tiny_nuscenes / "samples/CAM_BACK/0.jpg").unlink()
    out = tmp_path / "student.safetensors"
    assert main(["pretrain", str(tiny_nuscenes), "--out", str(out), "--teacher", "small"]) == 1
    assert "examined" not in capsys.readouterr().err
