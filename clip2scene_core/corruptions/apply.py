"""Corrupt samples in memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.corruptions.corruption import (
    BeamLoss,
    CameraLoss,
    Corruption,
    CrossTalk,
    Fog,
    Miscalibration,
    MotionSmear,
    Rain,
    TimeOffset,
)
from clip2scene_core.corruptions.echoes import Echoes, all_true
from clip2scene_core.corruptions.haze import fog_view, rain_view
from clip2scene_core.corruptions.rig import Motion, delay, lost_cameras, misplace
from clip2scene_core.corruptions.sensor import cross_talk, lose_beams, smear
from clip2scene_core.corruptions.weather import fog_points, rain_points
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.sample import CameraView, Sample, Sweep


def corrupt(sample: Sample, corruption: Corruption) -> Sample:
    """Corrupt a sample.

    Args:
        sample: Sample without corruption.
        corruption: Kind and strength.

    Returns:
        A sample of the same keyframe. Labels stay with their points. False points (fog, drops,
        cross talk) have the label IGNORE_LABEL.

    Raises:
        ValueError: If beams are lost and the points have no rings, or if cameras are delayed and
            the sample has no previous sweep, so that the motion is unknown.
    """
    sweeps = tuple(corrupt_sweep(s, corruption, sample.scene_token) for s in sample.sweeps)
    views = [
        corrupt_image(view, sample.keyframe, corruption, sample.scene_token)
        for view in sample.cameras
    ]
    return replace(sample, sweeps=sweeps, cameras=_corrupt_rig(sample, views, corruption))


def corrupt_sweep(sweep: Sweep, corruption: Corruption, scene_token: str) -> Sweep:
    """Corrupt one sweep and its labels, if it has labels.

    Args:
        sweep: Sweep without corruption.
        corruption: Kind and strength; camera kinds do not change the sweep.
        scene_token: Token of the scene of the sweep.
    """
    echoes = corrupt_points(sweep.points, corruption, scene_token, sweep.stamp_ns)
    labels = sweep.labels
    if labels is not None:
        labels = cast(NDArray[np.uint8], echoes.carry(labels, IGNORE_LABEL))
    return replace(sweep, points=echoes.points, labels=labels)


def corrupt_points(
    points: NDArray[np.float32], corruption: Corruption, scene_token: str, stamp_ns: int
) -> Echoes:
    """Corrupt the points of one sweep.

    Args:
        points: (N, 4) float32 as in Sweep.
        corruption: Kind and strength; camera kinds do not change the points.
        scene_token: Token of the scene; all sweeps of a scene lose the same beams.
        stamp_ns: Time of the sweep, nanoseconds.

    Returns:
        M points, with the index of the original point of each.

    Raises:
        ValueError: If beams are lost and the points have no rings.
    """
    rng = corruption.stream(scene_token, "sweep", stamp_ns)
    match corruption.parameters:
        case Fog() as fog:
            return fog_points(points, fog, rng)
        case Rain() as rain:
            return rain_points(points, rain, rng)
        case BeamLoss() as loss:
            return lose_beams(points, loss, corruption.stream(scene_token, "beams"))
        case MotionSmear() as motion:
            return smear(points, motion, rng)
        case CrossTalk() as talk:
            return cross_talk(points, talk, rng)
    return all_true(points)


def corrupt_image(
    view: CameraView, sweep: Sweep, corruption: Corruption, scene_token: str
) -> CameraView:
    """Corrupt one image; the pose of the camera does not change.

    Args:
        view: View without corruption.
        sweep: Sweep without corruption, near in time.
        corruption: Kind and strength; only fog and rain change images.
        scene_token: Token of the scene of the view.
    """
    match corruption.parameters:
        case Fog() as fog:
            return fog_view(view, sweep, fog)
        case Rain() as rain:
            rng = corruption.stream(scene_token, view.name, view.stamp_ns)
            return rain_view(view, sweep, rain, rng)
    return view


def _corrupt_rig(
    sample: Sample, views: Sequence[CameraView], corruption: Corruption
) -> tuple[CameraView, ...]:
    match corruption.parameters:
        case CameraLoss() as loss:
            names = [view.name for view in views]
            lost = lost_cameras(names, loss, corruption.stream(sample.scene_token, "cameras"))
            return tuple(view for view in views if view.name not in lost)
        case Miscalibration() as error:
            return tuple(
                replace(
                    view,
                    T_global_camera=misplace(
                        view.T_global_camera,
                        error,
                        corruption.stream(sample.scene_token, view.name),
                    ),
                )
                for view in views
            )
        case TimeOffset() as offset:
            motion = Motion(
                [sweep.stamp_ns for sweep in sample.sweeps],
                [sweep.T_global_lidar for sweep in sample.sweeps],
            )
            return tuple(_delay(view, offset, motion) for view in views)
    return tuple(views)


def _delay(view: CameraView, offset: TimeOffset, motion: Motion) -> CameraView:
    T_global_camera, stamp_ns = delay(view.T_global_camera, view.stamp_ns, offset, motion)
    return replace(view, T_global_camera=T_global_camera, stamp_ns=stamp_ns)
