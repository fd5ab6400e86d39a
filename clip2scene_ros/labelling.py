"""The step that the live node and the bag replay share: one synchronized sweep gets its labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.inference.online import OnlineSegmenter
from clip2scene_core.sample import CameraView
from clip2scene_ros.sync.sweeps import SynchronizedSweep


def label_sweep(
    segmenter: OnlineSegmenter, synchronized: SynchronizedSweep, cameras: Sequence[CameraView]
) -> LabelledCloud:
    """Label a sweep and add it to the segmenter's map, which starts anew after a time jump.

    Args:
        segmenter: Labels the points where they were at the stamp, after deskewing.
        synchronized: N points.
        cameras: Those of its views that may help.

    Returns:
        N labels with the points as they were sent.

    Raises:
        MissingCamerasError: If the segmenter labels by cameras alone and there are none.
    """
    if synchronized.follows_time_jump:
        segmenter.reset()
    labelled = segmenter.segment(synchronized.sweep, cameras)
    return replace(labelled, points=synchronized.points)
