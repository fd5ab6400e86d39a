"""A network without norms computes what the network computes."""

import copy

import pytest
import torch

from clip2scene_core.config.sections import NETWORK_NAMES, NetworkConfig
from clip2scene_core.network.folding import fold_norms
from clip2scene_core.network.row_batch_norm import RowBatchNorm
from clip2scene_core.network.student import Student

NO_BATCH = torch.zeros(300, dtype=torch.int64)


def points():
    generator = torch.Generator().manual_seed(1)
    return torch.rand(300, 4, generator=generator) * torch.tensor([8.0, 8.0, 3.0, 1.0])


def trained_student(name):
    """Random weights with norms that do something."""
    torch.manual_seed(0)
    student = Student(NetworkConfig(name, width=0.125, voxel_size_m=0.5), 16).eval()
    for module in student.modules():
        if isinstance(module, RowBatchNorm):
            module.running_mean.normal_()
            module.running_var.uniform_(0.1, 3)
            torch.nn.init.uniform_(module.weight, 0.3, 2)
            torch.nn.init.normal_(module.bias)
    return student


@pytest.mark.parametrize("name", NETWORK_NAMES)
def test_no_norm_is_left_and_nothing_else_changes(name):
    student = trained_student(name)
    before = copy.deepcopy(student.state_dict())
    folded = fold_norms(student)
    assert not [m for m in folded.modules() if isinstance(m, RowBatchNorm)]
    with torch.no_grad():
        expected = student.embed_semantics(points(), NO_BATCH)
        got = folded.embed_semantics(points(), NO_BATCH)
    scale = expected.abs().max()
    torch.testing.assert_close(got / scale, expected / scale, rtol=0, atol=1e-5)
    # What is saved is the student, as it came.
    after = student.state_dict()
    assert after.keys() == before.keys()
    assert all(torch.equal(after[key], before[key]) for key in before)


def test_a_copy_does_not_follow_its_student():
    student = trained_student("spvcnn")
    folded = fold_norms(student)
    with torch.no_grad():
        expected = folded.embed_semantics(points(), NO_BATCH)
        for parameter in student.parameters():
            parameter.zero_()
        torch.testing.assert_close(folded.embed_semantics(points(), NO_BATCH), expected)
    assert not any(parameter.requires_grad for parameter in folded.parameters())
