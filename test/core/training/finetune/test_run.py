import hashlib

import pytest
import torch
from separable_clouds import NAMES, make_config

from clip2scene_core.checkpoint import load_finetuned, save_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.finetune.run import finetune, make_classifier
from clip2scene_core.training.pretrained import load_pretrained


class InterruptionError(Exception):
    pass


@pytest.mark.parametrize(
    "assignments",
    [
        (),
        ("augmentation={mix: mix3d, tilt_deg: 3}", "training.batch_size=2", "training.epochs=6"),
    ],
)
def test_a_killed_run_ends_where_an_unbroken_one_does(tmp_path, tiny_nuscenes, assignments):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config, broken = make_config(*assignments), tmp_path / "b.safetensors"
    unbroken = load_finetuned(finetune(dataset, config, tmp_path / "a.safetensors", None))

    def interrupt(step) -> None:
        if step.step == 4:
            raise InterruptionError

    with pytest.raises(InterruptionError):
        finetune(dataset, config, broken, None, save_every=3, report=interrupt)
    with pytest.raises(ValueError, match="another configuration"):  # other keyframes
        finetune(dataset, override(config, ["labels.percent=50", "labels.sampler="
                 "clip2scene_keyframe"]), broken, None)  # fmt: skip
    steps = []
    finetune(dataset, config, broken, None, report=lambda step: steps.append(step.step))
    assert steps == [4, 5, 6]
    resumed = load_finetuned(broken).classifier.state_dict()
    for key, value in unbroken.classifier.state_dict().items():
        assert torch.equal(resumed[key], value), key


def test_the_checkpoint_says_what_it_learned_from(tmp_path, tiny_nuscenes, tiny_checkpoint):
    student = tmp_path / "student.safetensors"
    save_checkpoint(student, tiny_checkpoint)
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config = make_config("labels={percent: 50, sampler: clip2scene_keyframe}")
    out = finetune(dataset, config, tmp_path / "out.safetensors", load_pretrained(str(student)))
    checkpoint = load_finetuned(out)
    tokens = tmp_path / "out.tokens.txt"
    assert tokens.read_text() == "sample-0\n"  # the first of two keyframes
    assert checkpoint.record["tokens"] == {
        "file": "out.tokens.txt",
        "sha256": hashlib.sha256(b"sample-0\n").hexdigest(),
    }
    assert checkpoint.record["from"] == {
        "weights": str(student),
        "sha256": hashlib.sha256(student.read_bytes()).hexdigest(),
    }
    assert checkpoint.record["num_keyframes"] == 1
    assert checkpoint.scene_tokens == ("a", "b", "scene-a")
    assert (checkpoint.config, checkpoint.class_names) == (config, NAMES)
    assert sorted(path.name for path in tmp_path.glob("out.*")) == [
        "out.safetensors",
        "out.tokens.txt",
    ]


def test_the_first_process_alone_writes(tmp_path, tiny_nuscenes, monkeypatch):
    dataset = NuScenesDataset(tiny_nuscenes, with_labels=True, with_images=False)
    config = make_config()
    fabric = make_fabric(config)
    monkeypatch.setattr(type(fabric), "is_global_zero", property(lambda fabric: False))
    finetune(dataset, config, tmp_path / "new" / "out.safetensors", None, fabric, save_every=1)
    assert not (tmp_path / "new").exists()


def test_training_begins_with_the_students_trunk(tiny_checkpoint):
    classifier = make_classifier(make_config(), tiny_checkpoint.trunk)
    for key, value in tiny_checkpoint.student.network.state_dict().items():
        assert torch.equal(classifier.network.state_dict()[key], value), key
    with pytest.raises(ValueError, match=r"network.width is 0.25, of the student 0.125; leave"):
        make_classifier(make_config("network.width=0.25"), tiny_checkpoint.trunk)
    with pytest.raises(ValueError, match=r"input.level is True, of the student False; leave"):
        make_classifier(make_config("input.level=true"), tiny_checkpoint.trunk)


def test_labels_are_needed(tmp_path, tiny_nuscenes):
    with pytest.raises(ValueError, match="opened without labels"):
        finetune(NuScenesDataset(tiny_nuscenes), make_config(), tmp_path / "a.safetensors", None)
