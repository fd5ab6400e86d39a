"""Extrinsics from a file and frames from parameters, where /tf_static and headers do not say them.

The ROS wheels have no tf2_msgs, and some robots publish no /tf_static.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import yaml
from numpy.typing import NDArray

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.files.damage import one_line, shortened
from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text
from clip2scene_core.geometry.se3 import matrix_from_quaternion, quaternion_from_matrix

POINTS: Final = "points"
"""What the LiDAR is called in a frame override."""

_KEYS: Final = ("parent", "child", "translation", "rotation_xyzw")


class ExtrinsicsError(ValueError):
    """An extrinsics file that cannot be used; the message names the entry."""


@dataclass(frozen=True)
class StaticTransform:
    """One rigid edge of the transform tree.

    Attributes:
        parent: Name of the parent frame, for example "base_link".
        child: Name of the child frame, for example "lidar_top".
        T_parent_child: (4, 4) float64 pose of the child in the parent, metres.
    """

    parent: str
    child: str
    T_parent_child: NDArray[np.float64]


def load_extrinsics(path: Path) -> tuple[StaticTransform, ...]:
    """Read rigid transforms from a file.

    The file holds `transforms:`, a list of mappings with `parent`, `child`, `translation` (x, y, z
    in metres) and `rotation_xyzw` (a quaternion), which give the pose of the child in the parent.

    Args:
        path: YAML file.

    Returns:
        The transforms in the order of the file.

    Raises:
        ExtrinsicsError: If the file is missing, no YAML, or an entry does not fit.
    """
    try:
        content = load_yaml(read_text(path))
    except OSError as error:
        raise ExtrinsicsError(f"{path}: cannot be read ({error.strerror})") from error
    except NOT_YAML as error:
        raise ExtrinsicsError(f"{path}: not valid YAML ({one_line(error)})") from error
    entries = content.get("transforms") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not entries or len(content) != 1:
        raise ExtrinsicsError(f"{path}: must hold the one key 'transforms', a list of {_KEYS}")
    return tuple(_read_entry(entry, f"{path}: transform {i}") for i, entry in enumerate(entries))


def save_extrinsics(path: Path, transforms: Iterable[StaticTransform]) -> None:
    """Write rigid transforms so that `load_extrinsics` reads them back."""
    entries = []
    for transform in transforms:
        w, x, y, z = quaternion_from_matrix(transform.T_parent_child).tolist()
        entries.append(
            {
                "parent": transform.parent,
                "child": transform.child,
                "translation": transform.T_parent_child[:3, 3].tolist(),
                "rotation_xyzw": [x, y, z, w],
            }
        )
    with atomic_write(path) as draft:
        draft.write_text(yaml.safe_dump({"transforms": entries}, sort_keys=False), encoding="utf-8")


def parse_frame_overrides(texts: Iterable[str], cameras: Collection[str]) -> dict[str, str]:
    """Read the frames that replace those in the headers of a sensor's messages.

    Args:
        texts: "points=FRAME" and "CAMERA=FRAME"; {camera} on both sides stands for every camera, as
            in "{camera}={camera}_optical".
        cameras: Names of all cameras.

    Returns:
        Frame by sensor: "points" or a camera's name.

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


def _shown(value: Any) -> str:
    return shortened(repr(value), 100)


def _read_entry(entry: Any, where: str) -> StaticTransform:
    if not isinstance(entry, dict) or set(entry) != set(_KEYS):
        raise ExtrinsicsError(f"{where} must have exactly {', '.join(_KEYS)}, got {_shown(entry)}")
    translation, rotation = entry["translation"], entry["rotation_xyzw"]
    try:
        qx, qy, qz, qw = (float(value) for value in rotation)
        x, y, z = (float(value) for value in translation)
        T_parent_child = matrix_from_quaternion((qw, qx, qy, qz), (x, y, z))
    except (TypeError, ValueError, OverflowError) as error:
        raise ExtrinsicsError(
            f"{where} needs a translation of 3 numbers and a quaternion of 4, "
            f"got {_shown(translation)} and {_shown(rotation)}"
        ) from error
    return StaticTransform(str(entry["parent"]), str(entry["child"]), T_parent_child)
