"""Labelled sweeps as a Rerun recording. Needs the extra `viz`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from clip2scene_core.geometry import transform_points
from clip2scene_core.labels import IGNORE_COLOUR, IGNORE_LABEL
from clip2scene_core.outputs import draw_overlay
from clip2scene_ros.conversions import NANOSECONDS
from clip2scene_ros.report import LabelledSweep

try:
    import rerun as rr
except ImportError as error:
    raise ImportError('viewing needs Rerun; pip install -c constraints.txt ".[viz]"') from error

_POINT_RADIUS_M = 0.05
_OVERLAY_WIDTH_PX = 640


def log_sweeps(sweeps: Sequence[LabelledSweep], save_to: Path | None) -> None:
    """Log points, labels, the sensor's way and camera overlays.

    Args:
        sweeps: Of one bag, in order of time.
        save_to: A .rrd file to write; None opens the viewer.
    """
    recording = rr.RecordingStream("clip2scene")
    if save_to is None:
        recording.spawn()
    else:
        recording.save(save_to)
    origin = sweeps[0].sweep.T_global_lidar[:3, 3]  # viewers show float32, maps reach kilometres
    start_ns = sweeps[0].sweep.stamp_ns
    for labelled in sweeps:
        sweep, words = labelled.sweep, labelled.vocabulary
        recording.set_time("drive", duration=(sweep.stamp_ns - start_ns) / NANOSECONDS)
        legend = [
            rr.AnnotationInfo(index, name, tuple(colour))
            for index, (name, colour) in enumerate(
                zip(words.names, words.colours.tolist(), strict=True)
            )
        ]
        legend.append(rr.AnnotationInfo(IGNORE_LABEL, "unlabelled", IGNORE_COLOUR))
        recording.log("world", rr.AnnotationContext(legend))
        points = transform_points(sweep.T_global_lidar, sweep.points[:, :3]) - origin
        recording.log(
            "world/points", rr.Points3D(points, class_ids=labelled.labels, radii=_POINT_RADIUS_M)
        )
        position = sweep.T_global_lidar[:3, 3] - origin
        recording.log("world/lidar", rr.Points3D([position], radii=0.4))
        for camera in labelled.cameras:
            overlay = draw_overlay(camera, sweep, labelled.labels, words, _OVERLAY_WIDTH_PX)
            recording.log(f"cameras/{camera.name}", rr.Image(overlay).compress())
    recording.flush()
