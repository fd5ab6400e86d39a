"""How the LiDAR sits and what is odd about its clouds, for /diagnostics and, once, for the log."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from clip2scene_core.preprocessing.ground import Ground
from clip2scene_ros.labelling import SensorFacts, lasting_notes
from clip2scene_ros.node.health.diagnostics import OK, WARN, Item

_OTHER_HEIGHT_M: Final = 0.1
_OTHER_TILT_DEG: Final = 2.0
_LASTING: Final = 50
"""Sweeps in a row with another ground that make it worth a line: a few seconds."""
_PATIENCE: Final = 10
"""Sweeps in a row without extrinsics that make it worth a line: nodes find each other meanwhile."""

_LOGGER = logging.getLogger(__name__)


class SensorLog:
    """Logs where the sensor is once it is known, and again when that changes lastingly."""

    def __init__(self) -> None:
        self._said: Ground | None = None
        self._num_other = 0
        self._num_unknown = 0

    def update(self, facts: SensorFacts) -> None:
        """Take the next labelled sweep."""
        self._num_unknown = self._num_unknown + 1 if facts.without_extrinsics else 0
        if self._num_unknown == _PATIENCE:
            _LOGGER.warning(facts.without_extrinsics)
        if facts.ground is None:
            return
        is_other = self._said is not None and _is_other(self._said, facts.ground)
        self._num_other = self._num_other + 1 if is_other else 0
        if self._said is None or self._num_other == _LASTING:
            self._said, self._num_other = facts.ground, 0
            _LOGGER.info("%s", facts)


def sensor_item(
    sweeps: Sequence[SensorFacts], level: str, notes: tuple[str, ...] | None = None
) -> Item:
    """Judge the sensor by the sweeps of the last seconds.

    Args:
        sweeps: Oldest first.
        level: The parameter `level`.
        notes: What is odd about them; by default what half of them share.
    """
    if not sweeps:
        facts = {"level": level}
        return Item("sensor", OK, "waits for a labelled sweep", facts, is_proven=False)
    newest, notes = sweeps[-1], lasting_notes(sweeps) if notes is None else notes
    values: dict[str, object] = {
        "level": level,
        "levelled": newest.is_levelled,
        "intensity scale": newest.intensity_scale,
        "notes": "; ".join(notes),
    }
    if newest.ground is not None:
        values["height m"] = newest.ground.height_m
        values["tilt degrees"] = newest.ground.tilt_deg
    if newest.without_extrinsics:
        values["extrinsics"] = newest.without_extrinsics
    message = "; ".join(notes) or str(newest)
    return Item("sensor", WARN if notes else OK, message, values, is_said_once=True)


def _is_other(one: Ground, other: Ground) -> bool:
    return (
        abs(one.height_m - other.height_m) > _OTHER_HEIGHT_M
        or abs(one.tilt_deg - other.tilt_deg) > _OTHER_TILT_DEG
    )
