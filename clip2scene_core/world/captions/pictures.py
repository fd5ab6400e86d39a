"""Pictures with captions for the training of a small CLIP, from scenes that no sequence has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.worker import end_with_parent
from clip2scene_core.world.captions.aim import NUM_TARGETS, Aim, Targets
from clip2scene_core.world.captions.captions import SKY_LABEL, Caption, Shown, web_caption
from clip2scene_core.world.layout.build import PICTURE_STREAM, build_scene
from clip2scene_core.world.layout.relief import relief_at
from clip2scene_core.world.layout.road import surface_at
from clip2scene_core.world.layout.scene import Scene
from clip2scene_core.world.render.camera import (
    Hits,
    Moment,
    cast_camera,
    moment_of,
    paint,
    static_sun_map,
)

PICTURES_PER_SCENE: Final = 20
SCENE_SECONDS: Final = 4.0
Split = Literal["train", "val", "test"]
STREAMS: Final[dict[Split, int]] = {"train": PICTURE_STREAM, "val": 3, "test": 4}
"""Random stream of the scenes of each split; splits share no scene, for any seeds."""

NUM_TRIES: Final = 10
SALIENCE: Final = {0: 2.5, 1: 4.0, 2: 1.5, 3: 1.5, 4: 1.7, 5: 3.5, 6: 4.0, 7: 5.0, 8: 1.5, 9: 1.5}
"""Importance of a class relative to a surface of the same area, for captions; 1 for the others."""

WANTED_SHARE: Final = {
    0: 0.25,
    1: 0.2,
    2: 0.32,
    5: 0.22,
    6: 0.17,
    7: 0.15,
    8: 0.32,
    11: 0.2,
    15: 0.28,
}
"""Minimum share of a tight crop that a class fills, 0.4 for the others; narrow objects cannot fill
0.4."""

NARROW_KINDS: Final = {"street lamp": 0.06, "traffic light": 0.06, "sign": 0.15, "fence": 0.2}
"""Likewise for kinds of objects whose class has wider ones, in varied scenes."""

SMALLEST_KIND: Final = 0.03
"""Minimum share of a picture of the kind of object aimed at, for captions."""


@dataclass(frozen=True)
class Picture:
    """A picture with its caption.

    Attributes:
        image: (size, size, 3) uint8 RGB.
        caption: Caption; training uses only this.
        shown: Ground truth for scores: the classes in the picture, the most important first.
    """

    image: NDArray[np.uint8]
    caption: Caption
    shown: tuple[Shown, ...]


@dataclass(frozen=True)
class Framing:
    """Framing of a picture.

    Attributes:
        fill: Minimum and maximum size of the target, relative to the picture.
        jitter: Standard deviation of the position of the target, relative to the picture.
        wanted: Factor on WANTED_SHARE.
        smallest_object: Minimum share of the picture of an object class in captions.
        smallest_stuff: Minimum share of the picture of ground, buildings, plants and sky.
    """

    fill: tuple[float, float]
    jitter: float
    wanted: float
    smallest_object: float = 0.04
    smallest_stuff: float = 0.08


_TIGHT: Final = Framing(fill=(0.6, 1.35), jitter=0.1, wanted=1.0)
_WIDE: Final = Framing(fill=(0.2, 0.5), jitter=0.1, wanted=0.3)
_VIEW: Final = Framing(
    fill=(0.1, 0.6), jitter=0.25, wanted=0.05, smallest_object=0.015, smallest_stuff=0.05
)


def caption_pictures(
    num_pictures: int,
    seed: int,
    size: int = 96,
    split: Split = "train",
    view_share: float = 0.0,
    workers: int = 1,
    varied_share: float = 0.0,
) -> Iterator[Picture]:
    """Render pictures with captions.

    The target class of a picture is drawn uniformly, so that rare classes are as frequent as common
    classes. Two thirds of the pictures are tight crops of one object or one surface, at the scales
    of a surround camera; the others are wider. With `view_share`, some pictures are views: the
    street with the target anywhere in it. Scenes are flat streets; with `varied_share`, some are on
    varied terrain and in other places, where kinds of a class are as frequent as each other, and
    captions may name two of them.

    Args:
        num_pictures: Number of pictures.
        seed: Seed of the pictures.
        size: Height and width, pixels.
        split: "train" for training, "val" for choices, "test" for reports.
        view_share: Share of views, in [0, 1].
        workers: Number of processes that render; the pictures are the same for any number. With
            more than one, Python starts new interpreters, so a calling script needs
            `if __name__ == "__main__":`.
        varied_share: Share of scenes on varied terrain and in other places, in [0, 1].

    Yields:
        Pictures with captions; some captions are incomplete or wrong.

    Raises:
        ValueError: If num_pictures is negative or size is below 16.
    """
    if num_pictures < 0 or size < 16:
        raise ValueError(
            f"need num_pictures >= 0 and size >= 16, got num_pictures={num_pictures}, size={size}"
        )
    scenes = [
        (first // PICTURES_PER_SCENE, min(PICTURES_PER_SCENE, num_pictures - first))
        for first in range(0, num_pictures, PICTURES_PER_SCENE)
    ]
    take = partial(
        _pictures_of_scene,
        seed=seed,
        size=size,
        split=split,
        view_share=view_share,
        varied_share=varied_share,
    )
    if workers == 1:
        for scene in scenes:
            yield from take(scene)
        return
    # Spawned, not forked: a fork of a caller with threads can hang.
    with get_context("spawn").Pool(workers, end_with_parent) as pool:
        for pictures in pool.imap(take, scenes):
            yield from pictures


def _pictures_of_scene(
    scene_and_count: tuple[int, int],
    seed: int,
    size: int,
    split: Split,
    view_share: float,
    varied_share: float,
) -> list[Picture]:
    """Render some pictures of one scene."""
    index, count = scene_and_count
    rng = np.random.default_rng([seed, STREAMS[split], index, 1])
    is_varied = np.random.default_rng([seed, STREAMS[split], index, 2]).random() < varied_share
    terrain, places = ("varied", "mixed") if is_varied else ("flat", "street")
    scene = build_scene(seed, index, SCENE_SECONDS, STREAMS[split], terrain, places)
    seconds = float(rng.uniform(0, SCENE_SECONDS))
    moment = moment_of(scene, static_sun_map(scene), seconds)
    renderer = _PictureRenderer(moment, seconds, size, view_share, rng)
    return [renderer.render() for _ in range(count)]


class _PictureRenderer:
    """Renders pictures of one moment of a scene.

    Args:
        moment: The moment.
        seconds: Time of the moment since the start of the scene, seconds.
        size: Height and width of a picture, pixels.
        view_share: Share of views, in [0, 1].
        rng: Generator of all random draws.
    """

    def __init__(
        self,
        moment: Moment,
        seconds: float,
        size: int,
        view_share: float,
        rng: np.random.Generator,
    ) -> None:
        self.moment, self.seconds, self.size, self.rng = moment, seconds, size, rng
        self.view_share = view_share
        self.scene: Scene = moment.scene
        self.reach_m = self.scene.road.lanes_end + (2.5 if self.scene.is_flat else 6.0)
        self.targets = Targets(self.scene, seconds, rng)
        self.words = np.array([placed.word for placed in self.scene.objects] or [""])

    def render(self) -> Picture:
        """Render one picture with its caption."""
        available = self.targets.labels
        for attempt in range(NUM_TRIES * 40):
            if attempt % NUM_TRIES == 0:
                target = available[int(self.rng.integers(len(available)))]
            framing = self._choose_framing()
            focal = math.exp(self.rng.uniform(math.log(95), math.log(420)))
            aim = self.targets.aim(target)
            hits = None if aim is None else self._frame(aim, framing, focal)
            if aim is None or hits is None:
                continue
            labels = self._visible_labels(hits)
            share, wanted = float((labels == target).mean()), WANTED_SHARE.get(target, 0.4)
            shown = self._shown(hits, labels, framing)
            if not self.scene.is_flat and aim.kind:
                of_kind = self._shown_kind(hits, aim)
                if of_kind.share > SMALLEST_KIND and of_kind.word not in [
                    one.word for one in shown
                ]:
                    shown.insert(0, of_kind)
                share = of_kind.share
                wanted = NARROW_KINDS.get(aim.kind, wanted)
            if shown and (share > wanted * framing.wanted or attempt >= NUM_TRIES * 3):
                break
        else:
            raise AssertionError("no free view in a scene; the layout left no room for a camera")
        picture = paint(self.moment, hits)
        if picture.shape[0] != self.size:
            resized = Image.fromarray(picture).resize(
                (self.size, self.size), Image.Resampling.BILINEAR
            )
            picture = np.asarray(resized)
        caption = web_caption(shown, self.scene.weather, self.rng)
        return Picture(picture, caption, tuple(shown))

    def _choose_framing(self) -> Framing:
        if self.view_share > 0 and self.rng.random() < self.view_share:
            return _VIEW
        return _TIGHT if self.rng.random() < 0.67 else _WIDE

    def _frame(self, aim: Aim, framing: Framing, focal: float) -> Hits | None:
        """Point a camera at the target and cast its rays; None if there is no place for it."""
        rng = self.rng
        fill = float(rng.uniform(*framing.fill))
        distance = focal * aim.extent_m / (96 * fill)
        off_road = abs(surface_at(self.scene.plan, aim.point[0], aim.point[1])[1]) - self.reach_m
        nearest = max(2.2 + 0.35 * aim.extent_m, 1.15 * off_road + 1.0)
        if not nearest < distance < 45:
            distance = max(min(distance, 45.0), nearest)
            focal = min(max(distance * 96 * fill / aim.extent_m, 80.0), 700.0)
        camera = self._stand(aim, distance)
        if camera is None:
            return None
        # A quarter of the pictures is rendered small and enlarged, like crops in the training.
        pixels = self.size if rng.random() < 0.75 else int(rng.integers(self.size // 2, self.size))
        focal_px = focal * pixels / 96
        jitter = rng.normal(0, framing.jitter * pixels, 2)
        middle = (pixels - 1) / 2
        intrinsics = np.array(
            [[focal_px, 0, middle + jitter[0]], [0, focal_px, middle + jitter[1]], [0, 0, 1.0]]
        )
        return cast_camera(self.moment, intrinsics, _look_at(camera, aim.point), (pixels, pixels))

    def _stand(self, aim: Aim, distance: float) -> NDArray[np.float64] | None:
        """Find a position (3,) of the camera on the street outside of all objects, metres."""
        rng, primitives = self.rng, self.moment.primitives
        height = float(rng.uniform(1.3, 1.85) if rng.random() < 0.85 else rng.uniform(0.8, 3.0))
        if not self.scene.is_flat:
            height = float(rng.uniform(0.4, 2.4))
        up = aim.point[2] - relief_at(self.scene.plan, aim.point[0], aim.point[1]) - height
        for _ in range(20):
            turn = float(rng.uniform(0, 2 * math.pi))
            level = math.sqrt(max(distance**2 - up**2, 1.0))
            x, y = aim.point[0] + level * math.cos(turn), aim.point[1] + level * math.sin(turn)
            _, d, _ = surface_at(self.scene.plan, x, y)
            if abs(d) > self.reach_m:
                continue
            camera = np.array([x, y, relief_at(self.scene.plan, x, y) + height])
            offset = camera - primitives.center
            inside = (
                np.abs(np.einsum("pij,pj->pi", primitives.axes, offset)) < primitives.half + 0.7
            )
            if not inside.all(axis=1).any():
                return camera
        return None

    def _visible_labels(self, hits: Hits) -> NDArray[np.uint8]:
        """Labels (H, W) uint8: SKY_LABEL for the sky, IGNORE_LABEL for pixels hidden by haze."""
        labels = np.where(hits.labels == IGNORE_LABEL, np.uint8(SKY_LABEL), hits.labels)
        hidden = (labels != SKY_LABEL) & (hits.depth * self.scene.light.fog_density > 1.6)
        return np.where(hidden, np.uint8(IGNORE_LABEL), labels)

    def _shown(self, hits: Hits, labels: NDArray[np.uint8], framing: Framing) -> list[Shown]:
        """List the classes in the picture, the most important first."""
        counts = np.bincount(labels[labels != IGNORE_LABEL], minlength=NUM_TARGETS) / labels.size
        shown = []
        salience = np.array([SALIENCE.get(label, 1.0) for label in range(NUM_TARGETS)])
        for label in np.argsort(-counts * salience, kind="stable").tolist():
            is_object = label < 10
            if counts[label] < (framing.smallest_object if is_object else framing.smallest_stuff):
                continue
            primitive = hits.index[(labels == label) & (hits.index >= 0)]
            word = color = ""
            if len(primitive):
                owner = np.bincount(self.moment.primitives.instance[primitive])
                largest = self.scene.objects[int(owner.argmax())]
                word, color = largest.word, largest.color_name
            shown.append(Shown(label, word, color, float(counts[label])))
        return shown

    def _shown_kind(self, hits: Hits, aim: Aim) -> Shown:
        """Measure how much of the picture shows the kind of object aimed at."""
        hit = hits.index[hits.index >= 0]
        words = self.words[self.moment.primitives.instance[hit]]
        return Shown(aim.label, aim.kind, "", float((words == aim.kind).sum()) / hits.index.size)


def _look_at(camera: NDArray[np.float64], point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pose T_scene_camera (4, 4) of an upright camera at `camera` that points to `point`."""
    forward = point - camera
    forward = forward / np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right = right / np.linalg.norm(right)
    transform = np.eye(4)
    transform[:3, :3] = np.column_stack([right, np.cross(forward, right), forward])
    transform[:3, 3] = camera
    return transform
