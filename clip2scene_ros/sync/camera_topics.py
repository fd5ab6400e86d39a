"""Which image topics are cameras: names by the customs of ROS, each with the CameraInfo near it."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

IMAGE_TYPES: Final = ("sensor_msgs/msg/CompressedImage", "sensor_msgs/msg/Image")
INFO_TYPE: Final = "sensor_msgs/msg/CameraInfo"

NUSCENES_CAMERAS: Final = (
    "cam_front",
    "cam_front_right",
    "cam_back_right",
    "cam_back",
    "cam_back_left",
    "cam_front_left",
)

OWN_PREFIX: Final = "/clip2scene/"

_NAMES: Final = (
    "image_rect_color",
    "image_rect",
    "image_color",
    "image_raw",
    "image",
    "image_rect_raw",
    "image_rect_mono",
    "image_mono",
    "raw",
)
"""Usual names of a camera's images, best first; a camera that has several is read from the first.

With image_proc, image_rect is grey where there is an image_rect_color.
"""

_COMPRESSED: Final = ("/compressed", "_compressed")
_FOREIGN_TRANSPORTS: Final = ("compressedDepth", "zstd", "theora", "ffmpeg")
_NO_PICTURE: Final = re.compile(
    r"depth|disparity|infra\d*|ir|thermal|lwir|nearir|mask|segmentation|semantic|labels?|confidence",
)
"""Words in the names of images that no camera sees in color."""


@dataclass(frozen=True)
class CameraTopics:
    """The topics of one camera.

    Attributes:
        image: Topic of its sensor_msgs/Image or CompressedImage.
        info: Topic of its sensor_msgs/CameraInfo.
    """

    image: str
    info: str


@dataclass(frozen=True)
class _Candidate:
    """An image topic that may be a camera's.

    Attributes:
        topics: With its CameraInfo.
        base: Name of the images without their transport.
        rank: Of several images of one camera the least is taken.
        is_usual: The name is one of `_NAMES`.
    """

    topics: CameraTopics
    base: str
    rank: tuple[bool, bool, bool, int]
    is_usual: bool


def find_cameras(
    topics: Mapping[str, str], is_calibrated: bool
) -> tuple[dict[str, CameraTopics], dict[str, str]]:
    """Find the cameras among topics.

    Args:
        topics: Type by topic name.
        is_calibrated: Calibrations come from files: images with usual names need no CameraInfo.

    Returns:
        Topics by camera, those of nuScenes in their order and others by name; and the image topics
        of no camera, each with the reason why it is passed over.
    """
    passed_over: dict[str, str] = {}
    candidates: defaultdict[str, list[_Candidate]] = defaultdict(list)
    for image in sorted(topics):
        if topics[image] not in IMAGE_TYPES or image.startswith(OWN_PREFIX):
            continue
        found = _candidate(topics, image, is_calibrated)
        if isinstance(found, str):
            passed_over[image] = found
        else:
            root = found.base.rpartition("/")[0]
            is_own = found.topics.info.startswith(f"{found.base}/")  # /front, /front/camera_info
            camera = (found.base if is_own else root).strip("/").lower() or "camera"
            candidates[camera].append(found)
    cameras: dict[str, CameraTopics] = {}
    for camera, several in candidates.items():
        best = min(several, key=lambda candidate: candidate.rank)
        if best.is_usual or len({candidate.base for candidate in several}) == 1:
            cameras[camera] = best.topics
            continue
        others = ", ".join(candidate.topics.image for candidate in several)
        for candidate in several:
            reason = f"{others} share {candidate.topics.info}"
            passed_over[candidate.topics.image] = reason
    known = [camera for camera in NUSCENES_CAMERAS if camera in cameras]
    return {name: cameras[name] for name in known + sorted(set(cameras) - set(known))}, passed_over


def _candidate(topics: Mapping[str, str], image: str, is_calibrated: bool) -> _Candidate | str:
    """Find the CameraInfo of an image; a reason if the image is no camera's."""
    base = image
    for suffix in _COMPRESSED:
        base = base.removesuffix(suffix)
    root, _, name = base.rpartition("/")
    if name in _FOREIGN_TRANSPORTS:
        return f"its transport is {name}, not raw or compressed"
    words = [word for word in re.split(r"[/_]", base.lower()) if _NO_PICTURE.fullmatch(word)]
    if words:
        return f"'{words[0]}' in its name says that it is no color picture"
    is_usual = name in _NAMES
    info = _info_of(topics, base)
    if info is None:
        if not (is_calibrated and is_usual):
            return f"there is no {root}/camera_info"
        info = f"{root}/camera_info"
    place = _NAMES.index(name) if is_usual else len(_NAMES)
    rank = (not is_usual, "mono" in name, image == base, place)
    return _Candidate(CameraTopics(image, info), base, rank, is_usual)


def _info_of(topics: Mapping[str, str], base: str) -> str | None:
    """Find the CameraInfo beside images or below them, by its usual name or as the only one."""
    root = base.rpartition("/")[0]
    for folder in (root, base):
        if topics.get(f"{folder}/camera_info") == INFO_TYPE:
            return f"{folder}/camera_info"
    for folder in (root, base):
        beside = [
            topic
            for topic, kind in topics.items()
            if kind == INFO_TYPE and topic.rpartition("/")[0] == folder
        ]
        if len(beside) == 1 and folder:
            return beside[0]
    return None
