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
        classes: The same.
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
        A table: the word's share of the points, of its points the share to which the student gives
        the same word, and the word that it gives to most of the others.
    """
    counts = confusion.counts
    total = max(1, counts.sum())
    width = max(len("word"), *(len(word) for word in words))
    lines = [f"{'word':<{width}}  share   same  otherwise mostly"]
    for label, word in enumerate(words):
        row = counts[label].copy()
        points = row.sum()
        same = f"{100 * row[label] / points:5.1f}" if points else "    -"
        row[label] = 0
        others = row[: len(words)]
        mostly = words[int(others.argmax())] if others.any() else ""
        lines.append(f"{word:<{width}}  {100 * points / total:5.1f}  {same}  {mostly}".rstrip())
    lines.append(f"{'all':<{width}}  100.0  {100 * counts.trace() / total:5.1f}")
    return "\n".join(lines)
