"""What a training was taught about: how much of the surroundings, and in how many places."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok
from clip2scene_core.training.pretrain.label_counts import (
    NUM_SECTORS,
    RANGE_EDGES_M,
    LabelCounts,
)

_FEW_KEYFRAMES = 100
_HARDLY = 0.01
"""Share of the points of a direction or a distance below which it counts as not taught."""
_LEAST_SHARE = 0.002
"""A direction or a distance with a smaller share of all points is not worth a word."""
_SIDES = ("ahead", "left", "behind", "right")


def check_coverage(counts: LabelCounts, num_keyframes: int) -> list[Finding]:
    """Examine how much of the points had a label, and where none had.

    Args:
        counts: Of the keyframes that a training learned from.
        num_keyframes: How many these are in all.
    """
    findings = [_check_amount(num_keyframes)]
    total = max(1, counts.num_points)
    findings.append(
        ok(
            "coverage",
            f"{100 * counts.num_seen / total:.0f} % of the points are in view of a camera, "
            f"{100 * counts.num_labelled / total:.0f} % have a label, by that view or by those of "
            f"other moments",
        )
    )
    return findings + _check_directions(counts) + _check_distances(counts)


def _check_amount(num_keyframes: int) -> Finding:
    text = f"the student learned from {num_keyframes} keyframes"
    if num_keyframes >= _FEW_KEYFRAMES:
        return ok("amount", text)
    remedy = "record for longer, in more places: some minutes of driving are some hundred keyframes"
    return note("amount", text, remedy)


def _check_directions(counts: LabelCounts) -> list[Finding]:
    """Name the arcs in which hardly any point had a label."""
    untaught = _untaught(counts.points_at.sum(axis=1), counts.labelled_at.sum(axis=1))
    if not untaught.any() or untaught.all():
        return []
    remedy = (
        "drive with turns, so that cameras see at other times what is there now, or add a camera; "
        "look at the student's labels there first"
    )
    arcs = ", ".join(_name_arc(first, last) for first, last in _arcs(untaught))
    return [note("directions", f"hardly any point had a label {arcs}", remedy)]


def _check_distances(counts: LabelCounts) -> list[Finding]:
    """Name the distances in which hardly any point had a label."""
    untaught = _untaught(counts.points_at.sum(axis=0), counts.labelled_at.sum(axis=0))
    limits = list(pairwise((0.0, *RANGE_EDGES_M, np.inf)))
    names = [
        f"beyond {low:.0f} m" if high == np.inf else f"from {low:.0f} to {high:.0f} m"
        for (low, high), is_bad in zip(limits, untaught, strict=True)
        if is_bad
    ]
    if not names or untaught.all():
        return []
    remedy = (
        "drive up to what is seen from there, so that cameras name it from near (scenes of "
        "20 s and more let them vote); do not trust the student's labels at such distances"
    )
    return [note("distances", f"hardly any point had a label {', '.join(names)}", remedy)]


def _untaught(points: NDArray[np.int64], labelled: NDArray[np.int64]) -> NDArray[np.bool_]:
    is_there = points > _LEAST_SHARE * points.sum()
    untaught: NDArray[np.bool_] = is_there & (labelled < _HARDLY * points)
    return untaught


def _arcs(untaught: NDArray[np.bool_]) -> Sequence[tuple[int, int]]:
    """Join neighboring sectors: first sector, and the one after the last, beyond 12 if around 0."""
    starts = np.flatnonzero(untaught & ~np.roll(untaught, 1))
    lengths = [next(k for k in range(NUM_SECTORS) if not np.roll(untaught, -s)[k]) for s in starts]
    return [(int(s), int(s + length)) for s, length in zip(starts, lengths, strict=True)]


def _name_arc(first: int, end: int) -> str:
    """Say where an arc of sectors is, in degrees to the left of ahead and in words."""
    width = 360 // NUM_SECTORS
    middle = (first + end) / 2 * width % 360
    side = _SIDES[round(middle / 90) % 4]
    return f"from {first * width} to {end * width % 360} degrees ({side}; 0 is x, 90 is y)"
