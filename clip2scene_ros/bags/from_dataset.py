"""A scene of a nuScenes data set as a ROS 2 bag, with the lower-case topics of nuscenes2mcap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from clip2scene_core.datasets.nuscenes import NuScenesDataset, read_points
from clip2scene_core.datasets.nuscenes_tables import SensorRecord
from clip2scene_ros.bags.io import BagError, create_bag, offered_qos
from clip2scene_ros.bags.messages import (
    STORE,
    camera_info_message,
    cloud_message,
    compressed_image_message,
    header_message,
    odometry_message,
    tf_message,
    transform_message,
)
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.topics import GROUND_TRUTH_SUFFIX

FIXED_FRAME: Final = "map"
BASE_FRAME: Final = "base_link"

POINT_DTYPE: Final = np.dtype(
    [("x", "<f4"), ("y", "<f4"), ("z", "<f4"), ("intensity", "<f4"), ("ring", "<f4")]
)
"""Points as in the files of nuScenes, 20 bytes each; intensity is 0-255."""

TIMED_POINT_DTYPE: Final = np.dtype([*POINT_DTYPE.descr, ("time", "<f4")])
"""The same with the time of each point in seconds from the stamp, as in Velodyne's driver."""

LABEL_DTYPE: Final = np.dtype([("label", "u1")])
"""Ground truth: index of the nuScenes class, 255 where a point has none."""

_IMAGE_FORMATS: Final = {".jpg": "jpeg", ".jpeg": "jpeg", ".png": "png"}
_EARLIEST_STAMP_NS: Final = NANOSECONDS
_RATE_MARGIN: Final = 0.9  # sweeps come a little early or late

Progress = Callable[[int, int], None]
"""Called with the number of steps that are done and their total."""


@dataclass(frozen=True)
class BagOptions:
    """Which part of a scene becomes a bag.

    Attributes:
        start_s: Seconds from the first sensor record of the scene to the first one in the bag.
        duration_s: Length in seconds; None takes the rest.
        max_sweep_rate_hz: Sweeps between keyframes are left out above this rate; None keeps all.
        with_labels: Write ground truth if the data set was opened with labels.
        storage: "mcap", or "sqlite3", which every ROS 2 reads without a further package.
    """

    start_s: float = 0.0
    duration_s: float | None = None
    max_sweep_rate_hz: float | None = None
    with_labels: bool = True
    storage: str = "mcap"


@dataclass(frozen=True)
class BagSummary:
    """What was written.

    Attributes:
        num_sweeps: Number of clouds.
        num_images: Number of images of all cameras.
        num_labelled_sweeps: Number of clouds with ground truth.
        duration_s: Seconds from the first to the last sensor record.
    """

    num_sweeps: int
    num_images: int
    num_labelled_sweeps: int
    duration_s: float


def write_scene_bag(
    dataset: NuScenesDataset,
    scene_name: str,
    out: Path,
    options: BagOptions | None = None,
    progress: Progress | None = None,
) -> BagSummary:
    """Write one scene as a bag that `ros2 bag play` and viewers read.

    Each message has the stamp of its sensor, and its bag time is the stamp: replay keeps the true
    order. The pose goes to /tf and /odom at the stamp of every sensor record, so each stamp in the
    bag has its exact pose. A scene whose time begins at 0, as a sequence of SemanticKITTI's does,
    begins at one second: to ROS, the stamp 0 says that there is none.

    Args:
        dataset: Opened with labels if ground truth is wanted.
        scene_name: For example "scene-0061".
        out: Folder to make.
        options: Which part; by default all.
        progress: Called after each sensor record.

    Returns:
        Counts, and the length in seconds.

    Raises:
        BagError: If `out` exists, the time range is empty, or an image is no JPEG or PNG.
        DatasetError: If the scene is unknown, or one of its files is missing or damaged.
    """
    options = options or BagOptions()
    scene_records = _begin_after_zero(list(dataset.scene_records(scene_name)))
    records = _choose_records(scene_records, scene_name, options)
    ground_truth = {}
    if options.with_labels:
        ground_truth = _index_ground_truth(dataset, scene_name, scene_records)
    with create_bag(out, options.storage) as writer:
        scene_bag = _SceneBag(writer)
        scene_bag.write_extrinsics(scene_records, records[0].stamp_ns)
        for index, record in enumerate(records):
            scene_bag.write_pose(record)
            if record.modality == "camera":
                scene_bag.write_image(record)
            else:
                num_points = scene_bag.write_sweep(record)
                if record.token in ground_truth:
                    scene_bag.write_labels(record, dataset, ground_truth[record.token], num_points)
            if progress is not None:
                progress(index + 1, len(records))
    return BagSummary(
        scene_bag.num_sweeps,
        scene_bag.num_images,
        scene_bag.num_labelled_sweeps,
        (records[-1].stamp_ns - records[0].stamp_ns) / NANOSECONDS,
    )


class _SceneBag:
    """The bag of a scene while it is written."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._connections: dict[str, Connection] = {}
        self._newest_pose_ns = -1
        self.num_sweeps = 0
        self.num_images = 0
        self.num_labelled_sweeps = 0

    def write_extrinsics(self, records: Sequence[SensorRecord], at_ns: int) -> None:
        first_of_channel: dict[str, SensorRecord] = {}
        for record in records:
            first_of_channel.setdefault(record.channel, record)
        transforms = [
            transform_message(
                record.T_ego_sensor, header_message(at_ns, BASE_FRAME), _frame(record)
            )
            for _, record in sorted(first_of_channel.items())
        ]
        self._write("/tf_static", tf_message(transforms), at_ns, is_latched=True)

    def write_pose(self, record: SensorRecord) -> None:
        at_ns = record.stamp_ns
        if at_ns == self._newest_pose_ns:
            return
        self._newest_pose_ns = at_ns
        header = header_message(at_ns, FIXED_FRAME)
        transform = transform_message(record.T_global_ego, header, BASE_FRAME)
        self._write("/tf", tf_message([transform]), at_ns, depth=100)
        self._write("/odom", odometry_message(record.T_global_ego, header, BASE_FRAME), at_ns)

    def write_image(self, record: SensorRecord) -> None:
        image_format = _IMAGE_FORMATS.get(record.path.suffix.lower())
        if image_format is None or record.intrinsics is None:
            raise BagError(
                f"{record.path}: a camera reading must be a JPEG or PNG file with intrinsics"
            )
        try:
            content = record.path.read_bytes()
        except OSError as error:
            raise BagError(f"{record.path} cannot be read ({error.strerror})") from error
        header = header_message(record.stamp_ns, _frame(record))
        info = camera_info_message(record.intrinsics, _image_size(record), header)
        image = compressed_image_message(content, image_format, header)
        self._write(f"/{_frame(record)}/camera_info", info, record.stamp_ns)
        self._write(f"/{_frame(record)}/image_rect_compressed", image, record.stamp_ns)
        self.num_images += 1

    def write_sweep(self, record: SensorRecord) -> int:
        """Write the cloud and return its number of points."""
        points = _with_times(read_points(record.path).view(POINT_DTYPE)[:, 0], record)
        self._write_cloud(f"/{_frame(record)}", points, record)
        self.num_sweeps += 1
        return len(points)

    def write_labels(
        self, record: SensorRecord, dataset: NuScenesDataset, index: int, num_points: int
    ) -> None:
        labels = dataset[index].keyframe.labels
        assert labels is not None
        assert len(labels) == num_points
        self._write_cloud(
            f"/{_frame(record)}{GROUND_TRUTH_SUFFIX}", labels.view(LABEL_DTYPE), record
        )
        self.num_labelled_sweeps += 1

    def _write_cloud(self, topic: str, array: NDArray[np.void], record: SensorRecord) -> None:
        header = header_message(record.stamp_ns, _frame(record))
        self._write(topic, cloud_message(array, header), record.stamp_ns)

    def _write(
        self, topic: str, message: Any, at_ns: int, depth: int = 10, is_latched: bool = False
    ) -> None:
        if topic not in self._connections:
            self._connections[topic] = self._writer.add_connection(
                topic,
                message.__msgtype__,
                typestore=STORE,
                offered_qos_profiles=offered_qos(depth, is_latched),
            )
        content = STORE.serialize_cdr(message, message.__msgtype__)
        self._writer.write(self._connections[topic], at_ns, content)


def _begin_after_zero(records: Sequence[SensorRecord]) -> Sequence[SensorRecord]:
    if not records or records[0].stamp_ns > 0:
        return records
    later_ns = _EARLIEST_STAMP_NS - records[0].stamp_ns
    return [replace(record, stamp_ns=record.stamp_ns + later_ns) for record in records]


def _choose_records(
    records: Sequence[SensorRecord], scene_name: str, options: BagOptions
) -> list[SensorRecord]:
    if not records:
        raise BagError(f"{scene_name} has no LiDAR or camera reading")
    start_ns = records[0].stamp_ns + round(options.start_s * NANOSECONDS)
    end_ns = records[-1].stamp_ns
    if options.duration_s is not None:
        end_ns = min(end_ns, start_ns + round(options.duration_s * NANOSECONDS))
    chosen = [record for record in records if start_ns <= record.stamp_ns <= end_ns]
    if options.max_sweep_rate_hz is not None:
        chosen = list(_thin_sweeps(chosen, options.max_sweep_rate_hz))
    if not any(record.modality == "lidar" for record in chosen):
        length_s = (records[-1].stamp_ns - records[0].stamp_ns) / NANOSECONDS
        raise BagError(
            f"{scene_name} lasts {length_s:.1f} s and has no sweep from {options.start_s} s for "
            f"{options.duration_s} s; choose another start or duration"
        )
    return chosen


def _thin_sweeps(records: Sequence[SensorRecord], max_rate_hz: float) -> Iterator[SensorRecord]:
    if not max_rate_hz > 0:
        raise BagError(f"max_sweep_rate_hz must be positive, got {max_rate_hz}")
    period_ns = _RATE_MARGIN * NANOSECONDS / max_rate_hz
    newest_ns: int | None = None
    for record in records:
        if record.modality == "lidar":
            is_due = newest_ns is None or record.stamp_ns - newest_ns >= period_ns
            if not is_due and not record.is_key_frame:
                continue
            newest_ns = record.stamp_ns
        yield record


def _index_ground_truth(
    dataset: NuScenesDataset, scene_name: str, records: Sequence[SensorRecord]
) -> dict[str, int]:
    """Index of each labelled keyframe in the data set, by the token of its sweep."""
    if not dataset.with_labels:
        return {}
    first_index = 0
    for scene in dataset.scenes:
        if scene.name == scene_name:
            break
        first_index += scene.num_keyframes
    keyframes = [r for r in records if r.modality == "lidar" and r.is_key_frame]
    return {record.token: first_index + i for i, record in enumerate(keyframes)}


def _with_times(points: NDArray[np.void], record: SensorRecord) -> NDArray[np.void]:
    """Add the time of each point, if the data set has a file of them (`clip2scene world`)."""
    path = record.path.parents[2] / "lidar_times" / f"{record.token}.bin"
    if not path.is_file():
        return points
    times_s = np.fromfile(path, "<f4")
    if len(times_s) != len(points):
        raise BagError(f"{path} holds {len(times_s)} times, but the sweep has {len(points)} points")
    timed = np.empty(len(points), TIMED_POINT_DTYPE)
    for name in POINT_DTYPE.names or ():
        timed[name] = points[name]
    timed["time"] = times_s
    return timed


def _frame(record: SensorRecord) -> str:
    return record.channel.lower()


def _image_size(record: SensorRecord) -> tuple[int, int]:
    if record.image_size is not None:
        return record.image_size
    try:
        with Image.open(record.path) as image:
            return image.height, image.width
    except UnidentifiedImageError as error:
        raise BagError(f"{record.path} is no readable image") from error
