"""Compose the caption of a picture from the classes that it shows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clip2scene_core.labels import NUSCENES_CLASSES

SKY_LABEL: Final = len(NUSCENES_CLASSES)
"""Label of the sky, after the 16 classes."""

SYNONYMS: Final[tuple[tuple[str, ...], ...]] = (
    ("barrier", "barrier", "road barrier", "traffic barrier", "barricade"),
    ("bicycle", "bicycle", "bike"),
    ("bus", "bus", "city bus", "coach"),
    ("car", "car", "vehicle", "automobile", "motorcar"),
    ("construction vehicle", "construction vehicle", "construction machine", "digger"),
    ("motorcycle", "motorcycle", "motorbike"),
    ("pedestrian", "pedestrian", "person", "man", "woman", "human"),
    ("traffic cone", "traffic cone", "cone", "road cone"),
    ("trailer", "trailer", "semi-trailer"),
    ("truck", "truck", "lorry"),
    ("driveable surface", "road", "road", "street", "asphalt", "asphalt road", "parking lot"),
    (
        "other flat",
        "traffic island",
        "traffic island",
        "paved strip",
        "median strip",
        "paved ground",
    ),
    ("sidewalk", "sidewalk", "pavement", "footpath"),
    ("terrain", "grass", "grass", "lawn", "meadow", "grassland"),
    ("manmade", "building", "building", "house", "structure"),
    ("vegetation", "tree", "vegetation", "plant", "foliage"),
    ("sky", "sky", "cloudy sky"),
)
"""Names for captions, for each class and the sky. The first one is the class name of the data set;
the prompt of `labels` is among them. A name in two places is drawn twice as often."""

WORD_SYNONYMS: Final = {
    "sedan": ("sedan", "car", "parked car"),
    "hatchback": ("hatchback", "car", "small car"),
    "suv": ("suv", "car"),
    "van": ("van", "minivan", "car"),
    "excavator": ("excavator", "excavator", "excavator", "digger"),
    "loader": ("wheel loader", "loader", "bulldozer"),
    "road roller": ("road roller", "roller", "steamroller"),
    "cyclist": ("cyclist", "bicyclist", "rider", "person riding a bicycle", "bicycle with a rider"),
    "motorcyclist": (
        "motorcyclist",
        "rider",
        "person riding a motorcycle",
        "motorcycle with a rider",
    ),
    "building": ("building", "building", "facade of a building", "house", "wall of a building"),
    "wall": ("wall", "wall", "brick wall", "manmade wall"),
    "fence": ("fence", "fence", "manmade fence"),
    "street lamp": ("pole", "street lamp", "lamp post", "streetlamp"),
    "traffic light": ("traffic light", "pole"),
    "sign": ("sign", "traffic sign", "billboard", "signboard"),
    "trash bin": ("trash bin", "trash can"),
    "hydrant": ("hydrant",),
    "bench": ("bench",),
    "cabinet": ("electrical cabinet",),
    "planter": ("planter", "concrete block"),
    "bus shelter": ("bus stop", "bus shelter"),
    "tree": ("tree", "tree", "tree with leaves", "tree crown", "tree trunk"),
    "bush": ("bush", "shrub", "green bush"),
    "hedge": ("hedge", "bush", "hedge"),
}
"""Names for captions, for each `word` of an object."""

HELD_OUT_SYNONYMS: Final[tuple[tuple[str, ...], ...]] = (
    ("barrier", "", "construction barrier"),
    ("bicycle", "cyclist", "bike with a rider"),
    ("bus", "", "minibus", "motorcoach"),
    ("construction vehicle", "excavator", "digger machine"),
    ("motorcycle", "motorcyclist", "person riding a motorbike"),
    ("traffic cone", "", "construction cone"),
    ("trailer", "", "truck trailer"),
    ("truck", "", "motortruck"),
    ("driveable surface", "", "city street"),
    ("other flat", "", "median island"),
    ("sidewalk", "", "paved footpath"),
    ("terrain", "", "grass lawn"),
    ("manmade", "street lamp", "streetlight"),
    ("manmade", "sign", "signpost"),
    ("manmade", "building", "brick building"),
    ("vegetation", "bush", "bush with leaves"),
)
"""Class, `word` of the object or "", and names that no caption uses.

All their byte pairs occur in captions. "minibus" has byte pairs of "minivan" and "bus",
"motorcoach" and "motortruck" of "motorcar", "coach" and "truck", "streetlight" and "signpost" of
"streetlamp", "traffic light", "signboard" and "lamp post". The others are known words in new
combinations.
"""

HELD_OUT_COMPOSITIONS: Final = (
    ("yellow", "excavator"),
    ("white", "van"),
    ("red", "bus"),
    ("green", "truck"),
    ("black", "motorcycle"),
    ("orange", "trailer"),
    ("silver", "sedan"),
    ("white", "person"),
)
"""Pairs of colour and `word` that no caption names together; each occurs in other pairs.

Captions never name the colour of such an object, with any noun: a white van is also not called a
white car.
"""

UNCOUNTED: Final = frozenset(
    {"vegetation", "grass", "terrain", "asphalt", "grassland", "foliage", "driveable surface",
     "other flat", "manmade", "pavement"}
)  # fmt: skip
THE: Final = frozenset({"road", "street", "sidewalk", "sky", "cloudy sky", "lawn"})
UNCOLORED: Final = frozenset(
    {
        "cyclist",
        "bicyclist",
        "rider",
        "motorcyclist",
        "person riding a bicycle",
        "person riding a motorcycle",
    }
)
"""Names of riders; the known colour is that of their vehicle."""

ALONE: Final = (
    "{a}", "{a}", "a photo of {a}", "a picture of {a}", "a close-up photo of {a}",
    "{a} in the scene", "there is {a} in the scene", "a photo of {a} in a street scene",
    "a cropped photo of {a}", "a blurry photo of {a}",
)  # fmt: skip
PAIRED: Final = (
    "{a} and {b}", "{a} next to {b}", "{a} in front of {b}", "a photo of {a} and {b}",
    "a photo of {a} with {b}", "{a} beside {b}", "a street with {a} and {b}",
)  # fmt: skip
LISTED: Final = (
    "{first} and {last}", "a photo of {first} and {last}", "a street scene with {first} and {last}",
)  # fmt: skip
WEATHER: Final = {
    "sunny": " on a sunny day", "overcast": " under a grey sky", "foggy": " in fog",
    "sunset": " at sunset", "rainy": " in the rain", "night": " at night",
}  # fmt: skip

MOST_PHRASES: Final = 5
"""Maximum number of classes that a caption names."""

ALONE_SHARE: Final = 0.25
"""Probability that a caption names only one class of a picture with several classes."""

COMPLETE_SHARE: Final = 0.4
"""Probability that a caption names all classes, up to MOST_PHRASES; otherwise it names two or more,
each number with the same probability."""

FILLED: Final = 0.7
"""Share of the picture from which a class is the only one in the caption."""

OTHER_PICTURE_SHARE: Final = 0.015
"""Probability that a caption belongs to another picture."""

MISTAKEN_SHARE: Final = 0.015
"""Probability that one class of a caption is replaced by a class that the picture does not show."""

OVERLOOKED_SHARE: Final = 0.1
"""Probability that a class is left out of the caption; at least one class stays."""

COLOR_SHARE: Final = 0.3
"""Probability that the colour of an object is named, if it may be named."""

WEATHER_SHARE: Final = 0.08
"""Probability that the weather is named."""

_PEDESTRIAN: Final = 6
_OF_RIDDEN: Final = {"cyclist": "bicycle", "motorcyclist": "motorcycle"}


@dataclass(frozen=True)
class Shown:
    """One class in a picture.

    Attributes:
        label: Index into NUSCENES_CLASSES, or SKY_LABEL.
        word: Word of the largest object of that class, or "".
        color_name: Name of the main colour of that object, or "".
        share: Share of the picture's area that the class fills, in [0, 1].
    """

    label: int
    word: str
    color_name: str
    share: float


@dataclass(frozen=True)
class Caption:
    """The caption of a picture.

    Attributes:
        text: The caption, lower case.
        phrases: The parts of the text that name classes, such as "a red car", "the road".
    """

    text: str
    phrases: tuple[str, ...]


def web_caption(shown: Sequence[Shown], weather: str, rng: np.random.Generator) -> Caption:
    """Compose a caption as on the web: often incomplete, sometimes wrong.

    Args:
        shown: Classes in the picture, the most important first; at least one.
        weather: Weather of the scene, a key of WEATHER; the caption sometimes names it.
        rng: Generator for mistakes, words and templates.
    """
    return caption_of(_noticed(shown, rng), weather, rng)


def caption_of(shown: Sequence[Shown], weather: str, rng: np.random.Generator) -> Caption:
    """Compose a caption without mistakes; the arguments are those of `web_caption`."""
    phrases = tuple(_phrase(one, rng) for one in shown[: _num_phrases(shown, rng)])
    *first, last = phrases
    if len(phrases) == 1:
        text = _pick(ALONE, rng).format(a=last)
    elif len(phrases) == 2:
        text = _pick(PAIRED, rng).format(a=first[0], b=last)
    else:
        text = _pick(LISTED, rng).format(first=", ".join(first), last=last)
    if rng.random() < WEATHER_SHARE:
        text += WEATHER[weather]
    return Caption(text, phrases)


def colored(noun: str, color_name: str) -> str:
    """Add a colour to a noun: "red car"; people are named by their clothes."""
    if noun in SYNONYMS[_PEDESTRIAN]:
        return f"{noun} in {color_name} clothes"
    return f"{color_name} {noun}"


def _noticed(shown: Sequence[Shown], rng: np.random.Generator) -> list[Shown]:
    """Draw the classes of a careless caption: some are left out, sometimes some are wrong."""
    drawn = rng.random()
    if drawn < OTHER_PICTURE_SHARE:
        labels = rng.choice(len(SYNONYMS), min(len(shown), MOST_PHRASES), replace=False)
        return [Shown(int(label), "", "", 0.0) for label in labels]
    noticed = [one for one in shown if rng.random() >= OVERLOOKED_SHARE] or list(shown[:1])
    if drawn < OTHER_PICTURE_SHARE + MISTAKEN_SHARE:
        absent = sorted(set(range(len(SYNONYMS))) - {one.label for one in shown})
        mistaken = Shown(absent[int(rng.integers(len(absent)))], "", "", 0.0)
        noticed[int(rng.integers(len(noticed)))] = mistaken
    return noticed


def _num_phrases(shown: Sequence[Shown], rng: np.random.Generator) -> int:
    """Draw the number of classes that a caption names."""
    most = min(len(shown), MOST_PHRASES)
    drawn = rng.random()
    if most == 1 or shown[0].share > FILLED or drawn < ALONE_SHARE:
        return 1
    if drawn < ALONE_SHARE + COMPLETE_SHARE:
        return most
    return int(rng.integers(2, most + 1))


def _phrase(one: Shown, rng: np.random.Generator) -> str:
    """Name one class with an article, and sometimes with its colour."""
    words = SYNONYMS[one.label]
    if one.word in WORD_SYNONYMS and rng.random() < 0.5:
        words = WORD_SYNONYMS[one.word]
    noun = _pick(words, rng)
    kind = _OF_RIDDEN.get(one.word, one.word)
    may_be_colored = (
        one.color_name
        and noun not in UNCOUNTED
        and noun not in UNCOLORED
        and (one.color_name, kind) not in HELD_OUT_COMPOSITIONS
    )
    if may_be_colored and rng.random() < COLOR_SHARE:
        noun = colored(noun, one.color_name)
    if noun in UNCOUNTED:
        return noun
    if noun in THE:
        return f"the {noun}" if rng.random() < 0.6 else noun
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def _pick(options: tuple[str, ...], rng: np.random.Generator) -> str:
    return options[int(rng.integers(len(options)))]
