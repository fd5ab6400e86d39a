"""A student that votes beside the cameras."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from separable_samples import TEXT, make_config
from street_sweep import spin

from clip2scene_core.checkpoint import save_checkpoint
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import ConfigError, InputConfig
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.preprocessing.network_input import preprocess
from clip2scene_core.teacher.cache import TeacherCache
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.maskclip import DenseClip
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.keyframe_digests import KeyframeDigests
from clip2scene_core.training.pretrain.audit import audit_labels
from clip2scene_core.training.pretrain.data.consensus_cache import ConsensusCache
from clip2scene_core.training.pretrain.data.paired_sample import pair_points
from clip2scene_core.training.pretrain.data.pixel_embeddings import CachedTeacher, fill_cache
from clip2scene_core.training.pretrain.data.student_votes import StudentVotes
from clip2scene_core.training.pretrain.prepare import prepare_distillation
from clip2scene_core.training.pretrain.run import pretrain
from clip2scene_core.training.pretrained import load_pretrained

CPU = torch.device("cpu")
VOTING = "consensus={voxel_size_m: 1.0, student_weight: 0.5}"


@pytest.fixture
def start(tmp_path, tiny_checkpoint):
    path = tmp_path / "start.safetensors"
    save_checkpoint(path, tiny_checkpoint)
    return load_pretrained(str(path))


def test_votes_are_the_students_logits_on_the_teachers_scale(start):
    leveled = replace(start.student.config, input=InputConfig(level=True, intensity="rank"))
    start = replace(start, student=replace(start.student, config=leveled))
    points, scale = spin(0.9), 20.0
    votes = StudentVotes(start, TEXT, scale, 0.5, CPU).of(points)
    told = torch.from_numpy(preprocess(points, leveled.input).points)
    with torch.no_grad():
        embeddings = start.student.student.embed_semantics(
            told, torch.zeros(len(told), dtype=torch.int64)
        )
    logits = torch.nn.functional.normalize(embeddings, dim=1) @ TEXT.T / leveled.losses.temperature
    np.testing.assert_allclose(scale * votes, 0.5 * logits.numpy(), atol=1e-4)
    assert StudentVotes(start, TEXT, scale, 0.5, CPU).of(points[:0]).shape == (0, len(TEXT))


def test_a_loud_student_is_believed_and_a_quiet_one_is_not(
    tmp_path, tiny_nuscenes, tiny_clip, start
):
    config = make_config(tiny_clip, "consensus={voxel_size_m: 0.1, movable: []}",
                         "sweeps.min_range_m=0")  # fmt: skip
    dataset, clip = NuScenesDataset(tiny_nuscenes), load_clip(config.teacher.clip)
    kept = TeacherCache(tmp_path, DenseClip(clip))
    fill_cache(kept, dataset, range(2), lambda done, total: None)
    digests = KeyframeDigests(dataset)
    teacher = CachedTeacher(kept, clip.embedding_size, digests)
    sample = dataset.load(0, ())

    def labels(weight):
        student = StudentVotes(start, TEXT, 10.0, weight, CPU) if weight else None
        voter = student.identity if student else ""
        cache = ConsensusCache(kept.folder, TEXT, 10.0, config, digests, voter)
        assert not cache.holds("scene-a")
        cache.add(dataset, [0], teacher, student)
        return pair_points(sample, config, consensus=cache.read("scene-a")).consensus_of_pairs

    alone, quiet, loud = labels(0), labels(1e-6), labels(1e4)
    assert (alone != IGNORE_LABEL).all()
    np.testing.assert_array_equal(alone, quiet)
    pairs = pair_points(sample, config)
    of_student = StudentVotes(start, TEXT, 10.0, 1.0, CPU).of(sample.keyframe.points).argmax(axis=1)
    np.testing.assert_array_equal(loud, of_student[pairs.point_index])
    assert (loud != alone).any()


def test_a_training_learns_from_the_student_it_begins_with(
    tmp_path, tiny_nuscenes, tiny_clip, start
):
    dataset = NuScenesDataset(tiny_nuscenes)
    config = make_config(tiny_clip, "sweeps.min_range_m=0", "consensus.voxel_size_m=1.0")
    config = replace(config, network=start.trunk.config)
    first = load_pretrained(str(pretrain(dataset, config, tmp_path / "first.safetensors")))
    head = first.student.student.semantic_head  # says "car" everywhere
    head.weight.data.zero_()
    head.bias.data.copy_(first.student.vocabulary.embeddings[0])
    labels = {}
    for weight in (0.0, 100.0):
        voting = override(config, [f"consensus.student_weight={weight}"])
        folder = tmp_path / "cache"
        data = prepare_distillation(dataset, voting, folder, make_fabric(voting), voter=first)
        labels[weight] = data.samples[0, 0][0].consensus_of_pairs
    assert (labels[0.0] != 0).any()
    assert (labels[100.0] == 0).all()
    voting = override(config, ["consensus.student_weight=0.5"])
    out = pretrain(dataset, voting, tmp_path / "second.safetensors", start=first)
    assert load_pretrained(str(out)).student.config.consensus.student_weight == 0.5


def test_another_student_may_vote_than_the_one_it_begins_with(
    tmp_path, tiny_nuscenes, tiny_clip, start
):
    dataset = NuScenesDataset(tiny_nuscenes)
    config = make_config(tiny_clip, "sweeps.min_range_m=0", "consensus.voxel_size_m=1.0")
    cache = tmp_path / "cache"
    out = pretrain(dataset, config, tmp_path / "voter.safetensors", cache=cache)
    voter = load_pretrained(str(out))
    loud = override(config, ["consensus.student_weight=100"])
    ended = {}
    for name, chosen in (("scratch", None), ("begun", voter)):
        out = tmp_path / f"{name}.safetensors"
        pretrain(dataset, loud, out, cache=cache, start=chosen, voter=voter)
        ended[name] = load_pretrained(str(out)).student
        assert ended[name].record["voter"]["sha256"] == voter.sha256
    assert ended["scratch"].record["from"] == "scratch"
    assert len(list(cache.rglob("consensus-*"))) == 2  # one of cameras alone, one with these votes
    with pytest.raises(ValueError, match="would not be asked"):
        pretrain(dataset, config, out, voter=voter)
    with pytest.raises(ValueError, match="no heads in the space of this CLIP"):
        pretrain(dataset, loud, tmp_path / "a.safetensors", voter=start)


def test_a_student_that_cannot_vote_is_said(tmp_path, tiny_nuscenes, tiny_clip, start):
    dataset = NuScenesDataset(tiny_nuscenes)
    config = replace(make_config(tiny_clip, VOTING), network=start.trunk.config)
    with pytest.raises(ValueError, match="begins with random weights; name the student"):
        pretrain(dataset, config, tmp_path / "a.safetensors")
    with pytest.raises(ValueError, match="no heads in the space of this CLIP"):
        pretrain(dataset, config, tmp_path / "a.safetensors", start=start)  # another CLIP's
    silent = override(config, ["consensus.student_weight=0"])
    labelled = NuScenesDataset(tiny_nuscenes, with_labels=True)
    with pytest.raises(ValueError, match="would not be asked"):
        audit_labels(labelled, dataset, silent, tmp_path / "cache", voter=start)


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("{voxel_size_m: 1.0, student_weight: -0.1}", "must be 0 or more"),
        ("{student_weight: 0.5}", "no consensus to take part in"),
    ],
)
def test_a_weight_that_means_nothing_is_refused(tiny_clip, setting, said):
    with pytest.raises(ConfigError, match=said):
        make_config(tiny_clip, f"consensus={setting}")
