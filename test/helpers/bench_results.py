"""A small bench result by hand, for the tests of what is made of it."""

from clip2scene_core.bench.provenance import StageTime
from clip2scene_core.bench.results import ClipResult, Difference, SplitCounts, TextGroup
from clip2scene_core.bench.statistics import Measurement, PairedDifference
from clip2scene_core.bench.world.result import (
    BenchResult,
    CorruptionResult,
    Failure,
    QueryResult,
    Score,
    StudentResult,
)

NAN = float("nan")
CLASSES = ("car", "road")


def make_result(digests=("aa", "bb"), clip_digest: str = "cc") -> BenchResult:
    """Two seeds of one student, a teacher, two classes."""

    def seeded(*values: float) -> Measurement:
        return Measurement(values, 0.01)

    def fixed(value: float) -> Measurement:
        return Measurement((value,), 0.02, is_seeded=False)

    synonyms = QueryResult(
        "synonyms", ("automobile", "street"), "mean IoU", "lidar", seeded(0.3, 0.5), None,
        "trained prompts", PairedDifference(-0.1, 0.01, 0.02), "synonyms.png",
    )  # fmt: skip
    colors = ("car split by colour", ("red car", "white car"), "which colour")
    fog = ("fog", 3, "visibility 100 m")
    modes = ("lidar", "camera", "fused")
    lost = PairedDifference(-0.2, 0.0, 0.05)
    student = StudentResult(
        name="synthetic",
        digests=tuple(digests),
        seeds=(0, 1),
        config="{}",
        scores=(
            Score("student", seeded(0.4, 0.5), seeded(0.45, 0.55), (seeded(0.3, 0.4), fixed(NAN))),
            Score("projected teacher", fixed(0.35), fixed(0.4), (fixed(0.25), fixed(0.45))),
        ),
        differences=tuple(
            Difference("student", "projected teacher", points, PairedDifference(value, 0.04, 0.03))
            for points, value in (("all points", 0.1), ("points in view", 0.05))
        ),
        queries=(
            *(QueryResult(**{**vars(synonyms), "mode": mode}) for mode in modes),
            *(QueryResult(*colors, mode, fixed(0.625), 0.5, None, None, "") for mode in modes),
        ),
        corruptions=(
            *(CorruptionResult("none", 0, "", mode, fixed(0.4), None) for mode in modes),
            *(CorruptionResult(*fog, mode, fixed(0.2), lost) for mode in modes),
        ),
        failures=(Failure("car", 0.35, "token", "car.png"),),
    )  # fmt: skip
    return BenchResult(
        command="clip2scene bench world --work bench",
        date="2030-01-02T03:04:05+00:00",
        machine="A processor, 2 cores",
        is_quick=False,
        classes=CLASSES,
        splits=(
            SplitCounts("train", 4, 12, (900, 2100), (4, 3)),
            SplitCounts("test", 2, 6, (250, 750), (2, 1)),
        ),
        clip=ClipResult(
            "small",
            clip_digest,
            100,
            0.75,
            (0.8, NAN),
            0.45,
            (0.4, 0.5),
            (TextGroup("held-out synonyms", 0.6, 0.1, 7),),
            ("giraffe",),
        ),
        students=(student,),
        between=(),
        stages=(StageTime("rules", 2.5, "abc"), StageTime("student-synthetic-0", 60.0, "def")),
    )
