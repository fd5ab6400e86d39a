"""Whether the clouds of a data set have what a network is to read, before hours are spent."""

from __future__ import annotations

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset


def check_point_columns(
    dataset: KeyframeDataset, network: NetworkConfig, keyframe: int = 0
) -> None:
    """Refuse a training that would read colors or intensities that the clouds do not have.

    Args:
        dataset: At least one keyframe.
        network: What is read of a point.
        keyframe: The one that is loaded, so that no label is opened that must not be.

    Raises:
        ValueError: If the network reads colors of clouds without them, or intensities of the clouds
            of depth cameras, which are all 0.
    """
    points = dataset.load(keyframe, (), with_pixels=False).keyframe.points
    has_color = points.shape[1] > 4
    if "color" in network.features and not has_color:
        raise ValueError(
            f"network.features is {list(network.features)}, but the clouds of the data set have no "
            f"color; take intensity, or a data set of depth cameras such as ScanNet"
        )
    if "intensity" in network.features and has_color and len(points) and not points[:, 3].any():
        raise ValueError(
            f"network.features is {list(network.features)}, but the clouds of the data set have "
            f"colors and no intensity; take color, as config/pretrain_scannet.yaml does"
        )
