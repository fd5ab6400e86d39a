"""Stamps of one sensor over time: whether they rise, how often they come, and gaps."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, problem

_GAP_PERIODS: Final = 3.0
_MIN_GAP_S: Final = 0.3
_MANY_FALLING: Final = 0.01
_LEAP_S: Final = 5.0
_AROUND: Final = 5
"""Odd number of stamps whose median a stamp is compared with."""


def check_stamps(subject: str, stamps_ns: NDArray[np.int64]) -> list[Finding]:
    """Examine the stamps of one sensor in the order in which they came.

    Args:
        subject: What the findings are about.
        stamps_ns: (N,) int64, nanoseconds.
    """
    if len(stamps_ns) == 0:
        return [note(subject, "there is nothing", "check that the sensor was on")]
    if len(stamps_ns) == 1:
        return [ok(subject, "there is one")]
    if not stamps_ns.any():
        return [
            problem(
                subject,
                f"all {len(stamps_ns)} stamps are 0",
                "let the driver write the time of the measurement; if the times of arrival are "
                "good, take them with zero_stamp: arrival",
            )
        ]
    findings = []
    is_leap = _find_leaps(stamps_ns)
    if is_leap.any():
        findings.append(
            note(
                subject,
                f"{int(is_leap.sum())} of {len(stamps_ns)} stamps leap away from those around them",
                "their messages are lost; look for a clock that was set, or a driver's fault",
            )
        )
        stamps_ns = stamps_ns[~is_leap]
    steps_s = np.diff(stamps_ns) / 1e9
    rising = steps_s[steps_s > 0]
    if not len(rising):
        remedy = "let the driver stamp each measurement"
        return [*findings, problem(subject, "all stamps are equal", remedy)]
    period_s = float(np.median(rising))
    num_falling, num_equal = int((steps_s < 0).sum()), int((steps_s == 0).sum())
    if num_falling:
        is_much = num_falling > max(2, _MANY_FALLING * len(steps_s))
        text = (
            f"{num_falling} of {len(stamps_ns)} stamps are earlier than the one before, the "
            f"farthest by {-steps_s.min():.2f} s"
        )
        remedy = "record anew with clocks that run on, or cut the recording where they jump"
        findings.append((problem if is_much else note)(subject, text, remedy))
    if num_equal:
        findings.append(
            note(
                subject,
                f"{num_equal} of {len(stamps_ns)} stamps are equal to the one before",
                "check that the topic has one publisher, and that nothing was recorded twice",
            )
        )
    is_gap = steps_s > max(_GAP_PERIODS * period_s, _MIN_GAP_S)
    text = f"{len(stamps_ns)} stamps at {1 / period_s:.1f} Hz"
    if is_gap.any():
        first_s = (stamps_ns[int(np.argmax(is_gap))] - stamps_ns[0]) / 1e9
        lost = 1 - len(stamps_ns) / (1 + (steps_s[steps_s > 0].sum() / period_s))
        findings.append(
            note(
                subject,
                f"{text}, with {int(is_gap.sum())} gaps: the longest has {steps_s.max():.2f} s, "
                f"the first begins {first_s:.1f} s after the start; {100 * max(lost, 0):.0f} % are "
                f"missing",
                "look for messages that the recorder lost (its cache, the disk, the network)",
            )
        )
    else:
        findings.append(ok(subject, f"{text}, no gaps"))
    return findings


def _find_leaps(stamps_ns: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which stamps lie seconds from those around them: (N,) bool. A gap or a jump is none."""
    if len(stamps_ns) < _AROUND:
        return np.zeros(len(stamps_ns), dtype=np.bool_)
    padded = np.pad(stamps_ns, _AROUND // 2, mode="reflect")
    around = np.lib.stride_tricks.sliding_window_view(padded, _AROUND)
    middle = np.partition(around, _AROUND // 2, axis=1)[:, _AROUND // 2]
    leaps: NDArray[np.bool_] = np.abs(stamps_ns - middle) > _LEAP_S * 1e9
    return leaps


def check_nearest(
    subject: str,
    clouds_ns: NDArray[np.int64],
    images_ns: NDArray[np.int64],
    tolerance_s: float,
) -> list[Finding]:
    """Compare the stamps of clouds with those of the nearest images of a camera.

    Args:
        subject: What the findings are about.
        clouds_ns: (N,) int64, nanoseconds.
        images_ns: (M,) int64, nanoseconds.
        tolerance_s: Largest difference at which an image serves a cloud.
    """
    if not len(clouds_ns) or not len(images_ns):
        return []
    apart_s = nearest_difference_s(clouds_ns, images_ns)
    share = float((np.abs(apart_s) <= tolerance_s).mean())
    text = (
        f"{100 * share:.0f} % of the clouds have an image within {1000 * tolerance_s:.0f} ms, the "
        f"nearest lies {1000 * np.median(apart_s):+.0f} ms from its cloud in the median"
    )
    if share == 0:
        remedy = (
            "the two do not share a clock, or were not on together: set the sensors' clocks by "
            "PTP or NTP and record anew, or correct the stamps of the clouds (stamp_offset)"
        )
        return [problem(subject, text, remedy)]
    if share < 0.5:
        remedy = "clouds without image teach nothing: raise the camera's rate, or the tolerance"
        return [note(subject, text, remedy)]
    return [ok(subject, text)]


def nearest_difference_s(
    stamps_ns: NDArray[np.int64], others_ns: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Seconds from each of N stamps to the nearest of M >= 1 others: (N,) float64, with sign."""
    others = np.sort(others_ns)
    right = np.searchsorted(others, stamps_ns).clip(0, len(others) - 1)
    left = (right - 1).clip(0)
    to_right, to_left = others[right] - stamps_ns, others[left] - stamps_ns
    nearest: NDArray[np.float64] = np.where(abs(to_left) < abs(to_right), to_left, to_right) / 1e9
    return nearest
