import re

import pytest

from clip2scene_core.datasets import DatasetError, open_dataset
from clip2scene_core.datasets.nuscenes_format.scene_lists import NUSCENES_SPLITS, read_scene_list


@pytest.mark.parametrize(
    "content",
    [
        b"scene-0001\nscene-0002\n",
        b"\xef\xbb\xbfscene-0001\r\nscene-0002",
        "scene-0001\nscene-0002\n".encode("utf-16"),
        b"# for validation\nscene-0001 scene-0002 # the last one\n",
        b"D:\\nuscenes\\scene-0001\nscenes/scene-0002/\n",
        b"scene-0001 \\\nscene-0002\n",
        b"'scene-0001', \"scene-0002\",\nscene-0001\n",
    ],
)
def test_names_are_read_however_they_are_written(tmp_path, content):
    path = tmp_path / "scenes.txt"
    path.write_bytes(content)
    assert read_scene_list(path) == ["scene-0001", "scene-0002"]


@pytest.mark.parametrize(
    ("content", "message"), [(b"# none\n", "no scene"), (b"\x89\xff\n", "no text")]
)
def test_a_file_without_names_is_refused(tmp_path, content, message):
    path = tmp_path / "scenes.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"scenes.txt .*{message}"):
        read_scene_list(path)


def test_the_name_of_a_split_is_no_file(tmp_path):
    with pytest.raises(ValueError, match="the official split is --split val"):
        read_scene_list(tmp_path / "val")
    with pytest.raises(FileNotFoundError):
        read_scene_list(tmp_path / "mine.txt")
    (tmp_path / "val").write_text("scene-0003\n")
    assert read_scene_list(tmp_path / "val") == ["scene-0003"]


def test_official_splits_are_what_their_authors_say():
    sizes = {"train": 700, "val": 150, "test": 150, "mini_train": 8, "mini_val": 2}
    assert {name: len(set(names)) for name, names in NUSCENES_SPLITS.items()} == sizes
    large = [*NUSCENES_SPLITS["train"], *NUSCENES_SPLITS["val"], *NUSCENES_SPLITS["test"]]
    assert len(set(large)) == 1000
    assert all(re.fullmatch(r"scene-[01]\d\d\d", name) for name in large)
    mini = [*NUSCENES_SPLITS["mini_train"], *NUSCENES_SPLITS["mini_val"]]
    assert set(mini) <= {*NUSCENES_SPLITS["train"], *NUSCENES_SPLITS["val"]}


def test_a_split_opens_its_scenes_if_all_are_there(tiny_nuscenes):
    with pytest.raises(DatasetError, match=r"has 0 of the 2 scenes of the split 'mini_val'"):
        open_dataset(tiny_nuscenes, split="mini_val")
    table = tiny_nuscenes / "v1.0-tiny" / "scene.json"
    rows = [{"token": "scene-a", "name": "scene-0103"}, {"token": "b", "name": "scene-0916"}]
    table.write_text(str([*rows, {"token": "c", "name": "scene-0001"}]).replace("'", '"'))
    dataset = open_dataset(tiny_nuscenes, split="mini_val")
    assert [scene.name for scene in dataset.scenes] == ["scene-0103", "scene-0916"]
    with pytest.raises(DatasetError, match=r"has 1 of the 700 .* it has all of mini_val"):
        open_dataset(tiny_nuscenes, split="train")
    with pytest.raises(DatasetError, match="the splits train, val, test, mini_train, mini_val"):
        open_dataset(tiny_nuscenes, split="trainval")
    with pytest.raises(DatasetError, match=r"--scenes"):
        open_dataset(tiny_nuscenes, split="pretrain_600")
    with pytest.raises(DatasetError, match="not both"):
        open_dataset(tiny_nuscenes, split="val", scenes=["scene-0001"])


def test_many_unknown_names_are_few_words(tiny_nuscenes):
    names = [f"scene-{number:04d}" for number in range(1, 701)]
    with pytest.raises(DatasetError, match=r"no scene scene-0002, .* and 694 more") as raised:
        open_dataset(tiny_nuscenes, scenes=names)
    assert len(str(raised.value)) < 400
