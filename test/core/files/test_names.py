"""Names of others that become paths of ours."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clip2scene_core.files.names import checked_name, checked_path, path_inside

HOSTILE = st.text("ab./\\~\0\n é‮%$:", max_size=12)


@settings(max_examples=300)
@given(HOSTILE)
def test_a_checked_name_stays_in_its_folder(name):
    try:
        checked_name(name, "token")
    except ValueError:
        return
    assert (Path("/cache") / f"{name}.npy").parent == Path("/cache")
    assert (Path("/cache") / name[:2] / f"{name}.npy").resolve().is_relative_to("/cache")


@settings(max_examples=300)
@given(HOSTILE)
def test_a_checked_path_stays_in_its_folder(name):
    try:
        checked_path(name, "file")
    except ValueError:
        return
    path = Path("/data") / name
    assert path.resolve().is_relative_to("/data")
    assert ".." not in PurePosixPath(name).parts


@pytest.mark.parametrize("name", ["a", "a-b_c.d", "scene-0001", "ü", "a b", "n015-2018__LIDAR_TOP"])
def test_usual_names_are_kept(name):
    assert checked_name(name, "token") == name
    assert checked_path(f"samples/{name}.bin", "file") == f"samples/{name}.bin"


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "link").symlink_to(tmp_path)
    assert path_inside(out, "a/b.bin", "file") == out / "a/b.bin"
    with pytest.raises(ValueError, match="through a link"):
        path_inside(out, "link/b.bin", "file")
