"""The mean of a student's weights before and after a further training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from clip2scene_core.checkpoint import Checkpoint, load_checkpoint
from clip2scene_core.training.pretrained import load_pretrained


def average_students(before: str, after: Path, share: float = 0.5) -> Checkpoint:
    """Average the weights of a student and of one that a further training made of it.

    The mean keeps of what the first training gave and of what the second did: often it is better
    than both. It costs nothing when points are labelled.

    Args:
        before: The student that the further training began with: path of a checkpoint, "small" or
            "large".
        after: The student that it ended with.
        share: How much of `after` is in the mean, in (0, 1).

    Returns:
        The configuration, words and record of `after`, and the weights of neither, so without a
        calibration of scores.

    Raises:
        CheckpointError: If a checkpoint cannot be used.
        ValueError: If `after` did not begin with `before` and its heads, or `share` is out of its
            range.

    Source: WiSE-FT (Wortsman et al., Robust fine-tuning of zero-shot models, CVPR 2022), Eq. (1).
    """
    if not 0 < share < 1:
        raise ValueError(f"the share must be between 0 and 1, got {share:g}")
    first, second = load_pretrained(before), load_checkpoint(after)
    begun = second.record.get("from")
    if not isinstance(begun, dict) or begun.get("sha256") != first.sha256:
        raise ValueError(
            f"{after} did not begin with {before}: its record names {_describe(begun)}. Weights of "
            f"networks that were trained apart have nothing in common; name the student that "
            f"'--from' had"
        )
    if first.student is None or begun.get("heads") != "kept":
        raise ValueError(
            f"{after} began with the trunk of {before} and new heads, which have nothing in common"
        )
    weights = second.student.state_dict()
    for name, value in first.student.student.state_dict().items():
        if value.is_floating_point():
            weights[name] = value.lerp(weights[name], share)
    second.student.load_state_dict(weights)
    record = second.record | {"averaged": {"with": before, "share": share}}
    return replace(second, record=record, calibration=None)


def _describe(begun: object) -> str:
    if isinstance(begun, dict):
        return f"{begun.get('weights')} (SHA-256 {str(begun.get('sha256'))[:12]}...)"
    return "random weights" if begun == "scratch" else "nothing"
