"""Which values of the node's parameters do not go together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clip2scene_ros.node.parameters.row import ParameterError

if TYPE_CHECKING:
    from clip2scene_ros.node.parameters.table import NodeParameters


def check_together(values: NodeParameters) -> None:
    """Refuse values that contradict each other, each of which may be right alone.

    Raises:
        ParameterError: If two do.
    """
    if values.max_range_m <= values.min_range_m:
        raise ParameterError(
            f"parameter 'range.max' must be greater than 'range.min', "
            f"got {values.max_range_m} and {values.min_range_m}"
        )
    if values.mode != "lidar" and values.sync_min_cameras > len(values.cameras):
        raise ParameterError(
            f"parameter 'sync.min_cameras' must be at most {len(values.cameras)}, the number of "
            f"cameras; got {values.sync_min_cameras}"
        )
    for name in ("camera_image_topic", "camera_info_topic"):
        template = getattr(values, name)
        if len(values.cameras) > 1 and "{camera}" not in template.lower():
            raise ParameterError(
                f"parameter '{name}' must contain {{camera}}, because there are "
                f"{len(values.cameras)} cameras; got '{template}'"
            )
    if len(set(values.cameras)) < len(values.cameras):
        raise ParameterError(f"parameter 'cameras' names one twice: {', '.join(values.cameras)}")
