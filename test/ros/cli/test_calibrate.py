from random_student import save_random_student

from clip2scene_core.checkpoint import load_checkpoint
from clip2scene_ros.cli.main import main


def test_the_command_writes_a_student_or_says_why_not(
    tiny_nuscenes, other_nuscenes, tiny_kitti, tmp_path, capsys, monkeypatch
):
    import clip2scene_core.bench.measure.unknown as unknown
    from clip2scene_core.prompts.scoring import ScoreCalibration

    student, out = save_random_student(tmp_path), tmp_path / "calibrated.safetensors"
    # Random weights are right by chance: no temperature fits them.
    monkeypatch.setattr(unknown, "calibrate", lambda *_: ScoreCalibration(0.5, 0.125))
    arguments = ["calibrate", str(tiny_nuscenes), "--weights", str(student), "--out", str(out)]
    assert main(arguments) == 0
    printed = capsys.readouterr().out
    assert "temperature of the scores: 0.500" in printed
    assert "% before" in printed
    assert load_checkpoint(out).calibration == ScoreCalibration(0.5, 0.125)
    assert load_checkpoint(student).calibration is None
    scaled = [*arguments[:-1], str(tmp_path / "scaled.safetensors"), "--intensity-scale", "0"]
    assert main(scaled) == 1
    assert "intensity_scale must be a positive number, got 0" in capsys.readouterr().err
    several = [arguments[0], str(tiny_nuscenes), str(other_nuscenes), *arguments[2:-1]]
    assert main([*several, str(tmp_path / "several.safetensors")]) == 0
    assert "points of 4 keyframes" in capsys.readouterr().out
    assert (
        main([arguments[0], str(tiny_kitti), *several[3:], str(tmp_path / "kitti.safetensors")])
        == 1
    )
    assert "a label is called 'barrier', but evaluation compares" in capsys.readouterr().err
    assert main(arguments) == 1
    assert "exists; choose another --out" in capsys.readouterr().err
    assert main([*arguments[:-1], str(tmp_path / "x.pt")]) == 1
    assert "--out must end in .safetensors" in capsys.readouterr().err
