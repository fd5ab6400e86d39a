"""Where nobody has labelled points: does a student say of them what its teacher says?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from clip2scene_core.datasets import LabelledDataset, Sample, SceneRecord
from clip2scene_core.evaluation.compare import Prediction
from clip2scene_core.evaluation.confusion import ConfusionMatrix
from clip2scene_core.labels import SemanticClass


class RelabelledDataset:
    """A data set with the labels of a labeller in place of ground truth, for `evaluate`.

    What `evaluate` then says is agreement, not accuracy: where the labeller is wrong, a student
    that is right disagrees.

    Args:
        dataset: Keyframes.
        label: Labels the points of the keyframe of a sample, such as the cameras' CLIP.
        classes: C classes, which the labels count.

    Attributes:
        classes: The C classes, as a tuple.
        with_labels: True.
    """

    with_labels = True

    def __init__(
        self,
        dataset: LabelledDataset,
        label: Callable[[Sample], Prediction],
        classes: Sequence[SemanticClass],
    ) -> None:
        self._dataset, self._label = dataset, label
        self.classes = tuple(classes)

    @property
    def scenes(self) -> tuple[SceneRecord, ...]:
        """The open scenes."""
        return self._dataset.scenes

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, index: int) -> Sample:
        """Load one keyframe, and label it."""
        sample = self._dataset[index]
        labelled = replace(sample.keyframe, labels=self._label(sample).labels)
        return replace(sample, sweeps=(labelled, *sample.sweeps[1:]))


def format_agreement(confusion: ConfusionMatrix, words: Sequence[str]) -> str:
    """Write for each word how much the teacher sees of it and how far the student agrees.

    Args:
        confusion: Of all points that the teacher labelled: C x C, the teacher's label first.
        words: C words.

    Returns:
        A table, see `tell_agreement`.
    """
    width = max(len("word"), *(len(word) for word in words))
    lines = [f"{'word':<{width}}  share   same  otherwise mostly"]
    for label, word in enumerate(words):
        share, same, mostly = tell_agreement(confusion, words, label)
        lines.append(f"{word:<{width}}  {share:>5}  {same:>5}  {mostly}".rstrip())
    lines.append(f"{'all':<{width}}  100.0  {100 * confusion.accuracy():5.1f}")
    return "\n".join(lines)


def tell_agreement(
    confusion: ConfusionMatrix, words: Sequence[str], label: int
) -> tuple[str, str, str]:
    """Write of one word how far the student agrees with the teacher.

    Args:
        confusion: See `format_agreement`.
        words: C words.
        label: Index of the word.

    Returns:
        The word's share of the points in percent; of its points the share to which the student
        gives the same word, "-" without points; the word that it gives to most of the others, ""
        without others.
    """
    row = confusion.counts[label].copy()
    points, total = row.sum(), max(1, confusion.counts.sum())
    same = f"{100 * row[label] / points:.1f}" if points else "-"
    row[label] = 0
    others = row[: len(words)]
    mostly = words[int(others.argmax())] if others.any() else ""
    return f"{100 * points / total:.1f}", same, mostly
