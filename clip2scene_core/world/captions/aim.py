"""What a free camera can show of a scene, and the point that it is turned to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.labels import nuscenes_label_map
from clip2scene_core.world.captions.captions import SKY_LABEL
from clip2scene_core.world.layout.relief import relief_at
from clip2scene_core.world.layout.road import road_pose, surface_at
from clip2scene_core.world.layout.scene import Scene

NUM_TARGETS: Final = SKY_LABEL + 1

GROUND_LABELS: Final = {10: (0,), 11: (1, 4), 12: (2,), 13: (3,)}
"""Surface numbers of `road` for each ground class."""

MOST_TURNS: Final = 4

_PEDESTRIAN = 6
_OTHER_FLAT = 11
_LABEL_MAP = nuscenes_label_map()


@dataclass(frozen=True)
class Aim:
    """Target of a free camera.

    Attributes:
        label: Index into NUSCENES_CLASSES, or SKY_LABEL.
        point: (3,) float64, metres, scene frame.
        extent_m: Size of the target, metres.
        kind: Word of the object aimed at, "" for a surface or the sky.
    """

    label: int
    point: NDArray[np.float64]
    extent_m: float
    kind: str = ""


class Targets:
    """What a free camera can show of one scene at one time.

    Args:
        scene: The scene.
        seconds: Time since its start, seconds.
        rng: Generator of all random draws.

    Attributes:
        labels: Labels that it has. Each is there once on a flat street; in other scenes those of
            several kinds of objects are there once for each, up to MOST_TURNS.
    """

    def __init__(self, scene: Scene, seconds: float, rng: np.random.Generator) -> None:
        self._scene, self._seconds, self._rng = scene, seconds, rng
        self._by_label: dict[int, list[int]] = {}
        for index, scene_object in enumerate(scene.objects):
            if -45 < scene_object.s < scene.length_m + 60:
                label = int(_LABEL_MAP[scene_object.category])
                self._by_label.setdefault(label, []).append(index)
        self.labels = [
            label
            for label in range(NUM_TARGETS)
            if label in self._by_label or label in GROUND_LABELS
        ]
        self.labels.append(SKY_LABEL)
        if not scene.is_flat:
            for label in sorted(self._by_label):
                self.labels += [label] * (min(len(self._kinds(label)), MOST_TURNS) - 1)

    def aim(self, label: int) -> Aim | None:
        """Draw a point that shows a label; None if there is none on the ground.

        Objects of a flat street are drawn evenly; of other scenes the kind is, then the object.
        """
        if label == SKY_LABEL:
            return self._aim_at_sky()
        if label in GROUND_LABELS:
            return self._aim_at_ground(label)
        choices = self._by_label[label]
        if not self._scene.is_flat:
            kinds = self._kinds(label)
            kind = kinds[int(self._rng.integers(len(kinds)))]
            choices = [i for i in choices if self._scene.objects[i].word == kind]
        return self._aim_at_object(label, choices[int(self._rng.integers(len(choices)))])

    def _kinds(self, label: int) -> list[str]:
        """Words of the objects of a label."""
        return sorted({self._scene.objects[i].word for i in self._by_label[label]})

    def _aim_at_sky(self) -> Aim:
        rng, curvature = self._rng, self._scene.road.curvature
        x, y, _ = road_pose(curvature, float(rng.uniform(0, 60)), float(rng.normal(0, 12)))
        point = np.array([x, y, rng.uniform(14, 40)])
        return Aim(SKY_LABEL, point, float(rng.uniform(8, 30)))

    def _aim_at_ground(self, label: int) -> Aim | None:
        rng, road, plan = self._rng, self._scene.road, self._scene.plan
        reach = max(*road.ends(1), *road.ends(-1)) + 5
        largest_m = 2.0 if label == _OTHER_FLAT else 4.5
        for _ in range(400):  # an island is a narrow target
            s, d = float(rng.uniform(-30, 80)), float(rng.uniform(-reach, reach))
            x, y, _ = road_pose(road.curvature, s, d)
            if surface_at(plan, x, y)[0] in GROUND_LABELS[label]:
                point = np.array([x, y, relief_at(plan, x, y) + 0.05])
                return Aim(label, point, float(rng.uniform(1.0, largest_m)))
        return None

    def _aim_at_object(self, label: int, index: int) -> Aim:
        rng, scene = self._rng, self._scene
        length, width, height = scene.objects[index].size
        kind = scene.objects[index].word
        x, y, z, heading = scene.pose_of(index, self._seconds)
        along, across, up = rng.uniform(-0.2, 0.2) * length, 0.0, float(rng.uniform(0.35, 0.65))
        extent = max(0.72 * length, width, height)
        if kind == "building":
            along, across, up = (
                rng.uniform(-0.4, 0.4) * length,
                -width / 2,
                float(rng.uniform(0.1, 0.8)),
            )
            height, extent = min(height, 12.0), float(rng.uniform(2.0, 9.0))
        elif kind in ("tree", "wall", "fence", "hedge"):
            along = rng.uniform(-0.3, 0.3) * length
            up = float(rng.uniform(0.5, 0.85)) if height > 3 else up
            extent = float(rng.uniform(0.3, 1.0)) * max(height, 2.0)
        elif label == _PEDESTRIAN:
            extent, up = height * float(rng.uniform(0.45, 1.0)), float(rng.uniform(0.45, 0.75))
        elif height > 3 and width < 0.9:
            extent, up = float(rng.uniform(1.0, 3.0)), float(rng.uniform(0.3, 0.95))
        point = np.array(
            [
                x + along * math.cos(heading) - across * math.sin(heading),
                y + along * math.sin(heading) + across * math.cos(heading),
                z + up * height,
            ]
        )
        return Aim(label, point, extent, kind)
