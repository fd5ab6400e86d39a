from __future__ import annotations

import numpy as np
import pytest
import ros_messages
from rosbags.rosbag2 import StoragePlugin, Writer

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_ros.bags.extrinsics import read_bag_extrinsics
from clip2scene_ros.bags.from_dataset import write_scene_bag
from clip2scene_ros.bags.io import BagError
from clip2scene_ros.sync.extrinsics import load_extrinsics, save_extrinsics


def test_tf_static_of_a_bag_becomes_an_extrinsics_file(tiny_nuscenes, tmp_path):
    dataset = NuScenesDataset(tiny_nuscenes)
    write_scene_bag(dataset, "scene-0001", tmp_path / "bag")
    save_extrinsics(tmp_path / "extrinsics.yaml", read_bag_extrinsics(tmp_path / "bag"))
    loaded = {t.child: t for t in load_extrinsics(tmp_path / "extrinsics.yaml")}
    assert set(loaded) == {"lidar_top", "cam_front", "cam_back"}
    for record in dataset.scene_records("scene-0001"):
        transform = loaded[record.channel.lower()]
        assert transform.parent == "base_link"
        np.testing.assert_allclose(transform.T_parent_child, record.T_ego_sensor, atol=1e-12)


def test_bag_without_tf_static_is_refused(tmp_path):
    message = ros_messages.transforms((1, "map", "base_link", (0, 0, 0)))
    with Writer(tmp_path / "bag", version=9, storage_plugin=StoragePlugin.MCAP) as writer:
        connection = writer.add_connection("/tf", message.__msgtype__, typestore=ros_messages.STORE)
        writer.write(connection, 1, ros_messages.STORE.serialize_cdr(message, message.__msgtype__))
    with pytest.raises(BagError, match="has no /tf_static"):
        read_bag_extrinsics(tmp_path / "bag")
