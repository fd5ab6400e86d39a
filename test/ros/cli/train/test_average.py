from dataclasses import replace

from random_student import random_student, save_random_student

from clip2scene_core.checkpoint import load_checkpoint, save_checkpoint
from clip2scene_core.training.pretrained import load_pretrained
from clip2scene_ros.cli.main import main


def test_the_command_writes_a_student_or_says_why_not(tmp_path, capsys):
    before, after = save_random_student(tmp_path), tmp_path / "after.safetensors"
    begun = load_pretrained(str(before)).record | {"heads": "kept"}
    save_checkpoint(after, replace(random_student(1), record={"from": begun}))
    out = tmp_path / "mean.safetensors"
    assert main(["average", str(before), str(after), "--out", str(out)]) == 0
    assert "not calibrated" in capsys.readouterr().out
    assert load_checkpoint(out).record["averaged"]["share"] == 0.5
    assert main(["average", str(before), str(after), "--out", str(out)]) == 1
    assert "exists; choose another --out" in capsys.readouterr().err
    assert main(["average", str(before), str(after), "--out", str(tmp_path / "mean.pt")]) == 1
    assert "--out must end in .safetensors" in capsys.readouterr().err
