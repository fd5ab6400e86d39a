from official_states import clip2scene_state, slidr_state, write_pickled

from clip2scene_core.checkpoint import load_checkpoint, load_finetuned, load_trunk
from clip2scene_ros.cli.main import main


def test_an_imported_student_is_evaluated_with_its_own_words(tmp_path, tiny_nuscenes, capsys):
    model = write_pickled(tmp_path / "model.pt", clip2scene_state(), config={"voxel_size": 0.5})
    out = tmp_path / "student.safetensors"
    command = ["import-checkpoint", str(model), "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "student of 16 words" in said
    assert "spvcnn, width 0.125, cartesian voxels of 0.5 m" in said
    assert "classifier, point_mapping_global_random" in said
    assert load_checkpoint(out).config.network.voxel_size_m == 0.5
    assert main(["evaluate", str(tiny_nuscenes), "--weights", str(out), "--modes", "lidar"]) == 0
    assert main(command) == 1
    assert "exists" in capsys.readouterr().err


def test_fine_tuning_begins_with_an_imported_trunk(tmp_path, tiny_nuscenes, capsys):
    model = write_pickled(tmp_path / "slidr.pt", slidr_state())
    trunk, out = tmp_path / "trunk.safetensors", tmp_path / "out.safetensors"
    assert main(["import-checkpoint", str(model), "--out", str(trunk)]) == 0
    assert "'clip2scene finetune --from' begins with it" in capsys.readouterr().out
    assert main(["evaluate", str(tiny_nuscenes), "--weights", str(trunk)]) == 1
    assert "trained without words" in capsys.readouterr().err
    command = [
        "finetune", str(tiny_nuscenes), "--from", str(trunk), "--percent", "50", "--sampler",
        "clip2scene_keyframe", "--linear-probe", "--out", str(out), "--set", "training.epochs=1",
    ]  # fmt: skip
    assert main(command) == 0
    tuned = load_finetuned(out)
    assert tuned.config.network == load_trunk(trunk).config
    assert tuned.config.network.voxels.coordinates == "cylindrical"
    # A linear probe leaves the trunk as it came.
    kernel = tuned.classifier.network.state_dict()["stem.conv.weight"]
    assert (kernel == load_trunk(trunk).network.state_dict()["stem.conv.weight"]).all()
    assert main(["evaluate", str(tiny_nuscenes), "--weights", str(out)]) == 1  # its own scene


def test_words_and_out_are_checked_before_anything_is_written(tmp_path, capsys):
    model = write_pickled(tmp_path / "model.pt", clip2scene_state(num_texts=2))
    assert main(["import-checkpoint", str(model), "--out", str(tmp_path / "a.pt")]) == 1
    assert "--out must end in .safetensors" in capsys.readouterr().err
    out = tmp_path / "a.safetensors"
    assert main(["import-checkpoint", str(model), "--out", str(out)]) == 1
    assert "name the words with --words" in capsys.readouterr().err
    assert not out.exists()
    words = ["--words", "tram", "rail"]
    assert main(["import-checkpoint", str(model), "--out", str(out), *words]) == 0
    assert load_checkpoint(out).vocabulary.names == ("tram", "rail")
