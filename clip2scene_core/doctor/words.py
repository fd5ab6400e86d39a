"""Words of a training: which were hardly taught, and on which student and teacher differ."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.doctor.finding import Finding, note, ok, some
from clip2scene_core.evaluation.confusion import ConfusionMatrix

_RARE_SHARE: Final = 1e-3
_RARE_KEYFRAMES: Final = 3
_DISAGREE: Final = 0.5
_ENOUGH_POINTS: Final = 100


def check_words(
    words: Sequence[str],
    labels: NDArray[np.int64],
    keyframes: NDArray[np.int64],
    num_keyframes: int,
) -> list[Finding]:
    """Examine how often each word was taught.

    Args:
        words: C words.
        labels: (C,) int64, labels that the teacher gave, by word.
        keyframes: (C,) int64, keyframes in which it gave them.
        num_keyframes: Keyframes that were counted.
    """
    total = max(1, labels.sum())
    never = [word for word, count in zip(words, labels, strict=True) if not count]
    findings = []
    if never:
        text = f"the teacher named no point {some(map(repr, never), 5)}"
        remedy = (
            "record what they mean, or leave them out: the student never learned them. If they are "
            "there, say them in words that the teacher finds ('clip2scene segment --mode camera')"
        )
        findings.append(note("words", text, remedy))
    for word, count, number in zip(words, labels, keyframes, strict=True):
        if count and (count < _RARE_SHARE * total or number < _RARE_KEYFRAMES):
            text = (
                f"{word!r} is on {100 * count / total:.2g} % of the labels, in {number} of "
                f"{num_keyframes} keyframes"
            )
            remedy = f"record more of {word!r}, from near and from several sides"
            findings.append(note("words", text, remedy))
    return findings or [ok("words", f"the teacher named all {len(words)} of them often")]


def check_agreement(words: Sequence[str], confusion: ConfusionMatrix) -> list[Finding]:
    """Examine on which words a student says something else than its teacher.

    Args:
        words: C words.
        confusion: Of the points that the teacher labelled, on keyframes that the training did not
            see: the teacher's label first.
    """
    findings = []
    unknown = []
    for label, word in enumerate(words):
        row = confusion.counts[label]
        if row.sum() < _ENOUGH_POINTS:
            unknown.append(word)
            continue
        same = row[label] / row.sum()
        others = np.delete(row[: len(words)], label)
        if same >= _DISAGREE or not others.any():
            continue
        other = np.delete(np.array(words), label)[int(others.argmax())]
        text = (
            f"where the teacher says {word!r}, the student does so on {100 * same:.0f} % of the "
            f"points, and mostly says {str(other)!r} on the others"
        )
        remedy = (
            f"look at the pictures: if the teacher calls so what has no word of its own, add that "
            f"word; if it is right, record more of {word!r}; if both look alike to a LiDAR, make "
            f"them one word ('{word} | {other}')"
        )
        findings.append(note("agreement", text, remedy))
    if unknown:
        text = f"too few points of {some(map(repr, unknown), 5)} are held out to compare on"
        remedy = "hold out more (--hold-out 0.2), or record them towards the end, too"
        findings.append(note("agreement", text, remedy))
    if not findings:
        text = f"student and teacher agree on {100 * confusion.accuracy():.0f} % of the points"
        findings.append(ok("agreement", text))
    return findings
