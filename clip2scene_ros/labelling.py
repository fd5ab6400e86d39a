"""The step that the live node and the bag replay share: one synchronized sweep gets its labels.

With them comes what is known of the sensor: how it sits, and what is odd about its clouds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.config.sections import InputConfig
from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.preprocessing.ground import Ground
from clip2scene_core.preprocessing.statistics import MAX_TILT_DEG, describe_ground, kind_of_note
from clip2scene_core.sample import CameraView
from clip2scene_ros.sync.sweeps import SynchronizedSweep

LEVELS: Final = {"auto": None, "on": True, "off": False}
"""What users type, and what it is in `OnlineOptions.level`; auto is as the student was trained."""

_NO_GROUND: Final = describe_ground(None)
_REPEATED_STAMP: Final = (
    "clouds have the stamp of the one before, as of a clock that stands still: all get one pose"
)


@dataclass(frozen=True)
class SensorFacts:
    """What one labelled sweep says of its sensor.

    Attributes:
        ground: The ground that levelled the sweep; None if there was none, or it was not levelled.
        is_levelled: The student saw the sweep levelled.
        without_extrinsics: What it means that the extrinsics are not known; "" if they are, or if
            they do not matter because nothing is levelled.
        notes: What is odd about the sweep, in a few words each.
        intensity_scale: What the intensities were divided by.
        stamp_ns: Stamp of the sweep, in nanoseconds; None if it is not known.
    """

    ground: Ground | None
    is_levelled: bool
    without_extrinsics: str
    notes: tuple[str, ...]
    intensity_scale: float
    stamp_ns: int | None = None

    def __str__(self) -> str:
        return describe_ground(self.ground) if self.is_levelled else "clouds are not levelled"


def label_sweep(
    segmenter: OnlineSegmenter, synchronized: SynchronizedSweep, cameras: Sequence[CameraView]
) -> LabelledCloud:
    """Label a sweep and add it to the segmenter's map, which starts anew after a time jump.

    Args:
        segmenter: Labels the points in their sensor's frame, where they were at the stamp.
        synchronized: N points.
        cameras: Those of its views that may help.

    Returns:
        N labels with the points as they were sent, and the pose of the frame that they are in.

    Raises:
        MissingCamerasError: If the segmenter labels by cameras alone and there are none.
    """
    if synchronized.follows_time_jump:
        segmenter.reset()
    return as_sent(segmenter.segment(synchronized.sweep, cameras), synchronized)


def as_sent(labelled: LabelledCloud, synchronized: SynchronizedSweep) -> LabelledCloud:
    """Give the labels of a sweep to its points as they were sent, in the frame of the message."""
    T_sensor_cloud = synchronized.placement.T_sensor_cloud
    if T_sensor_cloud is None:
        return replace(labelled, points=synchronized.points)
    T_fixed_cloud = labelled.T_fixed_lidar @ T_sensor_cloud
    return replace(labelled, points=synchronized.points, T_fixed_lidar=T_fixed_cloud)


def describe_sensor(
    cloud: LabelledCloud,
    synchronized: SynchronizedSweep,
    base_frame: str,
    may_level: bool,
    told: InputConfig | None = None,
) -> SensorFacts:
    """Gather what a labelled sweep says of its sensor.

    Args:
        cloud: The labelled sweep.
        synchronized: The sweep that it comes from.
        base_frame: Frame of the robot, whose z points up; "" if there is none to look for.
        may_level: Levelling would help: a student labels, and the user did not switch it off.
        told: What the student is told, see `OnlineSegmenter.input`; None without a student.
    """
    T_base_lidar, frame = synchronized.sweep.T_base_lidar, synchronized.placement.sensor_frame
    is_levelled = cloud.ground is not None or _NO_GROUND in cloud.notes
    without_extrinsics, notes = "", (*_input_notes(synchronized, told), *cloud.notes)
    if is_levelled and T_base_lidar is None and base_frame:
        without_extrinsics = (
            f"{base_frame} <- {frame or 'a cloud without a frame'} is not known; z of the LiDAR is "
            f"taken as up"
        )
        if cloud.ground is None:  # with a ground below it, z is up
            notes = (*notes, without_extrinsics)
    elif may_level and not is_levelled and T_base_lidar is not None:
        tilt_deg = _tilt_deg(T_base_lidar)
        if tilt_deg > MAX_TILT_DEG:
            notes = (
                *notes,
                f"{frame} is tilted by {tilt_deg:.0f} degrees in {base_frame}, but clouds are not "
                f"levelled; set level to on",
            )
    return SensorFacts(
        cloud.ground,
        is_levelled,
        without_extrinsics,
        notes,
        synchronized.intensity_scale,
        synchronized.sweep.stamp_ns,
    )


def lasting_notes(sweeps: Collection[SensorFacts], before: Collection[str] = ()) -> tuple[str, ...]:
    """List the notes that half of the sweeps share but for their numbers, frequent ones first.

    Args:
        sweeps: What is known of some sweeps.
        before: Notes that were listed last time; they stay while a quarter of the sweeps has them.
    """
    counts = Counter(kind_of_note(note) for facts in sweeps for note in facts.notes)
    newest = {kind_of_note(note): note for facts in sweeps for note in facts.notes}
    stamps = [facts.stamp_ns for facts in sweeps if facts.stamp_ns is not None]
    repeated = kind_of_note(_REPEATED_STAMP)
    newest[repeated] = _REPEATED_STAMP
    counts[repeated] = sum(one == other for one, other in pairwise(stamps))
    listed = {kind_of_note(note) for note in before}
    return tuple(
        newest[kind]
        for kind, count in counts.most_common()
        if count and (4 if kind in listed else 2) * count >= len(sweeps)
    )


def _input_notes(synchronized: SynchronizedSweep, told: InputConfig | None) -> tuple[str, ...]:
    """What is odd about a cloud as it came, as far as it changes what the network is told."""
    notes = [synchronized.placement.note]
    if told is not None and told.intensity != "none":
        notes.append(synchronized.missing_intensity)
    if told is not None and told.intensity == "raw":
        notes.append(synchronized.intensity_note)
    return tuple(note for note in notes if note)


def _tilt_deg(T_base_lidar: NDArray[np.float64]) -> float:
    """Angle between the z axes of both frames, degrees."""
    return float(np.degrees(np.arccos(np.clip(T_base_lidar[2, 2], -1, 1))))
