"""Frames for messages that name none, or a wrong one."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

POINTS: Final = "points"


def parse_frame_overrides(texts: Iterable[str], cameras: Collection[str]) -> dict[str, str]:
    """Read which frame a sensor's messages are in, whatever their headers say.

    Args:
        texts: "points=FRAME" and "CAMERA=FRAME"; {camera} on both sides stands for every camera, as
            in "{camera}={camera}_optical".
        cameras: Names of all cameras.

    Returns:
        Frames by "points" or the camera's name.

    Raises:
        ValueError: If a text has another form, names an unknown sensor, or names one twice.
    """
    frames: dict[str, str] = {}
    for text in texts:
        name, _, frame = text.partition("=")
        if not name or not frame:
            raise ValueError(f"a frame override is NAME=FRAME, got '{text}'")
        for camera in cameras if "{camera}" in text else [""]:
            sensor = name.replace("{camera}", camera)
            if sensor != POINTS and sensor not in cameras:
                raise ValueError(
                    f"frame override '{text}' names neither {POINTS} nor a camera; "
                    f"cameras are {', '.join(cameras) or 'none'}"
                )
            if sensor in frames:
                raise ValueError(f"frame override '{text}' names {sensor} a second time")
            frames[sensor] = frame.replace("{camera}", camera)
    return frames
