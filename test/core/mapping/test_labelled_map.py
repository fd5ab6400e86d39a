import numpy as np
import pytest
import torch

from clip2scene_core.mapping.labelled_map import LabelledMap, is_map_file, save_map
from clip2scene_core.prompts.vocabulary import make_vocabulary


def make_map(num_voxels: int = 3) -> LabelledMap:
    return LabelledMap(
        np.arange(3 * num_voxels, dtype=np.float32).reshape(-1, 3) + 0.25,
        np.arange(num_voxels, dtype=np.uint8) % 2,
        np.linspace(0.5, 1.0, num_voxels, dtype=np.float32),
        np.arange(1, num_voxels + 1),
        make_vocabulary(["car", "stop sign"], torch.eye(2), ["car", "stop\nsign"]),
    )


def test_an_npz_holds_voxels_and_words(tmp_path):
    labelled_map = make_map()
    save_map(labelled_map, tmp_path / "map.npz")
    with np.load(tmp_path / "map.npz", allow_pickle=False) as arrays:
        for name in ("points", "labels", "scores", "counts"):
            np.testing.assert_array_equal(arrays[name], getattr(labelled_map, name))
        assert arrays["names"].tolist() == ["car", "stop\nsign"]
        assert arrays["prompts"].tolist() == ["car", "stop sign"]
        np.testing.assert_array_equal(arrays["colours"], labelled_map.vocabulary.colors)


def test_a_ply_holds_a_vertex_per_voxel(tmp_path):
    labelled_map = make_map()
    save_map(labelled_map, tmp_path / "map.ply")
    content = (tmp_path / "map.ply").read_bytes()
    header, body = content.split(b"end_header\n")
    assert header.decode().splitlines() == [
        "ply",
        "format binary_little_endian 1.0",
        "comment label 0 car",
        "comment label 1 stop sign",
        "element vertex 3",
        "property float x",
        "property float y",
        "property float z",
        "property uchar red",
        "property uchar green",
        "property uchar blue",
        "property uchar label",
        "property float score",
    ]
    assert len(body) == 3 * 20
    vertices = np.frombuffer(body, "<f4, <f4, <f4, u1, u1, u1, u1, <f4".replace(" ", ""))
    np.testing.assert_array_equal(
        np.stack([vertices[f"f{axis}"] for axis in range(3)], 1), labelled_map.points
    )
    colors = np.stack([vertices[f"f{channel}"] for channel in (3, 4, 5)], 1)
    np.testing.assert_array_equal(colors, labelled_map.vocabulary.colorize(labelled_map.labels))
    assert vertices["f6"].tolist() == [0, 1, 0]
    np.testing.assert_array_equal(vertices["f7"], labelled_map.scores)


def test_what_cannot_be_written_is_refused_and_leaves_the_old_file(tmp_path):
    path = tmp_path / "map.npz"
    save_map(make_map(), path)
    before = path.read_bytes()
    with pytest.raises(ValueError, match="the map is empty"):
        save_map(make_map(0), path)
    with pytest.raises(ValueError, match=r"written as \.npz or \.ply, got '.*map'; name the file"):
        save_map(make_map(), tmp_path / "map")
    with pytest.raises(FileNotFoundError):
        save_map(make_map(), tmp_path / "missing" / "map.ply")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["map.npz"]


def test_a_write_that_fails_half_way_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "map.npz"
    save_map(make_map(), path)
    before = path.read_bytes()

    def fail(file, **arrays):
        file.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez_compressed", fail)
    with pytest.raises(OSError, match="disk full"):
        save_map(make_map(), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["map.npz"]


def test_a_map_knows_its_like(tmp_path):
    for suffix in (".npz", ".ply"):
        save_map(make_map(), tmp_path / f"map{suffix}")
        assert is_map_file(tmp_path / f"map{suffix}")
    np.savez(tmp_path / "other.npz", points=np.zeros((1, 3)), labels=np.zeros(1, np.uint8))
    (tmp_path / "text.npz").write_text("PK no archive")
    head, _, _ = (tmp_path / "map.ply").read_bytes().partition(b"property uchar label")
    (tmp_path / "scan.ply").write_bytes(head + b"end_header\n")
    (tmp_path / "folder.npz").mkdir()
    for name in ("other.npz", "text.npz", "scan.ply", "folder.npz"):
        assert not is_map_file(tmp_path / name), name
