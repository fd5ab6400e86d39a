"""The time of each point of a cloud, from the fields of the common drivers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_ros.messages.decode import (
    NANOSECONDS,
    CloudError,
    fields_from_cloud,
    stamp_ns,
)

_RELATIVE: Final = {"time": ("f4", 1.0), "t": ("u4", 1e-9), "time_stamp": ("u4", 1e-9)}
"""Fields with seconds (Velodyne) or nanoseconds (Ouster, Autoware) from the stamp: type, unit."""

_ABSOLUTE: Final = ("timestamp", "time_stamp")
"""Fields with seconds (Hesai, Robosense) or nanoseconds (Livox) of a clock, float64."""

_MAX_OFFSET_S: Final = 1.0


def point_times(message: Any, points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Read the time of each point.

    Known fields are `time` (float32, seconds from the stamp), `t` and `time_stamp` (uint32,
    nanoseconds from the stamp), `timestamp` and `time_stamp` (float64, a clock's seconds or
    nanoseconds).

    Args:
        message: sensor_msgs/PointCloud2.
        points: (N, 4) float32 points of the cloud in its order. Points that are not finite or lie
            at the origin were not measured, and their times are not read.

    Returns:
        (N,) float64 seconds from the header's stamp; 0 for points that were not measured.

    Raises:
        CloudError: If there is no such field, or a time is a second or more from the stamp.
    """
    if len(points) == 0:
        return np.zeros(0)
    is_measured = np.asarray(np.isfinite(points).all(axis=1) & points[:, :3].any(axis=1))
    name, offsets_s = _read(message, is_measured)
    offsets_s = np.where(is_measured, offsets_s, 0.0)
    if not (np.abs(offsets_s) < _MAX_OFFSET_S).all():
        farthest_s = offsets_s[np.argmax(np.abs(np.nan_to_num(offsets_s, nan=np.inf)))]
        raise CloudError(
            f"field {name} puts a point {farthest_s:.3f} s from the header's stamp; it must hold "
            f"times of the sweep by the same clock"
        )
    return offsets_s


def _read(message: Any, is_measured: NDArray[np.bool_]) -> tuple[str, NDArray[np.float64]]:
    """Name of the field, and (N,) seconds from the stamp."""
    names = [field.name for field in message.fields]
    for name in (*_RELATIVE, *_ABSOLUTE):
        if name not in names:
            continue
        values = fields_from_cloud(message, [name])[name].reshape(-1)
        datatype = values.dtype.str[1:]
        if name in _RELATIVE and datatype == _RELATIVE[name][0]:
            return name, values.astype(np.float64) * _RELATIVE[name][1]
        if name in _ABSOLUTE and datatype == "f8":
            return name, _from_clock(values, is_measured, stamp_ns(message.header))
    raise CloudError(
        f"cloud has no time per point, which deskew needs: time (float32), t or time_stamp "
        f"(uint32), timestamp or time_stamp (float64); its fields are {', '.join(names)}"
    )


def _from_clock(
    values: NDArray[np.float64], is_measured: NDArray[np.bool_], at_ns: int
) -> NDArray[np.float64]:
    # A clock's nanoseconds are a thousand million times its seconds: no sweep is near both.
    is_nanoseconds = is_measured.any() and values[is_measured][0] > at_ns / 1e4
    unit_ns = 1 if is_nanoseconds else NANOSECONDS
    # In two steps: a float64 of today's nanoseconds is wrong by hundreds of them.
    whole = float(at_ns // unit_ns)
    rest_s = (at_ns % unit_ns) / NANOSECONDS
    return (values - whole) * (unit_ns / NANOSECONDS) - rest_s
