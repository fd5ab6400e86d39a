"""Poses of the robot where the recording has none: from a file, or by LiDAR odometry."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.geometry.se3 import invert, matrix_from_quaternion
from clip2scene_ros.bags.io import BagError, open_bag
from clip2scene_ros.bags.messages import header_message, odometry_message
from clip2scene_ros.bags.sweeps import read_sweeps
from clip2scene_ros.sync.sweeps import SyncOptions
from clip2scene_ros.sync.synchronizer import SweepSynchronizer
from clip2scene_ros.sync.topics import Profile

KISS_ICP: Final = "kiss-icp"
_MIN_POINTS: Final = 100


@dataclass(frozen=True)
class PoseTrack:
    """The pose of one frame over time.

    Attributes:
        stamps_ns: (N,) int64, rising.
        T_fixed_child: (N, 4, 4) float64.
        child_frame: Name of the frame; None is the robot's base.
    """

    stamps_ns: NDArray[np.int64]
    T_fixed_child: NDArray[np.float64]
    child_frame: str | None = None

    def messages(self, fixed_frame: str, base_frame: str) -> list[Any]:
        """The poses as nav_msgs/Odometry."""
        child = self.child_frame or base_frame
        return [
            odometry_message(pose, header_message(stamp, fixed_frame), child)
            for stamp, pose in zip(self.stamps_ns.tolist(), self.T_fixed_child, strict=True)
        ]


def sync_along(
    track: PoseTrack | None, profile: Profile, asked: SyncOptions | None = None
) -> SyncOptions:
    """Say how the messages of a bag are put together, with all of its cameras.

    Args:
        track: Poses in place of the bag's own; None: the bag's own.
        profile: Topics of the bag.
        asked: Options of the user; None: those that the topics suggest.
    """
    sync = asked or SyncOptions(**profile.sync_options())
    sync = replace(sync, cameras=tuple(profile.cameras))
    if track is None:
        return sync
    return replace(sync, pose_source="odometry", base_frame=track.child_frame or sync.base_frame)


def read_pose_file(path: Path) -> PoseTrack:
    """Read a trajectory in TUM's format: `stamp x y z qx qy qz qw` a line, seconds and metres.

    Args:
        path: Text file; `#` begins a comment. The poses are those of the robot's base.

    Raises:
        BagError: If the file is missing, a line does not fit, or stamps do not rise.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BagError(f"{path}: no readable file of poses ({error})") from error
    stamps, poses = [], []
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            values = [float(word) for word in words]
            if len(values) != 8 or not np.isfinite(values).all():
                raise ValueError("it needs 8 finite numbers")
            x, y, z, w = values[4:]
            poses.append(matrix_from_quaternion([w, x, y, z], values[1:4]))
        except ValueError as error:
            raise BagError(
                f"{path}, line {number}: {error}; a line is 'stamp x y z qx qy qz qw'"
            ) from error
        seconds, _, fraction = words[0].partition(".")
        # As text: a double holds a stamp of today to no better than 200 ns.
        is_plain = (seconds.isdigit() and fraction.isdigit()) or words[0].isdigit()
        stamps.append(
            int(seconds) * 10**9 + int(fraction[:9].ljust(9, "0"))
            if is_plain
            else round(values[0] * 1e9)
        )
    stamps_ns = np.array(stamps, dtype=np.int64)
    if len(stamps_ns) < 2 or (np.diff(stamps_ns) <= 0).any():
        raise BagError(f"{path}: it needs two poses or more, by rising stamps")
    return PoseTrack(stamps_ns, np.array(poses))


def track_by_kiss_icp(
    bag: Path,
    profile: Profile,
    options: SyncOptions,
    progress: Callable[[int, int], None] | None = None,
) -> PoseTrack:
    """Estimate the motion of the LiDAR from its clouds alone.

    Args:
        bag: The recording.
        profile: Topics of its cloud, cameras and odometry.
        options: How its clouds are read.
        progress: Called with the number of messages read and their total.

    Returns:
        Poses of the LiDAR's frame, or of the base where `/tf_static` or a file says how the LiDAR
        is mounted, at the stamp of every cloud. The first pose is the identity.

    Raises:
        BagError: If the package is not installed, or there are fewer than two clouds to follow.

    Source: Vizzo et al., KISS-ICP (RA-L 2023), as the package kiss-icp.
    """
    try:
        from kiss_icp.config import load_config
        from kiss_icp.kiss_icp import KissICP
    except ImportError as error:
        raise BagError(
            "poses by LiDAR odometry need the package kiss-icp: "
            "pip install 'clip2scene_ros[odometry]'"
        ) from error
    config = load_config(None)
    config.data.deskew = False  # sweeps are placed as a whole, here as everywhere
    odometry = KissICP(config)
    alone = replace(options, pose_source="none", cameras=(), deskew=False)
    synchronizer = SweepSynchronizer(alone, profile)
    stamps, poses, frame, T_base_lidar = [], [], None, None
    with open_bag(bag) as reader:
        for ready in read_sweeps(reader, synchronizer, progress=progress):
            points = ready.sweep.points[:, :3].astype(np.float64)
            points = points[np.isfinite(points).all(axis=1)]
            if len(points) < _MIN_POINTS:
                continue
            odometry.register_frame(points, np.zeros(0))
            stamps.append(ready.sweep.stamp_ns)
            poses.append(odometry.last_pose)
            frame, T_base_lidar = ready.header.frame_id, ready.sweep.T_base_lidar
    if len(poses) < 2:
        raise BagError(f"{bag}: {len(poses)} clouds have enough points to follow; two are needed")
    track = np.array(poses)
    if T_base_lidar is None:
        return PoseTrack(np.array(stamps), track, frame)
    return PoseTrack(np.array(stamps), T_base_lidar @ track @ invert(T_base_lidar))
