import pytest
from torch.utils.data import Dataset

from clip2scene_core.config.pretrain import PretrainConfig
from clip2scene_core.config.sections import TrainingConfig
from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.loader import BatchLoader, BatchOrder


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


class Keys(Dataset):
    """Ten keyframes, each of which is its own key."""

    def __len__(self):
        return 10

    def __getitem__(self, key):
        return key


@pytest.mark.parametrize("num_workers", [0, 1])
def test_steps_go_through_all_epochs_and_go_on_where_they_stopped(num_workers):
    training = TrainingConfig(epochs=3, batch_size=4, accumulate=2, seed=7)
    loader = BatchLoader(Keys(), list, training, make_fabric(PretrainConfig()), num_workers)
    steps = [(epoch, list(parts)) for epoch, parts in loader.from_step(0)]
    assert [epoch for epoch, _ in steps] == [0, 0, 1, 1, 2, 2]
    for epoch in range(3):
        order = list(BatchOrder(10, 4, 7, epoch, parts=2))
        assert steps[2 * epoch][1] + steps[2 * epoch + 1][1] == order
    assert [(epoch, list(parts)) for epoch, parts in loader.from_step(3)] == steps[3:]
