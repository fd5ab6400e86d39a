"""`--write-labels` of `clip2scene evaluate`: predictions for a data set's own evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_core.datasets import KeyframeDataset, Sample
    from clip2scene_core.evaluation import Prediction


def check_writing(folder: Path | None, modes: Sequence[str], dataset: KeyframeDataset) -> None:
    """Refuse what cannot be written, or would neither be written nor scored.

    Raises:
        ValueError: If there are no labels to score and nothing to write; if the data set is neither
            SemanticKITTI nor ScanNet; or if several modes would write the same files.
    """
    from clip2scene_core.datasets import ScanNetDataset, SemanticKittiDataset

    if folder is None:
        if not dataset.with_labels:
            raise ValueError(
                "the labels of split test are not public; give --write-labels, for the server of "
                "the benchmark, or score --split val"
            )
        return
    if not isinstance(dataset, SemanticKittiDataset | ScanNetDataset):
        raise ValueError(
            "--write-labels is for SemanticKITTI and ScanNet, and the data set is another one"
        )
    if len(modes) > 1:
        raise ValueError(
            f"--write-labels writes the labels of one mode, got {', '.join(modes)}; choose one by "
            f"--modes"
        )


def writing(
    labellers: Mapping[str, Callable[[Sample], Prediction]],
    dataset: KeyframeDataset,
    folder: Path | None,
) -> dict[str, Callable[[Sample], Prediction]]:
    """Let labellers also write their labels, if there is a folder for them."""
    if folder is None:
        return dict(labellers)
    return {mode: _writer(predict, dataset, folder) for mode, predict in labellers.items()}


def write_all(
    predict: Callable[[Sample], Prediction], dataset: KeyframeDataset, folder: Path
) -> None:
    """Write the labels of every keyframe."""
    write = _writer(predict, dataset, folder)
    for index in tqdm(range(len(dataset)), desc="labels", unit="keyframe"):
        write(dataset[index])


def _writer(
    predict: Callable[[Sample], Prediction], dataset: KeyframeDataset, folder: Path
) -> Callable[[Sample], Prediction]:
    from clip2scene_core.datasets import ScanNetDataset, write_label_file, write_scannet_labels

    is_scannet = isinstance(dataset, ScanNetDataset)
    write_labels = write_scannet_labels if is_scannet else write_label_file

    def write(sample: Sample) -> Prediction:
        prediction = predict(sample)
        write_labels(folder, sample.token, prediction.labels)
        return prediction

    return write
