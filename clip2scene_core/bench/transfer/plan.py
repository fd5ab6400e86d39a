"""The stages of the transfer bench that measure students.

`work` is the folder of the bench, with the data sets of `worlds.test_worlds` by their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from clip2scene_core.bench.measure.score import score_networks
from clip2scene_core.bench.measure.unknown import score_unknown
from clip2scene_core.bench.runs import StudentRun, groups_of
from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.stages import Stage
from clip2scene_core.bench.transfer.changes import CHANGES, SensorChange
from clip2scene_core.bench.transfer.pictures import draw_real_frames
from clip2scene_core.bench.transfer.scores import score_changed, score_real
from clip2scene_core.bench.transfer.worlds import surfaces_twin


def change_stage(group: str, change: SensorChange) -> str:
    """Name of the stage that measures the students of a configuration on a changed sensor."""
    return f"change-{group}-{change.name.replace(' ', '-')}"


def lidar_stage(group: str, world: str) -> str:
    """Name of the stage that measures the students of a configuration on a LiDAR's data set."""
    return f"{world}-{group}"


def unknown_stage(run: StudentRun) -> str:
    """Name of the stage that leaves each word of one student out."""
    return f"unknown-{run.name}"


def real_stage(run: StudentRun) -> str:
    """Name of the stage that measures one student on the real frames."""
    return f"real-{run.name}"


def picture_stage(group: str) -> str:
    """Name of the stage that draws the real frames, labelled by the first seed."""
    return f"pictures-{group}"


def measuring_stages(
    work: Path, runs: Sequence[StudentRun], lidar_worlds: Sequence[str], real: Path | None
) -> list[Stage]:
    """Measure all students; pictures of real frames go to `work/pictures`.

    Args:
        work: Folder of the bench.
        runs: All students.
        lidar_worlds: Names of the data sets with one LiDAR model each.
        real: Folder of real frames; None for none.
    """
    stages = []
    for group, members in groups_of(runs).items():
        weights = [run.weights for run in members]
        stages += [
            Stage(
                change_stage(group, change),
                partial(score_changed, weights, Scenes(work / "street"), change),
            )
            for change in CHANGES
        ]
        stages += [
            Stage(lidar_stage(group, name), partial(score_networks, weights, Scenes(work / name)))
            for lidar_world in lidar_worlds
            for name in (lidar_world, surfaces_twin(lidar_world))
        ]
        if real is not None:
            drawn = partial(draw_real_frames, weights[0], real, work / "pictures" / group)
            stages.append(Stage(picture_stage(group), drawn))
    stages += [
        Stage(unknown_stage(run), partial(score_unknown, run.weights, work / "street"))
        for run in runs
    ]
    if real is not None:
        stages += [Stage(real_stage(run), partial(score_real, run.weights, real)) for run in runs]
    return stages
