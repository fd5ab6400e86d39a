"""The rows of the tables as settings of one configuration, with the paper's own numbers."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

BASELINE: Final = "baseline"
FULL: Final = "CLIP2Scene"
RANDOM: Final = "random"
RECOMMENDED: Final = "recommended"
UNTRAINED: Final = "untrained network"
TEACHER: Final = "projected teacher"


@dataclass(frozen=True)
class TableRow:
    """One way to pre-train.

    Attributes:
        name: Name in the table.
        settings: Changes to the configuration of the bench, KEY=VALUE as `override` reads them.
        paper: Mean IoU of the paper in [0, 1]; None if the paper has no such row.
        prompts: File of prompts to train with; "" for the prompts of the configuration.
        profile: File of a configuration that gives all but network, teacher and schedule; "" for
            none.
        note: Note below the table.
    """

    name: str
    settings: tuple[str, ...]
    paper: float | None = None
    prompts: str = ""
    profile: str = ""
    note: str = ""


@dataclass(frozen=True)
class Study:
    """Ways to pre-train that are compared without labels.

    Attributes:
        rows: The ways. Every study has the rows UNTRAINED and TEACHER, too.
        against: Names of rows that are subtracted from every other row.
        measured_on: "test", or "tune" if settings are chosen by the numbers.
        title: Title of the table.
    """

    rows: tuple[TableRow, ...]
    against: tuple[str, ...]
    measured_on: str
    title: str


@dataclass(frozen=True)
class StartRow:
    """One network to fine-tune.

    Attributes:
        name: Name in the table.
        pretraining: Row that is pre-trained; None for random weights.
        paper: Mean IoU of the paper in [0, 1] with 1 % and with 100 % of the labels of nuScenes.
    """

    name: str
    pretraining: TableRow | None
    paper: tuple[float, float] | None = None


def _settings(
    sweeps: int, spatial: bool, switching: bool, *others: str, merged: bool = False
) -> tuple[str, ...]:
    """Set everything that the paper's rows differ in, so that no row depends on a default."""
    return (
        f"sweeps.count={sweeps}",
        f"sweeps.is_merged={str(merged).lower()}",
        f"losses.spatial_temporal={'paper' if spatial else 'none'}",
        f"switching.granularity={'point' if switching else 'none'}",
        *others,
    )


_BASELINE: Final = _settings(1, False, False)
_FULL: Final = _settings(3, True, True)
_CONTRASTIVE: Final = _settings(3, False, False, "losses.semantic=none")


def _recommended(name: str, *settings: str, note: str = "") -> TableRow:
    return TableRow(name, settings, profile="pretrain_recommended.yaml", note=note)


_RECOMMENDED: Final = _recommended(
    RECOMMENDED,
    note="ours: config/pretrain_recommended.yaml, with network, teacher and schedule of all rows",
)

TABLE1: Final = (
    TableRow(BASELINE, _BASELINE, 0.151, note="1 sweep, semantic loss alone"),
    TableRow("prompts: nuScenes", _BASELINE, 0.151, "prompts_nuscenes.yaml"),
    TableRow("prompts: SemanticKITTI", _BASELINE, 0.139, "prompts_semantickitti.yaml"),
    TableRow("prompts: Cityscapes", _BASELINE, 0.113, "prompts_cityscapes.yaml"),
    TableRow("without spatial-temporal loss", _settings(3, False, True), 0.198),
    TableRow(
        "KL",
        _settings(3, False, False, "losses.semantic=kl"),
        0.0,
        note="the teacher's whole distribution is distilled; no other loss",
    ),
    TableRow("without S3", _settings(3, True, False), 0.188),
    TableRow(
        "ST",
        (*_FULL, "switching.probability=1.0"),
        0.101,
        note="from the epoch where S3 begins, the student's own labels alone",
    ),
    TableRow("1 sweep", _settings(1, True, True), 0.187),
    TableRow("3 sweeps", _FULL, 0.208),
    TableRow("5 sweeps", _settings(5, True, True), 0.206),
    TableRow(
        "merged",
        _settings(3, True, True, merged=True),
        0.186,
        note="3 sweeps in one cloud; tested on single sweeps",
    ),
    TableRow(FULL, _FULL, 0.208, note="3 sweeps, both losses, S3"),
    TableRow(
        "Eq. (1) to (4) to the letter",
        (
            *_FULL,
            "losses.semantic=paper_eq1",
            "losses.temperature=0.5",
            "losses.class_balance=false",
            "losses.spatial_normalize=false",
        ),
        note="the paper's equations without our changes, see the profiles",
    ),
    _RECOMMENDED,
)
"""Table 1 of the paper, annotation-free on nuScenes; then rows of our own."""

TABLE2: Final = (
    StartRow(RANDOM, None, (0.422, 0.691)),
    StartRow("PPKT", TableRow("PPKT", (*_CONTRASTIVE, "losses.contrastive=ppkt")), (0.480, 0.701)),
    StartRow(
        "SLidR", TableRow("SLidR", (*_CONTRASTIVE, "losses.contrastive=slidr")), (0.482, 0.704)
    ),
    StartRow(FULL, TableRow(FULL, _FULL), (0.563, 0.715)),
    StartRow(_RECOMMENDED.name, _RECOMMENDED),
)
"""Table 2 of the paper, fine-tuned on nuScenes; then a row of our own."""

ABLATIONS: Final = (
    _RECOMMENDED,
    _recommended(
        "without consensus",
        "consensus.voxel_size_m=0",
        note="each pair is named by its own pixel; the baseline of Table 1",
    ),
    _recommended("without test for occlusion", "teacher.occlusion_margin_m=null"),
    _recommended("without key smoothing", "teacher.key_smoothing=false"),
    _recommended("classes count by their points", "losses.class_balance=false"),
    _recommended("height and offsets, too", "network.features=[intensity,height,offsets]"),
    _recommended("SPVCNN", "network.name=spvcnn", note="the paper's network, and the profile's"),
    _recommended(
        "SPVCNN, height and offsets, too",
        "network.name=spvcnn",
        "network.features=[intensity,height,offsets]",
        note="the network of the shipped student",
    ),
    _recommended("labels weighed by confidence", "losses.weigh_by_confidence=true"),
    _recommended(
        "moving average on all points",
        "switching.granularity=point",
        "switching.source=ema",
        "switching.unseen_points=true",
        note="S3 with labels of the weights' moving average, for points in no view, too",
    ),
    _recommended("24 epochs", "training.epochs=24", note="as many clouds as 3 sweeps in 8 epochs"),
    _recommended(
        "24 epochs with S3",
        "training.epochs=24",
        "switching.granularity=point",
        "switching.start_epoch=12",
    ),
    _recommended("3 sweeps", "sweeps.count=3"),
    _recommended(
        "spatial-temporal loss",
        "sweeps.count=3",
        "losses.spatial_temporal=paper",
        "losses.spatial_normalize=true",
        note="the paper's second loss on top of 3 sweeps",
    ),
    TableRow("without S3", _settings(3, True, False), note="as in Table 1"),
    TableRow(FULL, _FULL, note="as in Table 1: 3 sweeps, both losses, S3"),
)
"""The recommended profile, without each of its parts and with others; then rows of Table 1."""

STUDIES: Final = MappingProxyType(
    {
        "table1": Study(TABLE1, (BASELINE, FULL), "test", "Table 1: annotation-free segmentation"),
        "ablations": Study(
            ABLATIONS, (RECOMMENDED, TEACHER), "tune", "Ablations of the recommended profile"
        ),
    }
)
"""Studies by the names of their commands."""
