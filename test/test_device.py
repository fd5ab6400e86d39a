import pytest
import torch

from clip2scene_core.device import find_device


def test_the_cpu_is_always_there():
    assert find_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("name", ["warp", "cuda:99"])
def test_a_device_that_is_not_there_is_refused_in_one_line(name):
    with pytest.raises(ValueError, match=f"device '{name}' cannot be used") as raised:
        find_device(name)
    assert "\n" not in str(raised.value)
