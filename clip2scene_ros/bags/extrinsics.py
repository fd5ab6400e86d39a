"""Extrinsics from a bag, for a node that cannot subscribe to /tf_static."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clip2scene_ros.bags.io import BagError, open_bag, read_messages
from clip2scene_ros.bags.messages import read_message
from clip2scene_ros.messages.decode import bare_frame, matrix_from_transform
from clip2scene_ros.sync.extrinsics import StaticTransform
from clip2scene_ros.sync.topics import resolved

_TOPIC: Final = "/tf_static"


def read_bag_extrinsics(bag: Path) -> tuple[StaticTransform, ...]:
    """Read /tf_static of a bag; `save_extrinsics` writes the result as an extrinsics file.

    Args:
        bag: See `open_bag`.

    Returns:
        One transform for each child frame: the last one in the bag.

    Raises:
        BagError: If the bag cannot be read or has no /tf_static.
    """
    with open_bag(bag) as reader:
        connections = [c for c in reader.connections if resolved(c.topic) == _TOPIC]
        if not connections:
            raise BagError(f"{bag} has no {_TOPIC}, so it does not say where its sensors sit")
        found: dict[str, StaticTransform] = {}
        for connection, _, content in read_messages(reader, connections):
            for transform in read_message(connection, content).transforms:
                child = bare_frame(transform.child_frame_id)
                found[child] = StaticTransform(
                    bare_frame(transform.header.frame_id),
                    child,
                    matrix_from_transform(transform.transform),
                )
    return tuple(found.values())
