"""Records of the transfer bench, and the JSON file that holds them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.bench.json_dataclass import RecordFile
from clip2scene_core.bench.provenance import Provenance
from clip2scene_core.bench.statistics import Measurement, PairedDifference


@dataclass(frozen=True)
class ChangeResult:
    """Mean IoU on the street of the world bench with a changed sensor, in [0, 1].

    Attributes:
        change: What is other about the sensor, in words.
        mean_iou: Mean IoU over 16 classes.
        difference: Mean IoU minus that of the unchanged sensor; None for that.
    """

    change: str
    mean_iou: Measurement
    difference: PairedDifference | None


@dataclass(frozen=True)
class LidarResult:
    """Scores on varied scenes that one LiDAR model measured, in [0, 1].

    Attributes:
        lidar: Name of the model.
        in_training: "yes" or "no" for students of the varied training world; "unknown" for others.
        mean_iou: Mean IoU over 16 classes.
        other_surfaces: The same where windows, paint and reflectivities vary.
        difference: Other surfaces minus plain ones.
        iou: (16,) IoU of each class.
    """

    lidar: str
    in_training: str
    mean_iou: Measurement
    other_surfaces: Measurement
    difference: PairedDifference
    iou: tuple[Measurement, ...]


@dataclass(frozen=True)
class LeftOutResult:
    """What the scores of the street's points say of a class whose word was left out, in [0, 1].

    Attributes:
        left_out: Name of the class.
        num_points: Number of its points.
        auroc: How often a point of another class has a higher score than one of this class.
        auroc_of_words: The same, if a score were the probability among the words that are left.
        risk: Mean share of wrong labels over all thresholds of the score; all labels of this class
            are wrong.
        coverage: Largest share of points that a threshold labels with at most 10 % wrong labels.
    """

    left_out: str
    num_points: int
    auroc: Measurement
    auroc_of_words: Measurement
    risk: Measurement
    coverage: Measurement


@dataclass(frozen=True)
class LabelledFrameResult:
    """Scores on a real frame with labels, in [0, 1].

    Attributes:
        frame: Name of the frame.
        words: Which prompts were given.
        mean_iou: Mean IoU over 6 groups.
        right: Share of the labelled points with the right group.
        iou: (6,) IoU of each group.
    """

    frame: str
    words: str
    mean_iou: Measurement
    right: Measurement
    iou: tuple[Measurement, ...]


@dataclass(frozen=True)
class BoxResult:
    """Shares of the points in the boxes of one kind, over all real frames, in [0, 1].

    Attributes:
        kind: Kind of the boxes.
        words: Which prompts were given.
        num_points: Number of points in these boxes.
        movable: Share with a word for something that can move.
        right: Share with a word for this kind.
    """

    kind: str
    words: str
    num_points: int
    movable: Measurement
    right: Measurement


@dataclass(frozen=True)
class FalseMovableResult:
    """Share of the points outside of all boxes with a movable word, in [0, 1].

    Attributes:
        words: Which prompts were given.
        num_points: Number of points, in frames where every movable object has a box.
        share: The share.
    """

    words: str
    num_points: int
    share: Measurement


@dataclass(frozen=True)
class TransferStudent:
    """Students of one configuration, one for each seed.

    Attributes:
        name: Name of the configuration.
        digests: SHA-256 of the checkpoint of each seed.
        seeds: Seeds of the trainings.
        config: Configuration as nested JSON text, with the first seed.
        changes: Scores with changed sensors.
        lidars: Scores on each LiDAR model.
        left_out: What scores say of each class whose word was left out.
        calibration_error: Expected calibration error of the scores on the street with all words.
        frames: Scores on real frames with labels; () without real frames.
        boxes: Shares in boxes of real frames.
        false_movable: Shares outside of boxes of real frames.
        pictures: Files of pictures of the real frames, labelled by the first seed.
    """

    name: str
    digests: tuple[str, ...]
    seeds: tuple[int, ...]
    config: str
    changes: tuple[ChangeResult, ...]
    lidars: tuple[LidarResult, ...]
    left_out: tuple[LeftOutResult, ...]
    calibration_error: Measurement
    frames: tuple[LabelledFrameResult, ...]
    boxes: tuple[BoxResult, ...]
    false_movable: tuple[FalseMovableResult, ...]
    pictures: tuple[str, ...]


@dataclass(frozen=True)
class TransferResult(Provenance):
    """All numbers of the transfer bench.

    Attributes:
        students: Results of each configuration.
    """

    students: tuple[TransferStudent, ...]


_FILE: Final = RecordFile("clip2scene-bench-transfer-2", lambda values: TransferResult)
save_result, load_result = _FILE.save, _FILE.load
