import pytest
import torch

from clip2scene_core.device import find_device, use_threads


def test_the_cpu_is_always_there():
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["warp", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used") as raised:
        find_device(name)
    assert "\n" not in str(raised.value)


@pytest.fixture
def own_threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_half_of_the_processors_are_left_to_others(own_threads, monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    torch.set_num_threads(6)
    use_threads()
    assert torch.get_num_threads() == 4
    torch.set_num_threads(1)  # as OMP_NUM_THREADS=1 does
    use_threads()
    assert torch.get_num_threads() == 1


def test_a_count_of_threads_is_taken_as_it_is(own_threads):
    use_threads(3)
    assert torch.get_num_threads() == 3
    with pytest.raises(ValueError, match="got -1"):
        use_threads(-1)
