"""Checks of arguments that several losses share; all raise ValueError."""

from __future__ import annotations

from torch import Tensor

from clip2scene_core.labels import IGNORE_LABEL


def check_points_and_texts(
    point_embeddings: Tensor,
    text_embeddings: Tensor,
    pseudo_labels: Tensor,
    temperature: float,
    num_labels: int | None = None,
) -> None:
    """Refuse points, texts and pseudo labels that do not fit together.

    Args:
        point_embeddings: (P, D) float.
        text_embeddings: (C, D) float.
        pseudo_labels: (P,) int64 in [0, C) or 255.
        temperature: Positive.
        num_labels: Number of labels, P if None.
    """
    if point_embeddings.ndim != 2 or text_embeddings.ndim != 2:
        raise ValueError(
            f"embeddings must be (P, D) and (C, D), got {tuple(point_embeddings.shape)} "
            f"and {tuple(text_embeddings.shape)}"
        )
    num_points, size = point_embeddings.shape
    if size != text_embeddings.shape[1]:
        raise ValueError(
            f"points have {size} numbers per embedding, texts {text_embeddings.shape[1]}; the head "
            "must have the size of the text embeddings"
        )
    check_one_per_point(
        "pseudo_labels", pseudo_labels, num_points if num_labels is None else num_labels
    )
    check_temperature(temperature)
    check_label_range("pseudo_labels", pseudo_labels, len(text_embeddings))


def check_one_per_point(name: str, values: Tensor, num_points: int) -> None:
    """Refuse values that are not (num_points,)."""
    if values.shape != (num_points,):
        raise ValueError(
            f"{name} must be ({num_points},) like the points, got {tuple(values.shape)}"
        )


def check_temperature(temperature: float) -> None:
    """Refuse a temperature that is not positive."""
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")


def check_label_range(name: str, labels: Tensor, num_classes: int) -> None:
    """Refuse labels that are neither in [0, num_classes) nor IGNORE_LABEL."""
    present = labels[labels != IGNORE_LABEL]
    if len(present) and not 0 <= int(present.min()) <= int(present.max()) < num_classes:
        raise ValueError(
            f"{name} must be in [0, {num_classes}) or {IGNORE_LABEL}, got "
            f"{int(present.min())} to {int(present.max())}"
        )
