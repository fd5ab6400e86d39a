"""The record of an object without its pose."""

from __future__ import annotations

from dataclasses import dataclass

from clip2scene_core.world.primitives.parts import Part, Triple


@dataclass(frozen=True)
class Looks:
    """An object without its pose.

    Attributes:
        category: Key of `street.RAW`, for example "car".
        word: Word for captions, for example "sedan".
        color_name: Name of its main colour, or "".
        size: Length, width, height, metres.
        parts: Parts in the frame of the object.
        has_rider: Whether a two-wheeler has a rider.
    """

    category: str
    word: str
    color_name: str
    size: Triple
    parts: list[Part]
    has_rider: bool = False
