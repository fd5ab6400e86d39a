import torch

from clip2scene_core.network.row_batch_norm import RowBatchNorm


def test_a_single_row_is_normalised_by_the_running_statistics_and_leaves_them_alone() -> None:
    norm = RowBatchNorm(1)
    norm(torch.tensor([[0.0], [2.0]]))  # mean 1, unbiased variance 2, momentum 0.1
    assert norm.running_mean is not None
    assert norm.running_var is not None
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.1]))
    torch.testing.assert_close(norm.running_var, torch.tensor([1.1]))
    output = norm(torch.tensor([[3.1]]))
    torch.testing.assert_close(output, torch.tensor([[3.0 / (1.1 + 1e-5) ** 0.5]]))
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.1]))
