import numpy as np
import pytest

from clip2scene_core.geometry.se3 import displacement, invert
from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.pose_track import PoseTrack, read_pose_file, track_by_kiss_icp
from clip2scene_ros.bags.profile import choose_bag_profile
from clip2scene_ros.bags.sweeps import read_sweeps
from clip2scene_ros.share import share_directory
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer

SHIPPED_BAG = share_directory() / "rosbags" / "synthetic_street"


def test_a_file_of_poses_keeps_nanoseconds(tmp_path):
    path = tmp_path / "poses.txt"
    path.write_text(
        "\ufeff# stamp x y z qx qy qz qw\n"
        "1600000000.123456789 1 2 3 0 0 0 1\n\n"
        "1600000001,4,5,6,0,0,1,0  # turned\n"
    )
    track = read_pose_file(path)
    assert track.stamps_ns.tolist() == [1600000000123456789, 1600000001000000000]
    np.testing.assert_allclose(
        track.T_fixed_child[0, :3], [[1, 0, 0, 1], [0, 1, 0, 2], [0, 0, 1, 3]]
    )
    np.testing.assert_allclose(track.T_fixed_child[1, :3, :3], np.diag([-1, -1, 1]), atol=1e-12)
    first, _ = track.messages("map", "base")
    assert (first.header.frame_id, first.child_frame_id) == ("map", "base")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1 0 0 0 0 0 0 1\n2 0 0 0 0 0 0\n", "line 2: it needs 8 finite numbers"),
        ("1 0 0 0 0 0 0 1\n2 nan 0 0 0 0 0 1\n", "line 2: it needs 8 finite numbers"),
        ("1 0 0 0 0 0 0 1\n2 0 0 0 0 0 0 0\n", "line 2: "),
        ("time x y z\n", "line 1: "),
        ("2 0 0 0 0 0 0 1\n1 0 0 0 0 0 0 1\n", "by rising stamps"),
        ("2 0 0 0 0 0 0 1\n", "two poses or more"),
    ],
)
def test_a_line_that_does_not_fit_is_named(tmp_path, text, why):
    path = tmp_path / "poses.txt"
    path.write_text(text)
    with pytest.raises(BagError, match=why):
        read_pose_file(path)


def test_given_poses_take_the_place_of_the_bags():
    profile = choose_bag_profile(SHIPPED_BAG)
    poses = np.tile(np.eye(4), (2, 1, 1))
    poses[1, 0, 3] = 100.0
    stamps = np.array([1599999999900000000, 1600000002900000000])
    messages = PoseTrack(stamps, poses).messages("map", "base_link")
    synchronizer = SweepSynchronizer(SyncOptions(pose_source="odometry"), profile)
    with open_bag(SHIPPED_BAG) as reader:
        sweeps = [one.sweep for one in read_sweeps(reader, synchronizer, messages)]
    assert len(sweeps) == 31
    places = [(one.T_global_lidar @ invert(one.T_base_lidar))[0, 3] for one in sweeps]
    np.testing.assert_allclose(np.diff(places), 100 / 30, atol=1e-6)


def test_the_lidars_own_odometry_follows_the_true_way():
    pytest.importorskip("kiss_icp", reason="needs kiss-icp: pip install '.[odometry]'")
    profile = choose_bag_profile(SHIPPED_BAG)
    track = track_by_kiss_icp(SHIPPED_BAG, profile, SyncOptions())
    assert track.child_frame is None  # the bag says how the LiDAR is mounted
    synchronizer = SweepSynchronizer(SyncOptions(), profile)
    with open_bag(SHIPPED_BAG) as reader:
        sweeps = [one.sweep for one in read_sweeps(reader, synchronizer)]
    assert track.stamps_ns.tolist() == [sweep.stamp_ns for sweep in sweeps]
    true = [sweep.T_global_lidar @ invert(sweep.T_base_lidar) for sweep in sweeps]
    way = invert(true[0]) @ true[-1]
    distance_m, angle_rad = displacement(way, track.T_fixed_child[-1])
    assert np.linalg.norm(way[:3, 3]) > 20
    assert distance_m < 0.6
    assert np.degrees(angle_rad) < 2
