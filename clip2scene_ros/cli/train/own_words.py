"""What a training is told in words on the command line: prompts and teacher."""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clip2scene_core.config.pretrain import PretrainConfig

_LOGGER = logging.getLogger(__name__)

_MOVABLE_WORDS: Final = (
    "animal", "bicycle", "bicyclist", "bike", "biker", "boat", "bus", "car", "cart", "cat", "child",
    "cow", "crane", "cyclist", "deer", "dog", "excavator", "forklift", "horse", "human", "lorry",
    "man", "motorbike", "motorcycle", "motorcyclist", "pedestrian", "people", "person", "rider",
    "robot", "scooter", "sheep", "stroller", "tractor", "trailer", "train", "tram", "truck", "van",
    "vehicle", "wheelchair", "woman", "worker",
)  # fmt: skip

_GROUND_WORDS: Final = (
    "asphalt", "crossing", "crosswalk", "curb", "dirt", "driveway", "earth", "field", "floor",
    "footpath", "grass", "gravel", "ground", "island", "lane", "lawn", "meadow", "mud", "parking",
    "path", "pavement", "road", "sand", "sidewalk", "snow", "soil", "street", "terrain", "track",
    "water",
)  # fmt: skip


def add_word_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare --prompts, --movable and --teacher."""
    parser.add_argument(
        "--prompts",
        nargs="+",
        metavar="WORDS",
        help='the classes to learn, for example car road "tree | bush", in place of those of the '
        "configuration; bars part the texts of one class",
    )
    parser.add_argument(
        "--movable",
        nargs="+",
        metavar="WORDS",
        help="those of the prompts that name what moves: cameras at other times do not vote on "
        "them. By default those that end in a word such as car, person, dog, forklift",
    )
    parser.add_argument("--teacher", help="CLIP in place of that of the configuration")


def with_words(config: PretrainConfig, arguments: argparse.Namespace) -> PretrainConfig:
    """Put the arguments of `add_word_arguments` into a configuration.

    Raises:
        ValueError: If a movable word is no prompt, or prompts do not fit.
    """
    if arguments.teacher is not None:
        config = replace(config, teacher=replace(config.teacher, clip=arguments.teacher))
    if arguments.prompts is None:
        if arguments.movable is not None:
            raise ValueError("--movable chooses some of --prompts; give --prompts, too")
        return config
    prompts = tuple(arguments.prompts)
    classes = tuple(prompt.split("|")[0].strip() for prompt in prompts)
    if arguments.movable is None:
        movable = tuple(name for name in classes if _ends_in(name, _MOVABLE_WORDS))
    else:
        unknown = [word for word in arguments.movable if word not in classes]
        if unknown:
            raise ValueError(
                f"--movable names {', '.join(map(repr, unknown))}, but --prompts are "
                f"{', '.join(classes)}"
            )
        movable = tuple(arguments.movable)
    ground = tuple(name for name in classes if _ends_in(name, _GROUND_WORDS))
    consensus = replace(config.consensus, movable=movable, ground=ground)
    if consensus.object_gap_m and not ground:
        _LOGGER.warning(
            "no prompt names the ground, such as road or grass, which parts one object from the "
            "next: every point is labelled alone (consensus.object_gap_m: 0)"
        )
        consensus = replace(consensus, object_gap_m=0.0)
    return replace(config, classes=classes, prompts=prompts, consensus=consensus)


def _ends_in(name: str, words: tuple[str, ...]) -> bool:
    """Whether the last word of a class is one of these, or several of it: "red car", "cars"."""
    last = name.lower().rpartition(" ")[2]
    return last in words or last.removesuffix("s") in words
