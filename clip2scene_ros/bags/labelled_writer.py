"""Write a labelled bag: copies of the input's messages, labelled clouds, map and legend."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from rosbags.interfaces import Connection
from rosbags.rosbag2 import Writer

from clip2scene_core.inference.labelled_cloud import LabelledCloud
from clip2scene_core.mapping.labelled_map import LabelledMap
from clip2scene_core.prompts.vocabulary import Vocabulary
from clip2scene_core.sample import CameraView, Sweep
from clip2scene_core.visualization.clouds import draw_names
from clip2scene_ros.bags.io import offered_qos
from clip2scene_ros.bags.messages import (
    STORE,
    add_copy,
    cloud_message,
    header_message,
    image_message,
    string_message,
)
from clip2scene_ros.messages.cloud_layouts import labelled_cloud_array, map_array
from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.messages.legend import legend_json
from clip2scene_ros.sync.sweeps import SynchronizedSweep, SyncOptions

POINTS_TOPIC: Final = "/clip2scene/points"
MAP_TOPIC: Final = "/clip2scene/map"
LEGEND_TOPIC: Final = "/clip2scene/legend"
LEGEND_IMAGE_TOPIC: Final = "/clip2scene/legend_image"

OWN_TOPICS: Final = (POINTS_TOPIC, MAP_TOPIC, LEGEND_TOPIC, LEGEND_IMAGE_TOPIC)
"""Topics that a labelled bag has beside those of its input."""


class Viewer(Protocol):
    """Shows results while they are made, for example clip2scene_ros.viewers.rerun.RerunLog."""

    def show_sweep(
        self,
        sweep: Sweep,
        cameras: Sequence[CameraView],
        labels: NDArray[np.uint8],
        vocabulary: Vocabulary,
    ) -> None:
        """Show one labelled sweep: N points, its camera views, (N,) uint8 labels."""

    def show_map(self, labelled_map: LabelledMap, at_ns: int) -> None:
        """Show the labelled voxels as they are after the sweep with stamp `at_ns`."""


class LabelledWriter:
    """Writes a labelled bag message by message.

    Args:
        writer: The bag, open.
        sync: Has the map's frame.
        map_period_s: Seconds of bag time between two maps.
        viewer: Shown every labelled cloud and every map; None shows nothing.
    """

    def __init__(
        self,
        writer: Writer,
        sync: SyncOptions,
        map_period_s: float,
        viewer: Viewer | None,
    ) -> None:
        self._writer = writer
        self._viewer = viewer
        self._sync = sync
        self._map_period_ns = round(map_period_s * NANOSECONDS)
        self._copies: dict[tuple[str, str, str], Connection] = {}
        self._own: dict[str, Connection] = {}
        self._vocabulary: Vocabulary | None = None
        self._legend_version = 0
        self._newest_map_ns: int | None = None
        self._newest_sweep_ns = 0

    def copy(self, connection: Connection, at_ns: int, content: bytes) -> None:
        """Copy a serialized message of the input."""
        key = (connection.topic, connection.msgtype, repr(connection.ext))
        if key not in self._copies:
            self._copies[key] = add_copy(self._writer, connection)
        self._writer.write(self._copies[key], at_ns, content)

    def write_cloud(
        self, cloud: LabelledCloud, synchronized: SynchronizedSweep, now_ns: int
    ) -> None:
        """Write a labelled sweep with its input's header, and before it a new legend."""
        self._announce(cloud.vocabulary, now_ns)
        array = labelled_cloud_array(cloud, synchronized.intensity_scale)
        self._newest_sweep_ns = cloud.stamp_ns
        self._write(
            POINTS_TOPIC, cloud_message(array, synchronized.header), now_ns, is_latched=False
        )
        if self._viewer is not None:
            self._viewer.show_sweep(
                synchronized.sweep, synchronized.cameras, cloud.labels, cloud.vocabulary
            )

    def write_due_map(self, read_map: Callable[[], LabelledMap], now_ns: int) -> None:
        """Write the map if the last one is as old as the map period."""
        newest_ns = self._newest_map_ns
        # A looped or merged bag may go back in time.
        if newest_ns is None or not 0 <= now_ns - newest_ns < self._map_period_ns:
            self.write_map(read_map, now_ns)

    def write_map(self, read_map: Callable[[], LabelledMap], now_ns: int) -> None:
        """Write the map if there are poses."""
        if self._sync.pose_source == "none" or self._vocabulary is None:
            return
        self._newest_map_ns = now_ns
        labelled_map = read_map()
        self._announce(labelled_map.vocabulary, now_ns)
        if self._viewer is not None:
            self._viewer.show_map(labelled_map, self._newest_sweep_ns)
        header = header_message(self._newest_sweep_ns, self._sync.fixed_frame)
        self._write(
            MAP_TOPIC, cloud_message(map_array(labelled_map), header), now_ns, is_latched=True
        )

    def _announce(self, vocabulary: Vocabulary, now_ns: int) -> None:
        if vocabulary is not self._vocabulary:
            self._vocabulary = vocabulary
            self._legend_version += 1
            legend = string_message(legend_json(vocabulary, self._legend_version))
            self._write(LEGEND_TOPIC, legend, now_ns, is_latched=True)
            picture = image_message(np.asarray(draw_names(vocabulary)), header_message(now_ns, ""))
            self._write(LEGEND_IMAGE_TOPIC, picture, now_ns, is_latched=True)

    def _write(self, topic: str, message: Any, now_ns: int, is_latched: bool) -> None:
        if topic not in self._own:
            self._own[topic] = self._writer.add_connection(
                topic,
                message.__msgtype__,
                typestore=STORE,
                offered_qos_profiles=offered_qos(1 if is_latched else 2, is_latched),
            )
        content = STORE.serialize_cdr(message, message.__msgtype__)
        self._writer.write(self._own[topic], now_ns, content)
