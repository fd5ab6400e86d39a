import dataclasses
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import (
    CheckpointError,
    FinetunedCheckpoint,
    load_checkpoint,
    load_finetuned,
    load_trunk,
    save_checkpoint,
    save_finetuned,
    save_trunk,
    untrained_checkpoint,
)
from clip2scene_core.prompts.scoring import ScoreCalibration
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.training.finetune.run import make_classifier


def test_a_saved_student_comes_back_whole(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    loaded = load_checkpoint(path)
    for key, value in tiny_checkpoint.student.state_dict().items():
        torch.testing.assert_close(loaded.student.state_dict()[key], value, rtol=0, atol=0)
    assert loaded.vocabulary.names == tiny_checkpoint.vocabulary.names
    assert torch.equal(loaded.vocabulary.embeddings, tiny_checkpoint.vocabulary.embeddings)
    assert loaded.config == tiny_checkpoint.config
    assert loaded.scene_tokens == ("a", "b")
    assert not loaded.student.training
    assert [p.name for p in tmp_path.iterdir()] == ["student.safetensors"]


def test_several_texts_of_a_label_come_back(tmp_path, tiny_checkpoint):
    own = tiny_checkpoint.vocabulary
    several = make_vocabulary(
        ["car | red car", *own.prompts[1:]],
        torch.cat([own.embeddings[:1], own.embeddings]),
        own.names,
        [("car", "red car"), *((prompt,) for prompt in own.prompts[1:])],
    )
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, dataclasses.replace(tiny_checkpoint, vocabulary=several))
    loaded = load_checkpoint(path).vocabulary
    assert loaded.texts_of_label == several.texts_of_label
    assert loaded.texts == ("car", "red car", *own.prompts[1:])
    assert loaded.label_of_text.tolist() == [0, 0, *range(1, len(own))]
    assert torch.equal(loaded.embeddings, several.embeddings)


def test_a_file_of_a_version_that_knew_one_text_a_label_is_read(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    description = json.loads(metadata["description"])
    del description["texts_of_label"]
    save_file(load_file(path), path, metadata | {"description": json.dumps(description)})
    loaded = load_checkpoint(path).vocabulary
    assert loaded.texts == loaded.prompts == tiny_checkpoint.vocabulary.prompts


def test_a_calibration_travels_with_its_student(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    calibrated = dataclasses.replace(tiny_checkpoint, calibration=ScoreCalibration(0.05, 0.21))
    save_checkpoint(path, tiny_checkpoint)
    assert load_checkpoint(path).calibration is None
    save_checkpoint(path, calibrated)
    assert load_checkpoint(path).calibration == ScoreCalibration(0.05, 0.21)
    assert load_checkpoint(path).config == tiny_checkpoint.config


def test_a_damaged_calibration_is_an_error(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(
        path, dataclasses.replace(tiny_checkpoint, calibration=ScoreCalibration(0.05, 0.21))
    )
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    metadata["description"] = metadata["description"].replace("0.05", "-1")
    save_file(load_file(path), path, metadata)
    with pytest.raises(CheckpointError, match="positive temperature"):
        load_checkpoint(path)


def test_a_missing_weight_is_an_error(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    del tensors["student.semantic_head.bias"]
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match=r"do not fit.*semantic_head\.bias"):
        load_checkpoint(path)


@pytest.mark.parametrize("damage", ["truncated", "foreign", "absent"])
def test_unusable_files_are_named_in_one_line(tmp_path, tiny_checkpoint, damage):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    if damage == "truncated":
        path.write_bytes(path.read_bytes()[:1000])
    elif damage == "foreign":
        save_file({"weight": torch.zeros(1)}, path)
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=r"student\.safetensors: ") as raised:
        load_checkpoint(path)
    assert "\n" not in str(raised.value)


def test_files_of_another_kind_are_named_for_what_they_are(tmp_path):
    path = tmp_path / "slidr.pt"
    torch.save({"model_points": {"stem.0.kernel": torch.zeros(27, 4, 32)}}, path)
    for load in (load_checkpoint, load_trunk, load_finetuned):
        with pytest.raises(CheckpointError, match=r"a PyTorch file.*import-checkpoint"):
            load(path)
    path.write_text("version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(CheckpointError, match=r"'git lfs pull' gets it$"):
        load_checkpoint(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(CheckpointError, match="no such checkpoint"):
        load_checkpoint(path)


def with_description(path, change):
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    description = json.loads(metadata["description"])
    change(description)
    save_file(load_file(path), path, metadata | {"description": json.dumps(description)})


def test_a_network_that_no_memory_holds_is_refused_before_it_is_built(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    for width, said in ((16.0, "do not fit"), (1e6, "at most 16"), (1e400, "got inf")):
        save_checkpoint(path, tiny_checkpoint)
        with_description(path, lambda d, width=width: d["config"]["network"].update(width=width))
        with pytest.raises(CheckpointError, match=said):
            load_checkpoint(path)


def test_weights_that_are_not_finite_are_refused(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    tensors = load_file(path)
    tensors["student.semantic_head.bias"][0] = torch.nan
    save_file(tensors, path, metadata)
    with pytest.raises(CheckpointError, match=r"semantic_head\.bias is not finite"):
        load_checkpoint(path)


def test_the_untrained_baseline_differs_only_in_its_weights(tiny_checkpoint):
    baseline = untrained_checkpoint(tiny_checkpoint, seed=5)
    assert baseline.config == tiny_checkpoint.config
    assert baseline.vocabulary is tiny_checkpoint.vocabulary
    weight = "semantic_head.weight"
    trained = tiny_checkpoint.student.state_dict()[weight]
    assert not torch.equal(baseline.student.state_dict()[weight], trained)
    again = untrained_checkpoint(dataclasses.replace(tiny_checkpoint, record={}), seed=5)
    assert torch.equal(again.student.state_dict()[weight], baseline.student.state_dict()[weight])


def test_checkpoints_are_not_mistaken_for_students(tmp_path, tiny_checkpoint):
    student, finetuned = tmp_path / "s.safetensors", tmp_path / "f.safetensors"
    save_checkpoint(student, tiny_checkpoint)
    classifier = make_classifier(make_config(), None)
    save_finetuned(finetuned, FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    with pytest.raises(CheckpointError, match="a fine-tuned network has classes and no words"):
        load_checkpoint(finetuned)
    with pytest.raises(CheckpointError, match=r"not a fine-tuned network.*clip2scene finetune"):
        load_finetuned(student)
    wider = FinetunedCheckpoint(classifier, NAMES, make_config("network.width=0.25"), (), {})
    save_finetuned(finetuned, wider)
    with pytest.raises(CheckpointError, match="weights do not fit their configuration"):
        load_finetuned(finetuned)


@pytest.mark.parametrize("kind", ["student", "fine-tuned"])
def test_a_key_of_a_former_version_is_an_error_that_says_the_new_one(
    tmp_path, tiny_checkpoint, kind
):
    path = tmp_path / "old.safetensors"
    if kind == "student":
        save_checkpoint(path, tiny_checkpoint)
    else:
        classifier = make_classifier(make_config(), None)
        save_finetuned(path, FinetunedCheckpoint(classifier, NAMES, make_config(), (), {}))
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert '"optimizer"' in metadata["description"]
    metadata["description"] = metadata["description"].replace('"optimizer"', '"optimiser"')
    save_file(load_file(path), path, metadata)
    load = load_checkpoint if kind == "student" else load_finetuned
    with pytest.raises(CheckpointError, match=r"'training\.optimiser'.*'training\.optimizer'"):
        load(path)


def test_a_trunk_comes_back_whole(tmp_path, tiny_checkpoint):
    path = tmp_path / "trunk.safetensors"
    trunk = dataclasses.replace(tiny_checkpoint.trunk, record={"imported": {"file": "model.pt"}})
    save_trunk(path, trunk)
    loaded = load_trunk(path)
    for key, value in tiny_checkpoint.student.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value), key
    assert (loaded.config, loaded.input) == (trunk.config, trunk.input)
    assert (loaded.scene_tokens, loaded.record) == (("a", "b"), trunk.record)
    assert not loaded.network.training
    with pytest.raises(CheckpointError, match="labels nothing yet; 'clip2scene finetune --from'"):
        load_checkpoint(path)
    save_file({"stem.0.conv.weight": torch.zeros(1)}, path, safe_open(path, "pt").metadata())
    with pytest.raises(CheckpointError, match="do not fit"):
        load_trunk(path)


def test_a_student_has_a_trunk(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    loaded = load_trunk(path)
    for key, value in tiny_checkpoint.student.network.state_dict().items():
        assert torch.equal(loaded.network.state_dict()[key], value), key
    assert load_trunk("small").config == load_checkpoint("small").config.network


def test_a_file_of_a_version_without_kinds_of_voxels_means_todays(tmp_path, tiny_checkpoint):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    description = json.loads(metadata["description"])
    for key in ("voxels", "intensity_scale", "intensity_offset"):
        del description["config"]["network"][key]
    save_file(load_file(path), path, metadata | {"description": json.dumps(description)})
    assert load_checkpoint(path).config == tiny_checkpoint.config


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_neither_read_nor_written(
    tmp_path, tiny_checkpoint, number
):
    path = tmp_path / "student.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    tensors, metadata = load_file(path), {}
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    floats = [name for name, value in tensors.items() if value.is_floating_point()]
    for name in (floats[0], "text_embeddings"):
        spoiled = {key: value.clone() for key, value in tensors.items()}
        spoiled[name].view(-1)[0] = number
        save_file(spoiled, path, metadata=metadata)
        with pytest.raises(CheckpointError, match=rf"{name} is not finite .* train anew"):
            load_checkpoint(path)
    weight = next(tiny_checkpoint.student.parameters())
    before = float(weight.data.view(-1)[0])
    weight.data.view(-1)[0] = number
    path.unlink()
    with pytest.raises(CheckpointError, match="is not finite"):
        save_checkpoint(path, tiny_checkpoint)
    weight.data.view(-1)[0] = before
    assert not list(tmp_path.iterdir())
