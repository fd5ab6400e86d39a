"""Draw objects so that no class is told by its looks alone: shared palettes and materials."""

from __future__ import annotations

from dataclasses import dataclass

from clip2scene_core.world.primitives.parts import Part, Triple


@dataclass(frozen=True)
class Looks:
    """What a thing is, without its place.

    Attributes:
        category: Key of RAW.
        word: What a caption may call it.
        color_name: Its main colour, or "".
        size: Length, width, height in metres.
        parts: Its primitives.
        has_rider: For two-wheelers.
    """

    category: str
    word: str
    color_name: str
    size: Triple
    parts: list[Part]
    has_rider: bool = False
