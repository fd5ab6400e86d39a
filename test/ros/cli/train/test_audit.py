from clip2scene_ros.cli.main import main


def test_the_command_prints_a_table(tmp_path, tiny_nuscenes, tiny_clip, capsys):
    config = tmp_path / "config.yaml"
    config.write_text(
        f"classes: [car, driveable surface, vegetation]\nprompts: [car, road, tree]\n"
        f"teacher: {{clip: 'small:{tiny_clip}'}}\n"
    )
    cache = tmp_path / "cache"
    arguments = ["--config", config, "--set", "consensus.voxel_size_m=2.0", "--cache", cache]
    assert main(["audit", str(tiny_nuscenes), *map(str, arguments)]) == 0
    assert "mean IoU in view of a camera" in capsys.readouterr().out
    assert len(list(cache.rglob("consensus-*/*.npz"))) == 1


def test_a_student_that_would_not_vote_is_refused(tiny_nuscenes, capsys):
    assert main(["audit", str(tiny_nuscenes), "--voter", "small"]) == 1
    assert "small would not be asked: consensus.student_weight is 0" in capsys.readouterr().err
