"""The colors of a depth camera's cloud."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_ros.messages.decode import CloudError, fields_from_cloud

_PACKED: Final = ("rgb", "rgba")
_SINGLE: Final = (("r", "g", "b"), ("red", "green", "blue"))
_UINT8: Final = 2
_FOUR_BYTES: Final = (5, 6, 7)


def colors_from_cloud(message: Any) -> NDArray[np.float32]:
    """Read the colors of a PointCloud2.

    Args:
        message: sensor_msgs/PointCloud2 with a packed field `rgb` or `rgba` (0xAARRGGBB in 32 bits,
            whose type may be FLOAT32 as in PCL), or with fields r, g, b or red, green, blue of
            UINT8.

    Returns:
        (N, 3) float32 red, green, blue in [0, 1], in the order of the points.

    Raises:
        CloudError: If there are no such fields, or the length of the message does not fit them.
    """
    if message.width * message.height == 0:
        return np.zeros((0, 3), dtype=np.float32)
    types = {field.name: field.datatype for field in message.fields}
    for name in _PACKED:
        if types.get(name) in _FOUR_BYTES:
            # Never as a number: many colors are NaN as floats.
            packed = fields_from_cloud(message, [name])[name].reshape(-1)
            bits = packed.view(packed.dtype.str[0] + "u4").astype(np.uint32)
            channels = [(bits >> np.uint32(shift)) & np.uint32(255) for shift in (16, 8, 0)]
            return np.stack(channels, axis=1).astype(np.float32) / np.float32(255)
    for names in _SINGLE:
        if all(types.get(name) == _UINT8 for name in names):
            view = fields_from_cloud(message, names)
            channels = [view[name].reshape(-1) for name in names]
            return np.stack(channels, axis=1).astype(np.float32) / np.float32(255)
    raise CloudError(
        f"cloud has no color, which the student reads: neither rgb nor rgba in 32 bits, nor r, g, "
        f"b of UINT8; its fields are {', '.join(types) or 'none'}"
    )
