"""Class images and things on disk."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.sample import DatasetError, Sample
from clip2scene_core.world.dataset.ground_truth import (
    SceneObjects,
    read_class_images,
    read_objects,
    write_class_image,
    write_objects,
)


@pytest.fixture
def sample(tiny_nuscenes: Path) -> Sample:
    return NuScenesDataset(tiny_nuscenes)[0]


def random_labels(seed: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def test_class_images_come_back_in_the_order_of_the_views(tiny_nuscenes, sample):
    written = {}
    for seed, view in enumerate(sample.cameras):
        written[view.name] = random_labels(seed, view.image.shape[:2])
        write_class_image(tiny_nuscenes, sample.token, view.name.upper(), written[view.name])
    turned = dataclasses.replace(sample, cameras=sample.cameras[::-1])
    for order in (sample, turned):
        images = read_class_images(tiny_nuscenes, order)
        for image, view in zip(images, order.cameras, strict=True):
            np.testing.assert_array_equal(image, written[view.name])


def test_things_come_back(tiny_nuscenes, sample):
    index = np.arange(48, dtype=np.int32) % 3 - 1
    write_objects(
        tiny_nuscenes, sample.token, SceneObjects(index, ("van", "brick wall"), ("red", ""))
    )
    objects = read_objects(tiny_nuscenes, sample)
    np.testing.assert_array_equal(objects.index, index)
    assert objects.index.dtype == np.int32
    assert (objects.words, objects.colors) == (("van", "brick wall"), ("red", ""))


def test_scene_without_things_comes_back(tiny_nuscenes, sample):
    write_objects(tiny_nuscenes, sample.token, SceneObjects(np.full(48, -1, np.int32), (), ()))
    assert read_objects(tiny_nuscenes, sample).words == ()


def test_data_without_truth_is_refused_with_the_way_out(tiny_nuscenes, sample):
    with pytest.raises(
        DatasetError, match=r"CAM_\w+.png is missing.*without ground truth.*--ground-truth"
    ):
        read_class_images(tiny_nuscenes, sample)
    with pytest.raises(DatasetError, match=r"npz is missing.*without ground truth"):
        read_objects(tiny_nuscenes, sample)


def test_truth_of_another_size_is_refused(tiny_nuscenes, sample):
    for view in sample.cameras:
        write_class_image(tiny_nuscenes, sample.token, view.name.upper(), random_labels(0, (8, 8)))
    with pytest.raises(DatasetError, match=r"\(8, 8\) uint8, but the view cam_\w+ is \(32, 56\)"):
        read_class_images(tiny_nuscenes, sample)
    write_objects(tiny_nuscenes, sample.token, SceneObjects(np.zeros(7, np.int32), ("van",), ("",)))
    with pytest.raises(DatasetError, match="tells of 7 points, but the keyframe's sweep has 48"):
        read_objects(tiny_nuscenes, sample)


def test_damaged_truth_is_refused(tiny_nuscenes, sample):
    write_objects(
        tiny_nuscenes, sample.token, SceneObjects(np.zeros(48, np.int32), ("van",), ("",))
    )
    path = next((tiny_nuscenes / "objects").iterdir())
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DatasetError, match="damaged file of objects"):
        read_objects(tiny_nuscenes, sample)


def test_a_folder_of_a_former_version_is_named(tiny_nuscenes, sample):
    write_objects(tiny_nuscenes, sample.token, SceneObjects(np.zeros(48, np.int32), ("a",), ("",)))
    (tiny_nuscenes / "objects").rename(tiny_nuscenes / "things")
    with pytest.raises(DatasetError, match="an older version, which called objects/ things/"):
        read_objects(tiny_nuscenes, sample)
