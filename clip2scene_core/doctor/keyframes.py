"""Some keyframes, looked at whole: clouds, cameras, and edges of depth on edges of pictures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from PIL import Image

from clip2scene_core.doctor.cameras import CameraLook, check_cameras, look_at_view
from clip2scene_core.doctor.clouds import CloudLook, check_clouds, look_at_cloud
from clip2scene_core.doctor.cost import count_tiles
from clip2scene_core.doctor.edges import STEP_S, EdgeFit, EdgeView, compare_turns, make_edge_view
from clip2scene_core.doctor.finding import Finding, note, ok, some
from clip2scene_core.doctor.motion import Track
from clip2scene_core.doctor.offset import OffsetEstimate, estimate_offset
from clip2scene_core.doctor.picture import draw_projection
from clip2scene_core.sample import CameraView, Sweep

_FEW_POINTS: Final = 200
_GOOD: Final = 0.9
_CLEAR: Final = 3.0
_TURNED_DEG: Final = 1.0
_PITCHED_DEG: Final = 2.0
"""Most edges of depth are upright, which says less of the pitch."""
_LATE_S: Final = 0.02


class KeyframeExamination:
    """Looks at one keyframe after another, and says in the end what it found.

    Pictures are not kept but for those of one keyframe, of which the picture of the projection is
    drawn: that with the most views, the first of them.
    """

    def __init__(self) -> None:
        self._clouds: list[CloudLook] = []
        self._cameras: dict[str, list[CameraLook]] = {}
        self._edges: defaultdict[str, list[EdgeView]] = defaultdict(list)
        self._shown: tuple[Sweep, Sequence[CameraView]] | None = None
        self._num_tiles = self._num_views = 0

    @property
    def num_keyframes(self) -> int:
        """How many were looked at."""
        return len(self._clouds)

    @property
    def num_views(self) -> int:
        """How many views they have."""
        return self._num_views

    @property
    def tiles_per_view(self) -> float:
        """See `count_tiles`."""
        return self._num_tiles / max(1, self._num_views)

    def add(self, sweep: Sweep, cameras: Sequence[CameraView], track: Track | None = None) -> None:
        """Look at a keyframe.

        Args:
            sweep: The cloud, located in one frame with the cameras.
            cameras: The camera views of the keyframe, images (H, W, 3) uint8.
            track: Poses around the stamps, which time offsets are estimated with.
        """
        self._clouds.append(look_at_cloud(sweep))
        self._num_views += len(cameras)
        self._num_tiles += count_tiles(sweep, cameras)
        for view in cameras:
            self._cameras.setdefault(view.name, []).append(look_at_view(sweep, view))
            if view.depth is None and sweep.points.shape[1] == 4:
                step = None
                if track is not None:
                    step = track.step(view.T_global_camera, view.stamp_ns, STEP_S)
                self._edges[view.name].append(make_edge_view(sweep, view, step))
        if cameras and (self._shown is None or len(cameras) > len(self._shown[1])):
            self._shown = sweep, cameras

    def findings(self, full_scale: float | None, with_cameras: bool = True) -> list[Finding]:
        """What was found.

        Args:
            full_scale: See `check_clouds`.
            with_cameras: Whether there should be views.
        """
        findings = check_clouds(self._clouds, full_scale)
        if with_cameras:
            findings += check_cameras(self._cameras, self.num_keyframes)
        every = [view for views in self._edges.values() for view in views]
        if every:
            findings.append(describe_fit("projection", compare_turns(every)))
        together = estimate_offset(every) if len(self._edges) > 1 else None
        if together is not None and together.is_sure:
            findings.append(describe_offset("cameras together", together))
        untold = []
        for name, views in self._edges.items():
            fit, offset = compare_turns(views), estimate_offset(views)
            if fit.num_points >= _FEW_POINTS and len(self._edges) > 1:
                findings.append(describe_fit(f"camera {name}", fit))
            if offset is None or not offset.is_sure:
                untold.append(name if offset is None else f"{name} ({_say_offset(offset)})")
            else:
                findings.append(describe_offset(f"camera {name}", offset))
        if untold:
            why = "it takes six views in which the camera moves, and edges of depth in them"
            text = f"cannot be told for {some(untold, 6)}: {why}"
            findings.append(ok("time offset", text))
        return findings

    def draw(self) -> Image.Image | None:
        """The picture of the projection; None if no keyframe has a view."""
        return None if self._shown is None else draw_projection(*self._shown)

    def save_picture(self, path: Path) -> bool:
        """Write the picture of the projection; False if there is none.

        Raises:
            ValueError: If the ending of the file is of no kind of picture.
            OSError: If the file cannot be written.
        """
        picture = self.draw()
        if picture is not None:
            path.parent.mkdir(parents=True, exist_ok=True)
            picture.save(path)
        return picture is not None


def describe_fit(subject: str, fit: EdgeFit) -> Finding:
    """Say how well edges of depth meet edges of the pictures."""
    if fit.num_points < _FEW_POINTS:
        return ok(subject, f"only {fit.num_points} edges of depth: the fit cannot be told")
    yaw, pitch = fit.best_deg
    text = (
        f"{fit.num_points} edges of depth meet edges of pictures better than in "
        f"{100 * fit.share_below:.0f} % of turned projections; best turned by {yaw:+.1f} degrees "
        f"to the right and {pitch:+.1f} down ({fit.surplus:.1f} standard errors)"
    )
    remedy = (
        "look at the picture of the projection (--picture): if outlines lie beside the things, "
        "calibrate anew (rotation of the camera against the LiDAR), or check the stamps"
    )
    is_turned = abs(yaw) >= _TURNED_DEG or abs(pitch) >= _PITCHED_DEG
    if is_turned and fit.surplus >= _CLEAR:
        return note(subject, f"the calibration seems turned: {text}", remedy)
    return ok(subject, text) if fit.share_below >= _GOOD else note(subject, text, remedy)


def describe_offset(subject: str, offset: OffsetEstimate) -> Finding:
    """Say by how much a camera's stamps seem off, where that is sure."""
    text = f"time offset against the LiDAR {_say_offset(offset)}"
    if abs(offset.offset_s) < max(_LATE_S, 3 * offset.spread_s):
        return ok(subject, text)
    return note(
        subject,
        text,
        "pictures fit better with that added to their stamps: stamp pictures at the middle of "
        "their exposure and clouds at one point of the revolution, or shift the clouds by the "
        "opposite (stamp_offset)",
    )


def _say_offset(offset: OffsetEstimate) -> str:
    more = " or more" if offset.is_beyond else ""
    return (
        f"{1000 * offset.offset_s:+.0f} ms{more}, uncertain by {1000 * offset.spread_s:.0f} ms, "
        f"from {offset.num_views} views"
    )
