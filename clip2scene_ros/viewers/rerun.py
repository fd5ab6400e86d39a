"""Labelled sweeps as a Rerun recording: points, map, cameras and legend. Needs the extra `viz`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.geometry.projection import pair_pixels_with_points
from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.visualization.clouds import draw_legend
from clip2scene_ros.messages.decode import NANOSECONDS

try:
    import rerun as rr
    import rerun.blueprint as rrb
except ImportError as error:
    raise ImportError('viewing needs Rerun; pip install -c constraints.txt ".[viz]"') from error

TIMELINE: Final = "sequence"

_POINT_RADIUS_M: Final = 0.05
_VOXEL_RADIUS_M: Final = 0.1
_PIXEL_RADIUS_PX: Final = 2.0
_IMAGE_WIDTH_PX: Final = 480
_JPEG_QUALITY: Final = 75
_LEGEND_HEIGHT_PX: Final = 480


class RerunLog:
    """One recording, to be used in a `with` block; its timeline "sequence" is in seconds.

    The first sensor position becomes the origin, because viewers show float32 and coordinates of
    maps reach kilometres.

    Args:
        save_to: A .rrd file to write, which is deleted if the block raises; None opens the viewer.

    Raises:
        ValueError: If the file exists.
    """

    def __init__(self, save_to: Path | None) -> None:
        if save_to is not None and save_to.exists():
            raise ValueError(f"{save_to} exists; choose another recording or remove it")
        self._save_to = save_to
        self._recording = rr.RecordingStream("clip2scene")
        self._start_ns: int | None = None
        self._origin = np.zeros(3)
        self._annotations: list[rr.AnnotationInfo] = []
        self._first_ids: dict[tuple[tuple[str, ...], tuple[str, ...]], int] = {}
        self._cameras: set[str] = set()

    def __enter__(self) -> RerunLog:
        """Open the file or the viewer."""
        if self._save_to is None:
            self._recording.spawn()
        else:
            self._save_to.parent.mkdir(parents=True, exist_ok=True)
            self._recording.save(self._save_to)
        self._recording.log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        self._recording.send_blueprint(_layout(()))
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Write the rest and close the recording."""
        self._recording.flush()
        self._recording.disconnect()
        if kind is not None and self._save_to is not None:
            self._save_to.unlink(missing_ok=True)

    def show_sweep(
        self,
        sweep: Sweep,
        cameras: Sequence[CameraView],
        labels: NDArray[np.uint8],
        vocabulary: Vocabulary,
    ) -> None:
        """Log a labelled sweep.

        Args:
            sweep: N points.
            cameras: Camera views around its stamp; may be empty.
            labels: (N,) uint8 indices into the vocabulary; IGNORE_LABEL where a point has none.
            vocabulary: Classes of the labels.
        """
        if self._start_ns is None:
            self._start_ns, self._origin = sweep.stamp_ns, sweep.T_global_lidar[:3, 3]
        self._set_time(sweep.stamp_ns)
        class_ids = self._class_ids(labels, vocabulary)
        legend = draw_legend(vocabulary, labels, _LEGEND_HEIGHT_PX)
        self._recording.log("legend", rr.Image(legend).compress(_JPEG_QUALITY))
        # The points stay in the sensor's frame; its pose is one transform.
        T_world_lidar = self._in_world(sweep.T_global_lidar)
        self._recording.log("world/lidar", _transform(T_world_lidar))
        finite = np.isfinite(sweep.points[:, :3]).all(axis=1)
        self._recording.log(
            "world/lidar/points",
            rr.Points3D(
                sweep.points[finite, :3], class_ids=class_ids[finite], radii=[_POINT_RADIUS_M]
            ),
        )
        if not self._cameras.issuperset(camera.name for camera in cameras):
            self._cameras.update(camera.name for camera in cameras)
            self._recording.send_blueprint(_layout([camera.name for camera in cameras]))
        for camera in cameras:
            self._show_camera(camera, sweep, class_ids, labels != IGNORE_LABEL)

    def show_map(self, labelled_map: LabelledMap, at_ns: int) -> None:
        """Log the map; the first sweep must be logged before it.

        Args:
            labelled_map: V voxels in the fixed frame.
            at_ns: Stamp of the newest sweep in it, in nanoseconds.
        """
        self._set_time(at_ns)
        centers = (labelled_map.points - self._origin).astype(np.float32)
        class_ids = self._class_ids(labelled_map.labels, labelled_map.vocabulary)
        self._recording.log(
            "world/map", rr.Points3D(centers, class_ids=class_ids, radii=[_VOXEL_RADIUS_M])
        )

    def _class_ids(self, labels: NDArray[np.uint8], vocabulary: Vocabulary) -> NDArray[np.uint16]:
        """Give each class of each vocabulary its own id: Rerun's annotations hold for all times.

        (Rerun 0.41 does not show an AnnotationContext on a timeline.)
        """
        classes = (vocabulary.prompts, vocabulary.names)
        if classes not in self._first_ids:
            first = self._first_ids[classes] = 256 * len(self._first_ids)
            self._annotations += _annotations(vocabulary, first)
            self._recording.log("/", rr.AnnotationContext(self._annotations), static=True)
        return labels.astype(np.uint16) + np.uint16(self._first_ids[classes])

    def _show_camera(
        self,
        camera: CameraView,
        sweep: Sweep,
        class_ids: NDArray[np.uint16],
        is_labelled: NDArray[np.bool_],
    ) -> None:
        height, width = camera.image.shape[:2]
        scale = min(1.0, _IMAGE_WIDTH_PX / width)
        size = (round(width * scale), round(height * scale))
        small = Image.fromarray(camera.image).resize(size)
        intrinsics = camera.intrinsics.copy()
        intrinsics[:2] *= scale
        entity = f"world/cameras/{camera.name}"
        self._recording.log(entity, _transform(self._in_world(camera.T_global_camera)))
        self._recording.log(entity, rr.Pinhole(image_from_camera=intrinsics, resolution=size))
        self._recording.log(f"{entity}/image", rr.Image(small).compress(_JPEG_QUALITY))
        pairs = pair_pixels_with_points([sweep], [camera], occlusion_margin_m=0.5)
        drawn = is_labelled[pairs.point_index]
        self._recording.log(
            f"{entity}/image/points",
            rr.Points2D(
                (pairs.pixels[drawn] + 0.5).astype(np.float32) * np.float32(scale),
                class_ids=class_ids[pairs.point_index[drawn]],
                radii=[_PIXEL_RADIUS_PX],
            ),
        )

    def _set_time(self, at_ns: int) -> None:
        assert self._start_ns is not None
        self._recording.set_time(TIMELINE, duration=(at_ns - self._start_ns) / NANOSECONDS)

    def _in_world(self, T_global_sensor: NDArray[np.float64]) -> NDArray[np.float64]:
        T_world_sensor = T_global_sensor.copy()
        T_world_sensor[:3, 3] -= self._origin
        return T_world_sensor


def _transform(T_parent_child: NDArray[np.float64]) -> rr.Transform3D:
    return rr.Transform3D(translation=T_parent_child[:3, 3], mat3x3=T_parent_child[:3, :3])


def _annotations(vocabulary: Vocabulary, first_id: int) -> list[rr.AnnotationInfo]:
    rows = zip(vocabulary.names, vocabulary.colors.tolist(), strict=True)
    return [
        *(rr.AnnotationInfo(first_id + i, name, tuple(rgb)) for i, (name, rgb) in enumerate(rows)),
        rr.AnnotationInfo(first_id + IGNORE_LABEL, "unlabelled", IGNORE_COLOR),
    ]


def _layout(cameras: Sequence[str]) -> rrb.Blueprint:
    """The street beside cameras and legend; all panels but the timeline are folded."""
    street = rrb.Spatial3DView(origin="world", name="street")
    legend = rrb.Spatial2DView(origin="legend", name="legend")
    views = [rrb.Spatial2DView(origin=f"world/cameras/{camera}", name=camera) for camera in cameras]
    side = rrb.Vertical(rrb.Grid(*views), legend, row_shares=[3, 2]) if views else legend
    return rrb.Blueprint(
        rrb.Horizontal(street, side, column_shares=[3, 2] if views else [4, 1]),
        collapse_panels=True,
    )
