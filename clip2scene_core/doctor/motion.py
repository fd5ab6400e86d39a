"""How the sensor moved: poses over time, what they cover, and how a camera moved at a stamp."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.keyframe_dataset import KeyframeDataset
from clip2scene_core.doctor.finding import Finding, note, ok
from clip2scene_core.geometry.se3 import displacement, interpolate, invert

_MAX_SPEED_MPS: Final = 70.0
_STANDING_MPS: Final = 0.1
_STANDING_DEGPS: Final = 2.0
_MUCH_STANDING: Final = 0.5
_MAX_APART_S: Final = 0.7
_LITTLE_M: Final = 20.0


@dataclass(frozen=True)
class Track:
    """Poses of a LiDAR over time.

    Attributes:
        stamps_ns: (N,) int64, rising.
        T_global_lidar: (N, 4, 4) float64, finite.
    """

    stamps_ns: NDArray[np.int64]
    T_global_lidar: NDArray[np.float64]

    @classmethod
    def of(cls, stamps_ns: Sequence[int], poses: Sequence[NDArray[np.float64]]) -> Track:
        """Sort poses by time; equal stamps and poses that are not known are left out."""
        known = {
            stamp: pose
            for stamp, pose in zip(stamps_ns, poses, strict=True)
            if np.isfinite(pose).all()
        }
        stamps = sorted(known)
        stacked = np.stack([known[stamp] for stamp in stamps]) if stamps else np.empty((0, 4, 4))
        return cls(np.array(stamps, dtype=np.int64), stacked)

    def step(
        self, T_global_camera: NDArray[np.float64], at_ns: int, after_s: float
    ) -> NDArray[np.float64] | None:
        """How far a camera on the same body moves in a time.

        Args:
            T_global_camera: (4, 4) float64, at `at_ns`.
            at_ns: Stamp, nanoseconds.
            after_s: The time, seconds.

        Returns:
            T_now_later, (4, 4) float64, of the camera at the speed that the poses around the stamp
            have; None if there are none within 0.7 s.
        """
        after = int(np.searchsorted(self.stamps_ns, at_ns))
        after = min(max(after, 1), len(self.stamps_ns) - 1)
        if len(self.stamps_ns) < 2:
            return None
        before_ns, after_ns = self.stamps_ns[after - 1], self.stamps_ns[after]
        apart_s = (after_ns - before_ns) / 1e9
        if max(apart_s, abs(at_ns - before_ns) / 1e9) > _MAX_APART_S:
            return None
        T_before, T_after = self.T_global_lidar[after - 1], self.T_global_lidar[after]
        T_lidar_camera = (
            invert(interpolate(T_before, T_after, (at_ns - before_ns) / 1e9 / apart_s))
            @ T_global_camera
        )
        step = interpolate(np.eye(4), invert(T_before) @ T_after, after_s / apart_s)
        moved: NDArray[np.float64] = invert(T_lidar_camera) @ step @ T_lidar_camera
        return moved


def read_tracks(
    dataset: KeyframeDataset, reach: int = 0
) -> tuple[dict[str, Track], dict[str, list[int]]]:
    """Read stamps and poses of a data set from its tables; no file is opened.

    Args:
        dataset: Any number of keyframes.
        reach: Number of sweeps before each keyframe that are read, too.

    Returns:
        By the token of the scene: poses of its LiDAR, and the stamps of its keyframes in
        nanoseconds, in their order. Both are empty where there is no time, as in ScanNet's layout.
    """
    stamps: defaultdict[str, list[int]] = defaultdict(list)
    poses: defaultdict[str, list[NDArray[np.float64]]] = defaultdict(list)
    keyframes: defaultdict[str, list[int]] = defaultdict(list)
    for index in range(len(dataset)):
        files = dataset.files(index, range(1, reach + 1))
        of_sweeps = files.placement[: 2 * len(files.points)]
        if len(of_sweeps) < 2 or of_sweeps[1].dtype != np.int64:
            return {}, {}
        scene = dataset.scene_token(index)
        poses[scene] += [np.asarray(pose, np.float64) for pose in of_sweeps[::2]]
        stamps[scene] += [int(stamp[0]) for stamp in of_sweeps[1::2]]
        keyframes[scene].append(int(of_sweeps[1][0]))
    return {scene: Track.of(stamps[scene], poses[scene]) for scene in stamps}, dict(keyframes)


def check_motion(tracks: Sequence[Track]) -> list[Finding]:
    """Examine how the sensor moved.

    Args:
        tracks: Of one or several recordings or scenes.
    """
    metres = degrees = standing_s = total_s = 0.0
    num_jumps = 0
    fastest = 0.0
    for track in tracks:
        for index in range(1, len(track.stamps_ns)):
            seconds = float(track.stamps_ns[index] - track.stamps_ns[index - 1]) / 1e9
            distance_m, angle = displacement(
                track.T_global_lidar[index - 1], track.T_global_lidar[index]
            )
            angle_deg = float(np.degrees(angle))
            if distance_m > _MAX_SPEED_MPS * seconds + 1:
                num_jumps += 1
                fastest = max(fastest, distance_m)
                continue
            metres, degrees, total_s = metres + distance_m, degrees + angle_deg, total_s + seconds
            if distance_m < _STANDING_MPS * seconds and angle_deg < _STANDING_DEGPS * seconds:
                standing_s += seconds
    if total_s == 0 and not num_jumps:
        return []
    findings = []
    if num_jumps:
        findings.append(
            note(
                "motion",
                f"{num_jumps} poses jump, the farthest by {fastest:.1f} m",
                "take a frame whose poses do not jump when they are corrected, such as odom",
            )
        )
    share = standing_s / max(total_s, 1e-9)
    text = (
        f"{metres:.0f} m in {total_s:.0f} s, {degrees:.0f} degrees of turns, standing "
        f"{100 * share:.0f} % of the time"
    )
    if metres < _LITTLE_M and total_s > 5:
        remedy = (
            "record more places: keyframes of one place are alike. If the robot did move, its "
            "poses do not say so: check the fixed frame, or take --poses odometry or kiss-icp"
        )
        findings.append(note("motion", text, remedy))
    elif share > _MUCH_STANDING:
        remedy = "record more of the robot moving; few keyframes are taken where it stands"
        findings.append(note("motion", text, remedy))
    else:
        findings.append(ok("motion", text))
    return findings
