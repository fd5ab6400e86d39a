"""Labels in nuScenes' own layout: a byte a point, an index of category.json."""

import json
import shutil

import numpy as np
import pytest
import torch

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_RAW_CATEGORIES
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.scans import LabelledScan, ScanError
from clip2scene_core.scans.lidarseg import LidarsegFolder


@pytest.mark.parametrize("words", [("robot dog", "road", "tree"), ("car", "driveable surface")])
def test_the_data_set_reads_what_is_laid_over_it(tmp_path, tiny_nuscenes, words):
    dataset = NuScenesDataset(tiny_nuscenes)
    folder = LidarsegFolder(tmp_path / "out", dataset)
    vocabulary = make_vocabulary(words, torch.zeros(len(words), 0))
    expected = []
    for index in range(len(dataset)):
        points = dataset[index].keyframe.points
        labels = (np.arange(len(points)) % len(words)).astype(np.uint8)
        labels[index::7] = IGNORE_LABEL
        scores = np.full(len(points), 0.5, np.float32)
        folder.add(LabelledScan(points, labels, scores, vocabulary, np.eye(4)))
        expected.append([words[one] if one != IGNORE_LABEL else "" for one in labels])
    folder.close()
    # The devkit's rule: a byte for each point of the reading, an index of category.json.
    categories = json.loads((tmp_path / "out/v1.0-tiny/category.json").read_text())
    name_of_index = {row["index"]: row["name"] for row in categories}
    for row in json.loads((tmp_path / "out/v1.0-tiny/lidarseg.json").read_text()):
        raw = np.fromfile(tmp_path / "out" / row["filename"], np.uint8)
        assert len(raw) == 48
        assert set(raw.tolist()) <= set(name_of_index)
        assert row["sample_data_token"] in row["filename"]
    if words[0] == "car":
        assert tuple(name_of_index.values()) == NUSCENES_RAW_CATEGORIES
    shutil.copytree(tmp_path / "out", tiny_nuscenes, dirs_exist_ok=True)
    labelled = NuScenesDataset(tiny_nuscenes, with_labels=True)
    for index, names in enumerate(expected):
        labels = labelled[index].keyframe.labels
        read = [labelled.classes[one].name if one != IGNORE_LABEL else "" for one in labels]
        assert read == names


def test_a_folder_that_exists_and_an_empty_one(tmp_path, tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    with pytest.raises(ScanError, match="exists already"):
        LidarsegFolder(tmp_path, dataset)
    with pytest.raises(ScanError, match="no labelled scan"):
        LidarsegFolder(tmp_path / "out", dataset).close()
