"""What a file is that could not be read."""

from __future__ import annotations

import numpy as np
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from clip2scene_core.files.kind import SAFETENSORS, TORCH_SAVE, TORCH_SCRIPT, kind_of_file

HEADER = b"\x08\0\0\0\0\0\0\0{"


class Nothing(torch.nn.Module):
    def forward(self, x):
        return x


def test_each_way_to_save_is_known(tmp_path):
    path = tmp_path / "a"
    save_file({"a": torch.zeros(3)}, path, {"format": "pt"})
    assert kind_of_file(path) == SAFETENSORS
    save_file({}, path)
    assert kind_of_file(path) == SAFETENSORS
    for is_new in (True, False):
        torch.save({"a": torch.zeros(3)}, path, _use_new_zipfile_serialization=is_new)
        assert kind_of_file(path) == TORCH_SAVE
    torch.jit.trace(Nothing(), torch.zeros(1)).save(str(path))
    assert kind_of_file(path) == TORCH_SCRIPT
    with path.open("wb") as file:
        np.savez(file, a=np.zeros(3))
    assert kind_of_file(path) == "a NumPy archive"
    assert kind_of_file(tmp_path) == "a folder"


def test_bytes_that_are_missing_are_counted(tmp_path):
    path = tmp_path / "a.safetensors"
    save_file({"a": torch.zeros(100)}, path)
    content = path.read_bytes()
    for kept in (50, len(content) - 7):
        path.write_bytes(content[:kept])
        assert "cut off" in kind_of_file(path)
    assert "7 bytes are missing" in kind_of_file(path)


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=64),
    st.sampled_from([b"", b"PK\x03\x04", b"\x08\0\0\0\0\0\0\0{", b"\x80\x02"]),
)
def test_any_bytes_are_something(tmp_path, content, start):
    path = tmp_path / "a"
    path.write_bytes(start + content)
    assert "\n" not in kind_of_file(path)
