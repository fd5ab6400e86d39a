"""Compose a caption from what a picture shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.labels import NUSCENES_CLASSES

SKY_LABEL: Final = len(NUSCENES_CLASSES)
"""Index of the sky, behind the 16 classes."""

_PEDESTRIAN: Final = 6

SYNONYMS: Final[tuple[tuple[str, ...], ...]] = (
    ("barrier", "barrier", "road barrier", "traffic barrier", "barricade"),
    ("bicycle", "bicycle", "bike"),
    ("bus", "bus", "city bus", "coach"),
    ("car", "car", "vehicle", "automobile"),
    ("construction vehicle", "construction vehicle", "construction machine", "digger"),
    ("motorcycle", "motorcycle", "motorbike"),
    ("pedestrian", "pedestrian", "person", "man", "woman", "human"),
    ("traffic cone", "traffic cone", "cone", "road cone"),
    ("trailer", "trailer", "semi-trailer"),
    ("truck", "truck", "lorry"),
    ("driveable surface", "road", "road", "street", "asphalt", "asphalt road"),
    ("other flat", "traffic island", "traffic island", "paved strip", "median strip"),
    ("sidewalk", "sidewalk", "pavement", "footpath"),
    ("terrain", "grass", "grass", "lawn", "meadow", "grassland"),
    ("manmade", "building", "building", "house", "structure"),
    ("vegetation", "tree", "vegetation", "plant", "foliage"),
    ("sky", "sky", "cloudy sky"),
)
"""For each class its words; the data set's own name and the prompt of `labels` are among them."""

WORD_SYNONYMS: Final = {
    "sedan": ("sedan", "car", "parked car"),
    "hatchback": ("hatchback", "car", "small car"),
    "suv": ("suv", "car"),
    "van": ("van", "minivan", "car"),
    "excavator": ("excavator", "excavator", "excavator", "digger"),
    "loader": ("wheel loader", "loader", "bulldozer"),
    "road roller": ("road roller", "roller", "steamroller"),
    "cyclist": ("cyclist", "person riding a bicycle", "bicycle with a rider"),
    "motorcyclist": ("motorcyclist", "person riding a motorcycle", "motorcycle with a rider"),
    "building": ("building", "building", "facade of a building", "house", "wall of a building"),
    "wall": ("wall", "wall", "brick wall", "manmade wall"),
    "fence": ("fence", "fence", "manmade fence"),
    "street lamp": ("pole", "street lamp", "lamp post"),
    "traffic light": ("traffic light", "pole"),
    "sign": ("sign", "traffic sign", "billboard"),
    "trash bin": ("trash bin", "trash can"),
    "hydrant": ("hydrant",),
    "bench": ("bench",),
    "cabinet": ("electrical cabinet",),
    "planter": ("planter", "concrete block"),
    "bus shelter": ("bus stop", "bus shelter"),
    "tree": ("tree", "tree", "tree with leaves", "tree crown"),
    "bush": ("bush", "shrub", "green bush"),
    "hedge": ("hedge", "bush", "hedge"),
}
UNCOUNTED: Final = frozenset(
    {"vegetation", "grass", "terrain", "asphalt", "grassland", "foliage", "driveable surface",
     "other flat", "manmade", "pavement"}
)  # fmt: skip
THE: Final = frozenset({"road", "street", "sidewalk", "sky", "cloudy sky", "lawn"})
ALONE: Final = (
    "{a}", "{a}", "a photo of {a}", "a picture of {a}", "a close-up photo of {a}",
    "{a} in the scene", "there is {a} in the scene", "a photo of {a} in a street scene",
    "a cropped photo of {a}", "a blurry photo of {a}",
)  # fmt: skip
PAIRED: Final = (
    "{a} and {b}", "{a} next to {b}", "{a} in front of {b}", "a photo of {a} and {b}",
    "a photo of {a} with {b}", "{a} beside {b}", "a street with {a} and {b}",
)  # fmt: skip
CROWDED: Final = (
    "{a}, {b} and {c}", "a photo of {a}, {b} and {c}", "a street scene with {a}, {b} and {c}",
)  # fmt: skip


@dataclass(frozen=True)
class Shown:
    """One class in a picture.

    Attributes:
        label: Index into NUSCENES_CLASSES, or SKY_LABEL.
        word: The word of the largest thing of that class, or "".
        colour_name: That thing's colour, or "".
        share: Its share of the picture's area.
    """

    label: int
    word: str
    colour_name: str
    share: float


def caption_of(shown: list[Shown], weather: str, rng: np.random.Generator) -> str:
    """Say what a picture shows.

    Args:
        shown: What it shows, the most important first; at least one.
        weather: Weather of the scene, mentioned now and then.
        rng: Chooses words and templates.

    Returns:
        The caption, lower case.
    """
    phrases = [_phrase(one, rng) for one in shown[:3]]
    if len(phrases) == 1 or shown[0].share > 0.7 or rng.random() < 0.3:
        text = _pick(ALONE, rng).format(a=phrases[0])
    elif len(phrases) == 2 or rng.random() < 0.6:
        text = _pick(PAIRED, rng).format(a=phrases[0], b=phrases[1])
    else:
        text = _pick(CROWDED, rng).format(a=phrases[0], b=phrases[1], c=phrases[2])
    if rng.random() < 0.08:
        text += {
            "sunny": " on a sunny day", "overcast": " under a grey sky", "foggy": " in fog",
            "sunset": " at sunset", "rainy": " in the rain",
            "night": " at night",
        }[weather]  # fmt: skip
    return text


def _phrase(one: Shown, rng: np.random.Generator) -> str:
    words = SYNONYMS[one.label]
    if one.word in WORD_SYNONYMS and rng.random() < 0.5:
        words = WORD_SYNONYMS[one.word]
    noun = _pick(words, rng)
    if one.colour_name and noun not in UNCOUNTED and rng.random() < 0.3:
        if one.label == _PEDESTRIAN:
            return f"a {noun} in {one.colour_name} clothes"
        noun = f"{one.colour_name} {noun}"
    if noun in UNCOUNTED:
        return noun
    if noun in THE:
        return f"the {noun}" if rng.random() < 0.6 else noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
