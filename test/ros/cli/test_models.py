import json

from clip2scene_ros.cli.main import main


def test_the_command_lists_models_for_people_and_machines(capsys):
    assert main(["models"]) == 0
    text = capsys.readouterr().out
    assert "small_student (student)" in text
    assert "network width 0.25, voxels of 0.2 m" in text
    assert main(["models", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert {"name", "kind", "size_bytes", "num_parameters", "scores", "card"} <= set(listed[0])
