"""Archives of arrays, read within bounds."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clip2scene_core.files.arrays import read_npz
from clip2scene_core.files.damage import name_damage

SHARED_FOLDER = [HealthCheck.function_scoped_fixture]  # each example writes the file anew
SETTINGS = settings(max_examples=200, deadline=None, suppress_health_check=SHARED_FOLDER)


def member(shape: object, content: bytes = b"") -> bytes:
    """An array's file whose header claims a shape."""
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}"
    header += " " * (118 - len(header) - 1) + "\n"
    return b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little") + header.encode() + content


def test_arrays_come_back_as_numpy_reads_them(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {"a": np.arange(6.0).reshape(2, 3), "b": np.array(["x", "yz"]), "c": np.array("text")}
    for write in (np.savez, np.savez_compressed):
        write(path, **arrays)
        found = read_npz(path)
        assert list(found) == list(arrays)
        for name, array in arrays.items():
            np.testing.assert_array_equal(found[name], array)
            assert found[name].dtype == array.dtype
        assert list(read_npz(path, ("b",))) == ["b"]
    with pytest.raises(KeyError, match="array d"):
        read_npz(path, ("a", "d"))


def test_bombs_are_refused_by_their_headers(tmp_path):
    path = tmp_path / "bomb.npz"
    np.savez_compressed(path, a=np.zeros(10_000_000, np.uint8))
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match="at most 1000000"):
        read_npz(path, max_bytes=1_000_000)
    for shape in ("(1000000000000,)", "(-1,)", "(1000000, 1000000)"):
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("a.npy", member(shape, b"\0" * 16))
        with pytest.raises(ValueError, match="array of"):
            read_npz(path)


def test_objects_are_never_unpickled(tmp_path):
    path = tmp_path / "objects.npz"
    np.savez(path, a=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="array of"):
        read_npz(path)


def whole() -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, a=np.arange(20), b=np.array(["x", "y"]))
    return file.getvalue()


@SETTINGS
@given(st.data())
def test_any_damage_is_named(tmp_path, data):
    content = bytearray(whole())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[place] = data.draw(st.integers(0, 255))
        else:
            del content[place : place + data.draw(st.integers(1, 50))]
        if not content:
            break
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    try:
        with name_damage(path, "table"):
            read_npz(path)
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
