import numpy as np

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.evaluation import ConfusionMatrix, Prediction, evaluate
from clip2scene_core.evaluation.agreement import RelabelledDataset, format_agreement
from clip2scene_core.labels import IGNORE_LABEL, SemanticClass

WORDS = (SemanticClass("car", "car", (0, 0, 0)), SemanticClass("road", "road", (9, 9, 9)))


def test_a_labeller_stands_for_ground_truth(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)

    def say(first, second):
        def label(sample):
            labels = np.full(len(sample.keyframe.points), IGNORE_LABEL, np.uint8)
            labels[:10], labels[10:30] = first, second
            return Prediction(labels)

        return label

    relabelled = RelabelledDataset(dataset, say(0, 1), WORDS)
    assert len(relabelled) == len(dataset)
    assert relabelled.scenes == dataset.scenes
    report = evaluate(say(0, 0), relabelled)
    # What the teacher does not label does not count: 30 of 48 points of two keyframes.
    assert report.confusion.counts.tolist() == [[20, 0, 0], [40, 0, 0]]


def test_the_table_says_where_they_differ():
    confusion = ConfusionMatrix(3)
    confusion.add(np.array([0] * 8 + [1] * 2, np.uint8), np.array([0] * 6 + [1] * 2 + [255] * 2))
    table = format_agreement(confusion, ["car", "road", "tree"]).splitlines()
    assert table[1].split() == ["car", "80.0", "75.0", "road"]
    assert table[2].split() == ["road", "20.0", "0.0"]
    assert table[3].split() == ["tree", "0.0", "-"]
    assert table[4].split() == ["all", "100.0", "60.0"]
