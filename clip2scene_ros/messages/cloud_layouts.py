"""Layouts of labelled points in the bytes of a PointCloud2: for PCL and viewers, or Autoware."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import IGNORE_LABEL

if TYPE_CHECKING:
    from clip2scene_core.inference.labelled_cloud import LabelledCloud
    from clip2scene_core.mapping.labelled_map import LabelledMap
    from clip2scene_core.prompts.vocabulary import Vocabulary

LAYOUTS: Final = ("pcl", "autoware")

UNLABELLED_ID: Final = 65535
"""Id of IGNORE_LABEL in layout `pcl`, as in vision_msgs."""

PCL_DTYPE: Final = np.dtype(
    [
        ("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"),
        ("rgb", "<f4"), ("label", "<u4"), ("confidence", "<f4"),
    ]
)  # fmt: skip
"""Layout `pcl` of a labelled cloud; PCL reads it as PointXYZRGBL, viewers color it by `rgb`."""

MAP_DTYPE: Final = np.dtype(
    [
        ("x", "<f4"), ("y", "<f4"), ("z", "<f4"),
        ("rgb", "<f4"), ("label", "<u4"), ("confidence", "<f4"),
    ]
)  # fmt: skip
"""Layout of the map cloud, and of a labelled cloud `pcl` without intensity."""

AUTOWARE_DTYPE: Final = np.dtype(
    {
        "names": ["x", "y", "z", "class_id", "probability", "entropy"],
        "formats": ["<f4", "<f4", "<f4", "u1", "<f4", "<f4"],
        "offsets": [0, 4, 8, 12, 16, 20],
        "itemsize": 24,
    }
)
"""Layout `autoware` of a labelled cloud: Autoware's PointXYZCPE, padded as a C++ struct."""

SIMILARITY_DTYPE: Final = np.dtype([("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4")])
"""Layout of the answer to a query; viewers color it by `intensity` by default."""

_DATATYPE_OF: Final = {
    "i1": 1, "u1": 2, "i2": 3, "u2": 4, "i4": 5, "u4": 6, "f4": 7, "f8": 8,
}  # fmt: skip


def labelled_cloud_array(
    cloud: LabelledCloud,
    intensity_scale: float = 255.0,
    layout: str = "pcl",
    include_intensity: bool = True,
) -> NDArray[np.void]:
    """Lay a labelled cloud out as PointCloud2 bytes.

    Args:
        cloud: N labelled points; layout `autoware` needs their entropies.
        intensity_scale: The sensor's largest intensity; undoes the scaling of `points_from_cloud`.
        layout: One of LAYOUTS.
        include_intensity: Keep the intensity of the input; layout `autoware` never has it.

    Returns:
        (N,) PCL_DTYPE, or MAP_DTYPE without intensity; unlabelled points are grey, with id
        UNLABELLED_ID and confidence 0. Or (N,) AUTOWARE_DTYPE; unlabelled points have id 255 and
        probability 0.
    """
    if layout == "autoware":
        assert cloud.entropies is not None  # the node asks the segmenter for them with this layout
        array = np.zeros(len(cloud.points), dtype=AUTOWARE_DTYPE)
        array["class_id"] = cloud.labels
        array["probability"] = np.where(cloud.labels == IGNORE_LABEL, 0, cloud.scores)
        array["entropy"] = cloud.entropies
    else:
        array = np.empty(len(cloud.points), dtype=PCL_DTYPE if include_intensity else MAP_DTYPE)
        if include_intensity:
            array["intensity"] = cloud.points[:, 3] * np.float32(intensity_scale)
        _fill_labels(array, cloud.labels, cloud.scores, cloud.vocabulary)
    _fill_positions(array, cloud.points)
    return array


def map_array(labelled_map: LabelledMap) -> NDArray[np.void]:
    """Lay a labelled map of V voxels out as PointCloud2 bytes: (V,) MAP_DTYPE."""
    array = np.empty(len(labelled_map.points), dtype=MAP_DTYPE)
    _fill_positions(array, labelled_map.points)
    _fill_labels(array, labelled_map.labels, labelled_map.scores, labelled_map.vocabulary)
    return array


def similarity_array(
    points: NDArray[np.float32], similarities: NDArray[np.float32]
) -> NDArray[np.void]:
    """Lay the answer to a query out as PointCloud2 bytes.

    Args:
        points: (N, 4) float32 points of a LabelledCloud.
        similarities: (N,) float32 in [0, 1].

    Returns:
        (N,) SIMILARITY_DTYPE.
    """
    array = np.empty(len(points), dtype=SIMILARITY_DTYPE)
    _fill_positions(array, points)
    array["intensity"] = similarities
    return array


def fields_of(dtype: np.dtype[Any]) -> tuple[tuple[str, int, int], ...]:
    """List the PointFields of a layout as (name, offset, datatype); each has count 1."""
    assert dtype.fields is not None
    assert dtype.names is not None
    return tuple(
        (name, int(dtype.fields[name][1]), _DATATYPE_OF[dtype.fields[name][0].str[1:]])
        for name in dtype.names
    )


def has_only_finite_points(array: NDArray[np.void]) -> bool:
    """Say whether all x, y and z of the layout are finite: the value of PointCloud2.is_dense."""
    names = array.dtype.names or ()
    return all(bool(np.isfinite(array[name]).all()) for name in "xyz" if name in names)


def _fill_positions(array: NDArray[np.void], points: NDArray[np.float32]) -> None:
    for column, name in enumerate("xyz"):
        array[name] = points[:, column]


def _fill_labels(
    array: NDArray[np.void],
    labels: NDArray[np.uint8],
    scores: NDArray[np.float32],
    vocabulary: Vocabulary,
) -> None:
    palette = vocabulary.colorize(np.arange(256, dtype=np.uint8)).astype(np.uint32)
    # The top byte is 0, so that the float is no NaN, which viewers and filters would drop.
    packed = palette[:, 0] << 16 | palette[:, 1] << 8 | palette[:, 2]
    ids = np.arange(256, dtype=np.uint32)
    ids[IGNORE_LABEL] = UNLABELLED_ID
    array["rgb"] = packed.view(np.float32)[labels]
    array["label"] = ids[labels]
    array["confidence"] = np.where(labels == IGNORE_LABEL, np.float32(0), scores)
