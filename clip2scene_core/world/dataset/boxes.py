"""Boxes of annotated objects: nuScenes' instance and sample_annotation tables."""

from __future__ import annotations

import itertools
import math

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.nuscenes_format.tokens import token_of
from clip2scene_core.geometry.se3 import quaternion_from_matrix
from clip2scene_core.labels import NUSCENES_RAW_CATEGORIES
from clip2scene_core.world.dataset.tables import Record, Tables
from clip2scene_core.world.layout.scene import Scene
from clip2scene_core.world.layout.street import RAW
from clip2scene_core.world.sensors.sensor_rig import Firing

_PEOPLE = (RAW["adult"], RAW["child"], RAW["worker"])
_CYCLES = (RAW["bicycle"], RAW["motorcycle"])
_VEHICLES = (RAW["bus"], RAW["car"], RAW["construction"], RAW["trailer"], RAW["truck"])


class BoxTrack:
    """Collects the boxes of one scene, keyframe by keyframe, and chains them.

    Args:
        scene: The scene.
        tables: Tables to append to.
        scene_index: Index of the scene in the world.
    """

    def __init__(self, scene: Scene, tables: Tables, scene_index: int) -> None:
        self.scene, self.tables, self.scene_index = scene, tables, scene_index
        self.tracks: dict[int, list[Record]] = {}

    def add_keyframe(
        self, firing: Firing, T_global_scene: NDArray[np.float64], instances: NDArray[np.int64]
    ) -> None:
        """Add a box for every annotated object that the sweep hit.

        Args:
            firing: LiDAR measurement of the keyframe.
            T_global_scene: (4, 4) float64, pose of the scene frame in the global frame.
            instances: (N,) int64, index of the object that each point hit, -1 for none.
        """
        counts = np.bincount(instances[instances >= 0], minlength=len(self.scene.objects))
        for index in np.flatnonzero(counts).tolist():
            scene_object = self.scene.objects[index]
            if not scene_object.is_annotated:
                continue
            length, width, height = scene_object.size
            center, rotation = self._pose(index, firing.seconds, T_global_scene)
            sample_token = self.tables.token("sample", self.scene_index, firing.keyframe_index)
            record: Record = {
                "token": self.tables.token("box", self.scene_index, index, firing.keyframe_index),
                "sample_token": sample_token,
                "instance_token": self.tables.token("instance", self.scene_index, index),
                "visibility_token": "4",
                "attribute_tokens": self._attributes(index),
                "translation": center,
                "size": [width, length, height],
                "rotation": rotation,
                "prev": "",
                "next": "",
                "num_lidar_pts": int(counts[index]),
                "num_radar_pts": 0,
            }
            self.tracks.setdefault(index, []).append(record)

    def _pose(
        self, index: int, seconds: float, T_global_scene: NDArray[np.float64]
    ) -> tuple[list[float], list[float]]:
        """Center and quaternion (w, x, y, z) of a box in the global frame."""
        above = np.array([0.0, 0.0, self.scene.objects[index].size[2] / 2, 1.0])
        if not self.scene.is_flat:
            T_global_object = T_global_scene @ self.scene.T_scene_object(index, seconds)
            center = T_global_object @ above
            return center[:3].tolist(), quaternion_from_matrix(T_global_object).tolist()
        x, y, z, heading = self.scene.pose_of(index, seconds)
        center = T_global_scene @ (above + np.array([x, y, z, 0.0]))
        heading += math.atan2(T_global_scene[1, 0], T_global_scene[0, 0])
        return center[:3].tolist(), [math.cos(heading / 2), 0.0, 0.0, math.sin(heading / 2)]

    def close(self) -> None:
        """Chain the boxes of each object and append them to the tables."""
        for index, records in self.tracks.items():
            for before, after in itertools.pairwise(records):
                before["next"], after["prev"] = after["token"], before["token"]
            name = NUSCENES_RAW_CATEGORIES[self.scene.objects[index].category]
            self.tables.add(
                "instance",
                token=records[0]["instance_token"],
                category_token=token_of("category", name),
                nbr_annotations=len(records),
                first_annotation_token=records[0]["token"],
                last_annotation_token=records[-1]["token"],
            )
            for record in records:
                self.tables.add("sample_annotation", **record)

    def _attributes(self, index: int) -> list[str]:
        scene_object = self.scene.objects[index]
        if scene_object.category in _PEOPLE:
            name = "pedestrian.moving" if scene_object.is_moving else "pedestrian.standing"
        elif scene_object.category in _CYCLES:
            name = "cycle.with_rider" if scene_object.has_rider else "cycle.without_rider"
        elif scene_object.category in _VEHICLES:
            name = "vehicle.moving" if scene_object.is_moving else "vehicle.parked"
        else:
            return []
        return [token_of("attribute", name)]
