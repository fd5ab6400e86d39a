from types import SimpleNamespace

import numpy as np
import pytest
import torch

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_ros.messages.cloud_layouts import (
    AUTOWARE_DTYPE,
    MAP_DTYPE,
    PCL_DTYPE,
    SIMILARITY_DTYPE,
    fields_of,
    has_only_finite_points,
    labelled_cloud_array,
    map_array,
    similarity_array,
)

POINTS = np.array([[1, 2, 3, 1], [4, 5, 6, 0], [7, 8, 9, 0.2]], dtype=np.float32)


def labelled_cloud(labels):
    return SimpleNamespace(
        points=POINTS[: len(labels)],
        labels=np.array(labels, np.uint8),
        scores=np.full(len(labels), 0.5, np.float32),
        entropies=np.linspace(0.1, 0.3, len(labels), dtype=np.float32),
        vocabulary=make_vocabulary(["car", "tree"], torch.eye(2)),
    )


def test_layout_of_labelled_cloud_is_pcl():
    assert PCL_DTYPE.itemsize == 28
    assert fields_of(PCL_DTYPE) == (
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7),
        ("rgb", 16, 7), ("label", 20, 6), ("confidence", 24, 7),
    )  # fmt: skip
    assert MAP_DTYPE.itemsize == 24


def test_labelled_cloud_carries_colour_label_and_input_intensity():
    cloud = labelled_cloud([1, 0, IGNORE_LABEL])
    laid_out = labelled_cloud_array(cloud)
    np.testing.assert_array_equal(laid_out["label"], [1, 0, 65535])
    np.testing.assert_allclose(laid_out["confidence"], [0.5, 0.5, 0])
    np.testing.assert_allclose(laid_out["intensity"], [255, 0, 51], rtol=1e-6)
    packed = np.ascontiguousarray(laid_out["rgb"]).view(np.uint32)
    red, green, blue = (int(value) for value in cloud.vocabulary.colors[1])
    assert packed[0] == red << 16 | green << 8 | blue
    assert packed[2] == 80 << 16 | 80 << 8 | 80
    assert np.isfinite(laid_out["rgb"]).all()


def test_map_lists_voxels_with_labels():
    voxels = SimpleNamespace(
        points=POINTS[:2, :3],
        labels=np.array([0, 1], np.uint8),
        scores=np.ones(2, np.float32),
        vocabulary=labelled_cloud([0]).vocabulary,
    )
    laid_out = map_array(voxels)
    np.testing.assert_array_equal(laid_out["label"], [0, 1])
    np.testing.assert_array_equal(laid_out["y"], [2, 5])


def test_density_is_computed_from_the_points():
    laid_out = labelled_cloud_array(labelled_cloud([0, 1]))
    assert has_only_finite_points(laid_out)
    laid_out["z"][1] = np.inf
    assert not has_only_finite_points(laid_out)


def test_intensity_may_be_left_out_and_the_labels_stay():
    cloud = labelled_cloud([1, 0, IGNORE_LABEL])
    laid_out = labelled_cloud_array(cloud, include_intensity=False)
    assert [name for name, _, _ in fields_of(laid_out.dtype)] == [
        "x", "y", "z", "rgb", "label", "confidence",
    ]  # fmt: skip
    with_intensity = labelled_cloud_array(cloud)
    for name in laid_out.dtype.names:
        np.testing.assert_array_equal(laid_out[name], with_intensity[name])


def test_layout_autoware_is_padded_as_its_struct():
    assert AUTOWARE_DTYPE.itemsize == 24
    assert fields_of(AUTOWARE_DTYPE) == (
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7),
        ("class_id", 12, 2), ("probability", 16, 7), ("entropy", 20, 7),
    )  # fmt: skip


def test_autoware_cloud_carries_class_probability_and_entropy():
    laid_out = labelled_cloud_array(labelled_cloud([1, 0, IGNORE_LABEL]), layout="autoware")
    np.testing.assert_array_equal(laid_out["x"], [1, 4, 7])
    np.testing.assert_array_equal(laid_out["class_id"], [1, 0, 255])
    np.testing.assert_allclose(laid_out["probability"], [0.5, 0.5, 0])
    np.testing.assert_allclose(laid_out["entropy"], [0.1, 0.2, 0.3])
    padding = np.frombuffer(laid_out.tobytes(), np.uint8).reshape(3, 24)[:, 13:16]
    assert not padding.any()


@pytest.mark.parametrize("layout", ["pcl", "autoware"])
def test_an_empty_cloud_has_a_layout(layout):
    cloud = labelled_cloud([])
    assert labelled_cloud_array(cloud, layout=layout).shape == (0,)


def test_the_answer_to_a_query_lies_in_intensity():
    laid_out = similarity_array(POINTS, np.array([0.0, 0.25, 1.0], np.float32))
    assert fields_of(SIMILARITY_DTYPE) == (
        ("x", 0, 7), ("y", 4, 7), ("z", 8, 7), ("intensity", 12, 7),
    )  # fmt: skip
    np.testing.assert_array_equal(laid_out["z"], [3, 6, 9])
    np.testing.assert_array_equal(laid_out["intensity"], [0, 0.25, 1])
