from dataclasses import replace

import pytest
import torch
from random_student import random_student, save_random_student

from clip2scene_core.checkpoint import load_checkpoint, save_checkpoint
from clip2scene_core.prompts.scoring import ScoreCalibration
from clip2scene_core.training.averaging import average_students
from clip2scene_core.training.pretrained import load_pretrained


def save_after(path, before, heads="kept", seed=1):
    record = load_pretrained(str(before)).record | {"heads": heads}
    after = replace(random_student(seed), record={"from": record, "seconds": 7})
    save_checkpoint(path, replace(after, calibration=ScoreCalibration(0.5, 0.1)))
    return path


def test_every_weight_is_between_those_before_and_after(tmp_path):
    before = save_random_student(tmp_path)
    after = save_after(tmp_path / "after.safetensors", before)
    mean = average_students(str(before), [after], 0.25)
    first = load_checkpoint(before).student.state_dict()
    second = load_checkpoint(after).student.state_dict()
    assert any(not torch.equal(first[name], second[name]) for name in first)
    for name, value in mean.student.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, 0.75 * first[name] + 0.25 * second[name])
        else:
            assert torch.equal(value, second[name])
    assert mean.calibration is None
    assert mean.record["seconds"] == 7
    averaged = {"with": str(before), "share": 0.25, "of": ["after.safetensors"]}
    assert mean.record["averaged"] == averaged


def test_several_have_as_much_as_the_one_before(tmp_path):
    before = save_random_student(tmp_path)
    after = [save_after(tmp_path / f"{seed}.safetensors", before, seed=seed) for seed in (1, 2)]
    for path, scenes in zip(after, (("a", "b"), ("b", "c")), strict=True):
        save_checkpoint(path, replace(load_checkpoint(path), scene_tokens=scenes))
    mean = average_students(str(before), after)
    states = [load_checkpoint(path).student.state_dict() for path in (before, *after)]
    for name, value in mean.student.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, sum(state[name] for state in states) / 3)
    assert mean.scene_tokens == ("a", "b", "c")
    assert mean.record["averaged"]["share"] == pytest.approx(2 / 3)
    alone = average_students(str(before), after[:1]).student.state_dict()
    for name, value in alone.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (states[0][name] + states[1][name]) / 2)


def test_several_need_not_have_the_one_before(tmp_path):
    before = save_random_student(tmp_path)
    after = [save_after(tmp_path / f"{seed}.safetensors", before, seed=seed) for seed in (1, 2)]
    mean = average_students(str(before), after, 1.0).student.state_dict()
    one, two = (load_checkpoint(path).student.state_dict() for path in after)
    for name, value in mean.items():
        if value.is_floating_point():
            torch.testing.assert_close(value, (one[name] + two[name]) / 2)


def test_students_of_other_words_are_refused(tmp_path):
    before = save_random_student(tmp_path)
    one, two = (save_after(tmp_path / f"{s}.safetensors", before, seed=s) for s in (1, 2))
    changed = load_checkpoint(two)
    other = replace(changed.vocabulary, embeddings=changed.vocabulary.embeddings.flip(0))
    save_checkpoint(two, replace(changed, vocabulary=other))
    with pytest.raises(ValueError, match=r"2\.safetensors has another network or other words than"):
        average_students(str(before), [one, two])
    with pytest.raises(ValueError, match="no student to average with"):
        average_students(str(before), [])


@pytest.mark.parametrize("share", [0.0, 1.0, -0.5, float("nan")])
def test_a_mean_is_of_both(tmp_path, share):
    with pytest.raises(ValueError, match="between 0 and 1"):
        average_students("small", [tmp_path / "after.safetensors"], share)


def test_networks_that_were_trained_apart_are_refused(tmp_path):
    before, other = save_random_student(tmp_path), save_random_student(tmp_path, seed=2)
    after = save_after(tmp_path / "after.safetensors", before)
    with pytest.raises(ValueError, match=r"did not begin with .*random-2.*record names .*random-0"):
        average_students(str(other), [after])
    with pytest.raises(ValueError, match="record names nothing"):
        average_students(str(before), [other])
    new_heads = save_after(tmp_path / "heads.safetensors", before, heads="random")
    with pytest.raises(ValueError, match="and new heads"):
        average_students(str(before), [new_heads])
