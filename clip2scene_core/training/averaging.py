"""The mean of a student's weights before and after further trainings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from clip2scene_core.checkpoint import Checkpoint, load_checkpoint
from clip2scene_core.training.pretrained import Pretrained, load_pretrained


def average_students(before: str, after: Sequence[Path], share: float | None = None) -> Checkpoint:
    """Average the weights of a student and of those that further trainings made of it.

    The mean keeps of what the first training gave and of what the others did: often it is better
    than all. It costs nothing when points are labelled.

    Args:
        before: The student that the further trainings began with: path of a checkpoint, "small" or
            "large".
        after: The students that they ended with; each has as much of the mean as the others.
        share: How much of `after` is in the mean, in (0, 1), or 1 if they are several: the mean of
            them alone. By default so much that all students have alike: a half of one, two thirds
            of two.

    Returns:
        The configuration, words and record of the first of `after`, the scenes of all, and the
        weights of none, so without a calibration of scores.

    Raises:
        CheckpointError: If a checkpoint cannot be used.
        ValueError: If one of `after` did not begin with `before` and its heads, their networks or
            words differ, or `share` is out of its range.

    Source: WiSE-FT (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022), Eq. (1),
    and for several Model soups (Wortsman et al., ICML 2022), the uniform soup.
    """
    if not after:
        raise ValueError("no student to average with; name those that trainings wrote")
    if share is None:
        share = len(after) / (len(after) + 1)
    if not (0 < share < 1 or (share == 1 and len(after) > 1)):
        raise ValueError(
            f"the share must be between 0 and 1, or 1 for a mean of several without the student "
            f"before, got {share:g} for {len(after)}"
        )
    begun = load_pretrained(before)
    students = [_load_after(path, before, begun) for path in after]
    first = students[0]
    for path, other in zip(after, students, strict=True):
        is_alike = other.config.network == first.config.network
        if not (is_alike and _same_words(other, first)):
            raise ValueError(f"{path} has another network or other words than {after[0]}")
    assert begun.student is not None
    weights = first.student.state_dict()
    ended = [one.student.state_dict() for one in students]
    for name, value in begun.student.student.state_dict().items():
        if value.is_floating_point():
            mean = torch.stack([one[name] for one in ended]).mean(dim=0)
            weights[name] = value.lerp(mean, share)
    first.student.load_state_dict(weights)
    averaged = {"with": before, "share": share, "of": [path.name for path in after]}
    scenes = tuple(dict.fromkeys(token for one in students for token in one.scene_tokens))
    record = first.record | {"averaged": averaged}
    return replace(first, record=record, scene_tokens=scenes, calibration=None)


def _load_after(path: Path, before: str, begun: Pretrained) -> Checkpoint:
    """Load a student, and check that its training began with another one."""
    after = load_checkpoint(path)
    said = after.record.get("from")
    if not isinstance(said, dict) or said.get("sha256") != begun.sha256:
        raise ValueError(
            f"{path} did not begin with {before}: its record names {_describe(said)}. Weights of "
            f"networks that were trained apart have nothing in common; name the student that "
            f"'--from' had"
        )
    if begun.student is None or said.get("heads") != "kept":
        raise ValueError(
            f"{path} began with the trunk of {before} and new heads, which have nothing in common"
        )
    return after


def _same_words(one: Checkpoint, other: Checkpoint) -> bool:
    mine, theirs = one.vocabulary, other.vocabulary
    return mine.names == theirs.names and torch.equal(mine.embeddings, theirs.embeddings)


def _describe(begun: object) -> str:
    if isinstance(begun, dict):
        return f"{begun.get('weights')} (SHA-256 {str(begun.get('sha256'))[:12]}...)"
    return "random weights" if begun == "scratch" else "nothing"
