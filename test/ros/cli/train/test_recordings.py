import argparse
import shutil

import pytest
from small_bags import small_bag, write_bag

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_core.datasets import open_dataset
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_ros.cli.main import main
from clip2scene_ros.cli.recordings import (
    add_recording_arguments,
    find_recordings,
    name_of,
    settle_recordings,
)

QUICK = ["--keyframe-period", "0", "--keyframe-distance", "0", "--scene-length", "0.4"]


def test_recordings_are_found_alone_and_in_folders(scene_bag, tiny_nuscenes, tmp_path):
    assert find_recordings(scene_bag) == (scene_bag,)
    mcap = next(scene_bag.glob("*.mcap"))
    assert find_recordings(mcap) == (mcap,)
    drives = tmp_path / "drives"
    drives.mkdir()
    shutil.copytree(scene_bag, drives / "b")
    shutil.copy(mcap, drives / "a.mcap")
    shutil.copy(mcap, drives / "c.mcap.zstd")
    (drives / "notes.txt").write_text("rain")
    found = find_recordings(drives)
    assert found == (drives / "a.mcap", drives / "b", drives / "c.mcap.zstd")
    assert [name_of(bag) for bag in found] == ["a", "b", "c"]
    assert [name_of(drives / "b" / ".."), name_of(drives / "b" / ".")] == ["drives", "b"]
    assert find_recordings(tiny_nuscenes) == ()
    assert find_recordings(tmp_path / "nowhere") == ()


def test_a_bag_in_pieces_without_metadata_is_one_recording(scene_bag, tmp_path):
    pieces = tmp_path / "pieces"
    pieces.mkdir()
    mcap = next(scene_bag.glob("*.mcap"))
    for number in range(2):
        shutil.copy(mcap, pieces / f"drive_{number}.mcap")
    assert find_recordings(pieces) == (pieces,)


def test_convert_writes_a_data_set(scene_bag, tmp_path, capsys):
    assert main(["convert", str(scene_bag), "--out", str(tmp_path / "set")]) == 0
    assert "2 keyframes in 1 scenes, 4 images" in capsys.readouterr().out
    assert len(open_dataset(tmp_path / "set")) == 2
    assert main(["convert", str(tmp_path), "--out", str(tmp_path / "none")]) == 0
    assert main(["convert", str(tmp_path / "tiny"), "--out", str(tmp_path / "x")]) == 1
    assert "tiny is no recording" in capsys.readouterr().err


def test_convert_writes_another_layout_and_then_a_bag(tiny_kitti, tmp_path, capsys):
    out = tmp_path / "set"
    assert main(["convert", str(tiny_kitti), "--scenes", "00", "--out", str(out)]) == 0
    assert "4 keyframes in 1 scenes, without labels" in capsys.readouterr().out
    assert main(["bag", str(out), "--scene", "00", "--out", str(tmp_path / "bag")]) == 0
    assert find_recordings(tmp_path / "bag")
    assert main(["convert", str(tmp_path / "bag"), "--scenes", "00", "--out", str(out)]) == 1
    assert "recordings have none" in capsys.readouterr().err


def test_a_recording_becomes_a_data_set_once(scene_bag, tmp_path, capsys):
    def settle(*options):
        parser = argparse.ArgumentParser()
        add_recording_arguments(parser)
        arguments = parser.parse_args(["--recordings", str(tmp_path / "kept"), *options])
        arguments.dataset = [tmp_path / "tiny", scene_bag]
        (made,) = settle_recordings(arguments)
        assert arguments.dataset == [tmp_path / "tiny", made]
        return made

    first = settle()
    tables = first / "v1.0-recorded" / "scene.json"
    written = tables.stat().st_mtime_ns
    assert settle() == first
    assert tables.stat().st_mtime_ns == written
    assert settle("--keyframe-period", "2") != first  # read in another way
    next(scene_bag.glob("*.mcap")).touch()
    assert settle() != first  # another recording, perhaps
    assert str(first) in capsys.readouterr().err


def test_one_command_makes_a_student_of_a_recording(scene_bag, tiny_clip, tmp_path, capsys):
    out = tmp_path / "student.safetensors"
    command = [
        "pretrain", str(scene_bag), "--prompts", "car", "road", "tree",
        "--teacher", f"small:{tiny_clip}", "--recordings", str(tmp_path / "kept"),
        "--out", str(out), *QUICK, "--set", "training.epochs=1",
        "--set", "network.width=0.125", "--set", "losses.class_balance=false",
    ]  # fmt: skip
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "1 keyframes that the training did not see" in said
    assert "agreement, not accuracy" in said
    assert f"report with pictures: {out.with_suffix('.report.html')}" in said
    assert "data:image/jpeg" in out.with_suffix(".report.html").read_text()
    checkpoint = load_checkpoint(out)
    assert checkpoint.vocabulary.names == ("car", "road", "tree")
    assert checkpoint.config.consensus.movable == ("car",)
    assert checkpoint.config.consensus.ground == ("road",)
    assert checkpoint.config.input.intensity == "rank"
    scenes = open_dataset(*kept_sets(tmp_path / "kept")).scenes
    assert checkpoint.scene_tokens == (scenes[0].token,)  # the other one was held out


def kept_sets(folder):
    return sorted(path for path in folder.iterdir() if path.is_dir() and path.name != ".jobs")


def test_a_recording_that_cannot_be_read_leaves_the_others_made(scene_bag, tmp_path, capsys):
    drives, kept = tmp_path / "drives", tmp_path / "kept"
    for name in "abc":
        shutil.copytree(scene_bag, drives / name)
    mcap = next((drives / "b").glob("*.mcap"))
    mcap.write_bytes(b"no recording at all")
    words = ["pretrain", str(drives), "--no-doctor", "--recordings", str(kept), *QUICK]
    out = ["--out", str(tmp_path / "student.safetensors")]
    assert main([*words, *out]) == 1
    said = capsys.readouterr().err
    assert "2 of 3 recordings are done" in said
    assert "1 failed, and the same command tries them again: b-" in said
    assert [path.name[0] for path in kept_sets(kept)] == ["a", "c"]


def test_shares_of_the_teacher_fill_the_cache_of_a_training(
    scene_bag, tiny_clip, tmp_path, capsys, monkeypatch
):
    words = [
        "pretrain", str(scene_bag), "--no-doctor", "--recordings", str(tmp_path / "kept"),
        "--cache", str(tmp_path / "cache"), "--teacher", f"small:{tiny_clip}", "--prompts", "car",
        "--hold-out", "0", *QUICK,
    ]  # fmt: skip
    for share in ("0/2", "1/2"):
        assert main([*words, "--teacher-only", "--share", share]) == 0
        assert f"embeddings of share {share}" in capsys.readouterr().out
        (teacher,) = (tmp_path / "cache").iterdir()
        # A share is one of two keyframes, whose two pictures are the same.
        assert len(list(teacher.rglob("*.npy"))) == int(share[0]) + 1
    monkeypatch.setattr(TeacherCache, "add", None)  # the training embeds no more
    quick = ["--set", "training.epochs=1", "--set", "network.width=0.125"]
    out = ["--out", str(tmp_path / "student.safetensors")]
    assert main([*words, *quick, *out, "--set", "losses.class_balance=false"]) == 0


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--teacher-only"], "name data and --cache"),
        (["--share", "0/2", "--out", "s.safetensors"], "--share is for --teacher-only"),
        (
            ["--teacher-only", "--cache", "c", "--set", "augmentation.image_flip=true"],
            "they are embedded anew in every epoch",
        ),
    ],
)
def test_a_pass_of_the_teacher_that_helps_nobody_is_refused(tiny_nuscenes, options, why, capsys):
    assert main(["pretrain", str(tiny_nuscenes), *options]) == 1
    assert why in capsys.readouterr().err


@pytest.mark.parametrize("command", ["audit", "evaluate"])
def test_what_compares_labels_refuses_a_recording_without(command, tmp_path, capsys):
    kept = tmp_path / "kept"
    bag = write_bag(tmp_path / "bag", small_bag())
    assert main([command, str(bag), "--recordings", str(kept)]) == 1
    assert (
        "has no labels to compare with: there is no /lidar_top/lidarseg" in capsys.readouterr().err
    )
    assert not kept.exists()


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--movable", "car"], "give --prompts, too"),
        (["--prompts", "car", "--movable", "dog"], "--movable names 'dog', but --prompts are car"),
    ],
)
def test_words_that_do_not_fit_are_refused(tiny_nuscenes, options, why, tmp_path, capsys):
    command = ["pretrain", str(tiny_nuscenes), *options, "--out", str(tmp_path / "s.safetensors")]
    assert main(command) == 1
    assert why in capsys.readouterr().err


@pytest.mark.parametrize(
    ("prompts", "gap", "said"),
    [(["car", "gravel road"], 0.5, False), (["car", "tree"], 0.0, True)],
)
def test_objects_are_parted_by_ground_that_a_word_names(
    scene_bag, prompts, gap, said, tmp_path, capsys, caplog
):
    command = ["pretrain", str(scene_bag), "--prompts", *prompts, "--print-config"]
    assert main([*command, "--recordings", str(tmp_path / "kept")]) == 0
    assert f"object_gap_m: {gap}\n" in capsys.readouterr().out
    assert ("no prompt names the ground" in caplog.text) == said
