"""Tables of nuScenes' format whose names would lead out of the data set, the cache or `--out`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from clip2scene_core.corruptions.corruption import Corruption
from clip2scene_core.corruptions.writer import write_corrupted
from clip2scene_core.datasets import DatasetError, NuScenesDataset
from clip2scene_core.datasets.nuscenes_tables import NuScenesTables


def change(root: Path, table: str, key: str, value: object, row: int = -1) -> None:
    path = root / "v1.0-tiny" / f"{table}.json"
    rows = json.loads(path.read_text())
    rows[row][key] = value
    path.write_text(json.dumps(rows))


@pytest.mark.parametrize(
    "value", ["../../x", "/tmp/x", "a/../../x", "..\\x", "x\n", "", 3, "a" * 2000]
)
def test_files_outside_of_the_data_set_are_refused(tiny_nuscenes, value):
    change(tiny_nuscenes, "sample_data", "filename", value)
    with pytest.raises(
        DatasetError, match=r"sample_data\.json is not a valid table: the file of a"
    ):
        NuScenesDataset(tiny_nuscenes)


def test_labels_outside_of_the_data_set_are_refused(tiny_nuscenes):
    change(tiny_nuscenes, "lidarseg", "filename", "../labels.bin")
    with pytest.raises(DatasetError, match="leads out of the data set"):
        NuScenesDataset(tiny_nuscenes, with_labels=True)


@pytest.mark.parametrize("table", ["scene", "sample", "sample_data"])
@pytest.mark.parametrize(
    "value", ["../../x", "/x", "..", ".hidden", "a/b", "a\\b", "a\0b", 7, "a" * 300]
)
def test_tokens_that_cannot_name_a_file_are_refused(tiny_nuscenes, table, value):
    before = json.loads((tiny_nuscenes / f"v1.0-tiny/{table}.json").read_text())[-1]["token"]
    for path in (tiny_nuscenes / "v1.0-tiny").glob("*.json"):
        text = path.read_text().replace(json.dumps(before), json.dumps(value))
        path.write_text(text)
    with pytest.raises(DatasetError, match=r"the token of a (scene|sample|reading)") as refusal:
        NuScenesDataset(tiny_nuscenes)
    assert len(str(refusal.value)) < 500


def folder_state(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_corrupted_copy_changes_no_original_of_a_file_that_is_used_twice(tiny_nuscenes, tmp_path):
    """The second use would be written through the link that the first one is."""
    image = "samples/CAM_FRONT/0.jpg"
    (tiny_nuscenes / image).write_bytes(bytes(range(20)) + bytes(28))  # labels of 48 points as well
    change(tiny_nuscenes, "lidarseg", "filename", image, 0)
    before = folder_state(tiny_nuscenes)
    tables = NuScenesTables(tiny_nuscenes, None, None)
    for kind in ("beam_loss", "calibration"):
        write_corrupted(tables, tmp_path / kind, Corruption(kind, 3))
    assert folder_state(tiny_nuscenes) == before


def test_a_data_set_of_links_is_copied_into_out_alone(tiny_nuscenes, tmp_path):
    """As data sets on several disks are: samples/ and single files are links."""
    elsewhere = tmp_path / "disk"
    (tiny_nuscenes / "samples").rename(elsewhere)
    (tiny_nuscenes / "samples").symlink_to(elsewhere)
    (file,) = (elsewhere / "LIDAR_TOP").glob("0.*")
    file.rename(tmp_path / "moved.bin")
    file.symlink_to(os.path.relpath(tmp_path / "moved.bin", file.parent))
    before = folder_state(elsewhere)
    out = tmp_path / "out"
    write_corrupted(NuScenesTables(tiny_nuscenes, None, None), out, Corruption("beam_loss", 3))
    assert folder_state(elsewhere) == before
    assert not any(path.is_symlink() for path in out.rglob("*"))
    copied = NuScenesDataset(out)
    assert 0 < len(copied[0].keyframe.points) < 48
    assert np.isfinite(copied[1].keyframe.points).all()
