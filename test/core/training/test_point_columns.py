"""A network and a data set that do not fit are found before the training."""

import pytest

from clip2scene_core.config.sections import NetworkConfig
from clip2scene_core.datasets import NuScenesDataset, ScanNetDataset, SemanticKittiDataset
from clip2scene_core.training.point_columns import check_point_columns

COLOR, BOTH = NetworkConfig(features=("color",)), NetworkConfig(features=("color", "intensity"))


def test_colors_must_be_there(tiny_nuscenes, tiny_kitti, tiny_scannet):
    for dataset in (NuScenesDataset(tiny_nuscenes), SemanticKittiDataset(tiny_kitti)):
        check_point_columns(dataset, NetworkConfig())
        for network in (COLOR, BOTH):
            with pytest.raises(ValueError, match="have no color; take intensity"):
                check_point_columns(dataset, network)
    rooms = ScanNetDataset(tiny_scannet)
    check_point_columns(rooms, COLOR)
    check_point_columns(rooms, NetworkConfig(features=("height", "offsets")))
    for network in (NetworkConfig(), BOTH):
        with pytest.raises(ValueError, match="colors and no intensity; take color"):
            check_point_columns(rooms, network)


def test_only_the_given_keyframe_is_opened(tiny_kitti):
    for path in tiny_kitti.glob("sequences/*/labels/000000.label"):
        path.write_bytes(b"unreadable")
    dataset = SemanticKittiDataset(tiny_kitti, with_labels=True)
    check_point_columns(dataset, NetworkConfig(), 1)
    with pytest.raises(ValueError, match="is truncated"):
        check_point_columns(dataset, NetworkConfig())
