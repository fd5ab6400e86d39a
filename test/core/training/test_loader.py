import pytest

from clip2scene_core.training.loader import BatchOrder


def test_processes_share_the_batches_of_one_process():
    whole = list(BatchOrder(23, 4, seed=5, epoch=2))
    shares = [list(BatchOrder(23, 4, 5, 2, rank, 2)) for rank in (0, 1)]
    assert len(whole) == 5
    assert len({index for batch in whole for _, index in batch}) == 20
    for batch, one, other in zip(whole, *shares, strict=True):
        assert sorted(batch) == sorted(one + other)
    assert list(BatchOrder(23, 4, 5, 2, first=3)) == whole[3:]
    assert list(BatchOrder(23, 4, 5, 3)) != whole
    with pytest.raises(ValueError, match="choose a batch_size that is a multiple of 3"):
        BatchOrder(23, 4, 5, 2, 0, 3)
