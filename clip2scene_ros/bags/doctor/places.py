"""Where the sensors of a recording were: poses, extrinsics, motion, and keyframes to expect."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, problem, some
from clip2scene_core.doctor.motion import Track, check_motion
from clip2scene_core.doctor.stamps import nearest_difference_s
from clip2scene_ros.bags.doctor.times import TopicTimes
from clip2scene_ros.bags.keyframes import KeyframeChooser
from clip2scene_ros.bags.to_dataset import RecordingOptions
from clip2scene_ros.messages.decode import NANOSECONDS, bare_frame
from clip2scene_ros.sync.extrinsics import POINTS, parse_frame_overrides
from clip2scene_ros.sync.poses import SensorPoses
from clip2scene_ros.sync.sweeps import Rejection, RejectionKind, SyncOptions
from clip2scene_ros.sync.topics import Profile

_MOST: Final = 0.9
_FEW_KEYFRAMES: Final = 50
_POINT_BYTES: Final = 20
_JPEG_SHARE: Final = 0.15

_REMEDIES: Final = {
    RejectionKind.NO_POSE: "record /tf from before the start to after the end, name --fixed-frame "
    "and --base-frame as the recording calls them, or take --poses odometry, a file, or kiss-icp",
    RejectionKind.NO_EXTRINSICS: "record /tf_static, or give --extrinsics with the frame named "
    "there; --frame-overrides corrects a frame that a header names wrongly",
    RejectionKind.UNCALIBRATED: "calibrate the camera, or give --camera-info-url",
    RejectionKind.CAMERA: "the reason says what is missing: a frame, a calibration, a picture",
    RejectionKind.BAD_CLOUD: "the cloud needs x, y, z in metres; see the reason",
    RejectionKind.ZERO_STAMP: "let the driver stamp, or take the times of arrival",
    RejectionKind.WRONG_STAMP: "a few do no harm; many mean that clocks jump",
    RejectionKind.TIME_JUMP: "the clock was set back on the way: cut the recording there",
    RejectionKind.EXTRINSICS_MOVED: "publish the extrinsics of fixed sensors on /tf_static once",
    RejectionKind.BAD_TRANSFORM: "a transform is not finite; correct who publishes it",
}
_OTHER_REMEDY: Final = "the reason says what is wrong"


@dataclass
class Released:
    """What the synchronizer released of a recording.

    Attributes:
        stamps: Nanoseconds of each cloud.
        poses: (4, 4) float64 T_global_lidar of each cloud, NaN if it is not known.
        num_points: Points of all clouds.
        picture_bytes: Bytes of the pictures that were decoded, three a pixel, by camera.
    """

    stamps: list[int] = field(default_factory=list)
    poses: list[NDArray[np.float64]] = field(default_factory=list)
    num_points: int = 0
    picture_bytes: dict[str, int] = field(default_factory=dict)


def check_rejections(
    rejections: Sequence[Rejection], num_clouds: int, num_released: int
) -> list[Finding]:
    """Say which clouds and views were left out, and why.

    Args:
        rejections: Of the synchronizer.
        num_clouds: Clouds of the recording.
        num_released: Those that the synchronizer released.
    """
    findings: list[Finding] = []
    share = num_released / max(1, num_clouds)
    of_kind: dict[tuple[RejectionKind, str], list[str]] = {}
    for rejection in rejections:
        if rejection.kind is RejectionKind.CAMERA and "image on" in rejection.reason:
            continue  # `check_nearest` says it of all, and most images may be left unread
        of_kind.setdefault((rejection.kind, rejection.camera), []).append(rejection.reason)
    for (kind, camera), reasons in of_kind.items():
        subject = f"camera {camera}" if camera else "sweeps"
        text = f"{len(reasons)} x {kind.value}: {reasons[0]}"
        findings.append(note(subject, text, _REMEDIES.get(kind, _OTHER_REMEDY)))
    text = f"{num_released} of {num_clouds} clouds have one ({100 * share:.0f} %)"
    if num_released == 0:
        remedy = _REMEDIES[RejectionKind.NO_POSE]
        kinds = [kind for kind, camera in of_kind if not camera]
        if kinds:
            remedy = _REMEDIES.get(kinds[0], remedy)
        findings.append(problem("poses", text, remedy))
    elif share < _MOST:
        findings.append(note("poses", text, _REMEDIES[RejectionKind.NO_POSE]))
    else:
        findings.append(ok("poses", text))
    return findings


def check_extrinsics(
    poses: SensorPoses, profile: Profile, sync: SyncOptions, times: Mapping[str, TopicTimes]
) -> list[Finding]:
    """Say of which frames the place on the robot is known.

    Args:
        poses: After the whole recording.
        profile: Topics of the sensors.
        sync: With frames in place of those in the headers.
        times: With the frames in the headers.
    """
    overrides = parse_frame_overrides(sync.frame_overrides, profile.cameras)
    named = {POINTS: times[profile.cloud_topic].frames}
    named |= {name: times[topics.image].frames for name, topics in profile.cameras.items()}
    findings, known = [], []
    for sensor, frames in named.items():
        subject = "lidar" if sensor == POINTS else f"camera {sensor}"
        frames = [overrides[sensor]] if sensor in overrides else frames
        if len(frames) > 1:
            remedy = "give one with --frame-overrides, if they are one sensor's"
            findings.append(note(subject, f"its headers name frames {some(frames)}", remedy))
        unknown = [frame for frame in frames if not frame or not poses.is_known(bare_frame(frame))]
        known += [frame for frame in frames if frame not in unknown]
        if unknown:
            text = (
                f"no transform leads from its frame {unknown[0]!r} to {sync.base_frame!r}; there "
                f"are {some(poses.frames(), 8) or 'no transforms'}"
            )
            findings.append(note(subject, text, _REMEDIES[RejectionKind.NO_EXTRINSICS]))
    if known:
        findings.append(ok("extrinsics", f"known of {some(known, 8)}"))
    return findings


def check_places(
    released: Released,
    profile: Profile,
    sync: SyncOptions,
    options: RecordingOptions,
    times: Mapping[str, TopicTimes],
) -> tuple[list[Finding], int]:
    """Examine motion, and count the keyframes that the options give.

    Returns:
        What was found, and the number of pictures of the keyframes.
    """
    is_alone = sync.pose_source == "none"
    blind = [name for name in profile.cameras if name not in released.picture_bytes]
    track = Track.of(released.stamps, released.poses)
    findings = [] if is_alone else check_motion([track])
    if blind and released.stamps:
        remedy = "see what is said of its stamps, calibration and frame"
        findings.append(note("cameras", f"no view of a cloud comes from {some(blind)}", remedy))
    has_image = np.zeros((len(profile.cameras), len(released.stamps)), dtype=np.bool_)
    stamps = np.array(released.stamps, dtype=np.int64)
    for row, (name, topics) in enumerate(profile.cameras.items()):
        images = times[topics.image].stamps_ns
        if len(images) and len(stamps) and name in released.picture_bytes:
            has_image[row] = abs(nearest_difference_s(stamps, images)) <= sync.tolerance_s
    chooser = KeyframeChooser(options.keyframes)
    unknown = np.full((4, 4), np.nan)
    chosen = [
        index
        for index, stamp in enumerate(released.stamps)
        if has_image[:, index].any()
        and chooser.choose(stamp, unknown if is_alone else released.poses[index])
    ]
    if not profile.cameras or not released.stamps:
        return findings, 0
    num_images = int(has_image[:, chosen].sum())
    span_s = (released.stamps[-1] - released.stamps[0]) / NANOSECONDS
    num_scenes = len(chosen) if is_alone else int(span_s // options.scene_s) + 1
    points = released.num_points / len(released.stamps) * len(chosen) * _POINT_BYTES
    pictures = num_images * _JPEG_SHARE * float(np.mean([*released.picture_bytes.values()] or [0]))
    text = (
        f"about {len(chosen)} keyframes in {num_scenes} scenes, with {num_images} pictures: a "
        f"data set of {(points + pictures) / 1e9:.2f} GB"
    )
    if not chosen:
        remedy = "no cloud has both a pose and a picture: see what is said of poses and cameras"
        findings.append(problem("keyframes", text, remedy))
    elif len(chosen) < _FEW_KEYFRAMES:
        remedy = (
            "few to learn from: record more, several places and times of day, or take "
            "--keyframe-distance and --keyframe-period smaller"
        )
        findings.append(note("keyframes", text, remedy))
    else:
        findings.append(ok("keyframes", text))
    return findings, num_images
