"""The whole transfer bench on tiny worlds, and its report."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from random_student import save_random_student

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.markdown import CardError
from clip2scene_core.bench.runs import given_runs
from clip2scene_core.bench.transfer.cards import MARKS, format_section, update_shipped
from clip2scene_core.bench.transfer.changes import CHANGES
from clip2scene_core.bench.transfer.groups import GROUPS
from clip2scene_core.bench.transfer.report import LEFT_OUT_NOTE, REAL_NOTE, format_result
from clip2scene_core.bench.transfer.result import load_result, save_result
from clip2scene_core.bench.transfer.run import TransferBenchOptions, run_transfer_bench
from clip2scene_core.bench.transfer.worlds import is_trained_in_varied_world
from clip2scene_core.bench.transfer.worlds import test_worlds as worlds_of_test
from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.world.dataset.splits import HELD_OUT_LIDARS, SPLITS, VARIED_TRAIN
from clip2scene_core.world.dataset.tables import Tables
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES


def write_scan(folder) -> None:
    folder.mkdir(parents=True)
    points = np.random.default_rng(0).uniform(-20, 20, (300, 4)).astype("<f4")
    points.tofile(folder / "000000.bin")
    np.full(300, 40, "<u4").tofile(folder / "000000.label")


def test_a_quick_bench_measures_changes_sensors_and_real_frames(tmp_path):
    student = save_random_student(tmp_path / "student", image_height=56)
    write_scan(tmp_path / "real" / "semantickitti_scan")
    options = TransferBenchOptions(
        work=tmp_path / "work",
        is_quick=True,
        workers=1,
        device="cpu",
        command="clip2scene bench transfer",
        runs=tuple(given_runs([student])),
        real=tmp_path / "real",
    )
    stages = []
    result = run_transfer_bench(
        options, lambda stage, total: stages.append(stage.name), lambda *scene: None
    )
    (measured,) = result.students
    assert [change.change for change in measured.changes] == [change.name for change in CHANGES]
    unchanged, *others = measured.changes
    assert unchanged.difference is None
    assert all(other.difference is not None for other in others)
    assert [lidar.lidar for lidar in measured.lidars] == list(MODEL_NAMES[:2])
    assert all(0 <= lidar.mean_iou.mean <= 1 for lidar in measured.lidars)
    assert all(0 <= lidar.other_surfaces.mean <= 1 for lidar in measured.lidars)
    assert {one.left_out for one in measured.left_out} <= {c.name for c in NUSCENES_CLASSES}
    assert all(0 <= one.auroc.mean <= 1 and one.num_points for one in measured.left_out)
    assert 0 <= measured.calibration_error.mean <= 1
    assert [frame.frame for frame in measured.frames] == ["SemanticKITTI 000000"] * 2
    assert len(measured.frames[0].iou) == len(GROUPS)
    assert measured.boxes == measured.false_movable == ()

    assert measured.pictures == ("semantickitti_000000.png",)
    picture = tmp_path / "work" / "pictures" / measured.name / measured.pictures[0]
    assert np.asarray(Image.open(picture)).std() > 5

    path = tmp_path / "bench_transfer.json"
    save_result(path, result)
    assert json.loads(path.read_text())["format"] == "clip2scene-bench-transfer-2"
    report = format_result(load_result(path))
    assert REAL_NOTE in report
    assert LEFT_OUT_NOTE in report
    assert f"| {measured.left_out[0].left_out} | {measured.left_out[0].num_points} |" in report
    assert f"| IoU [%] | {' | '.join(MODEL_NAMES[:2])} |" in report
    assert f"(pictures/{measured.name}/semantickitti_000000.png)" in report
    assert f"| {CHANGES[1].name} |" in report
    assert f"| {MODEL_NAMES[1]} | unknown |" in report

    twice = replace(result, students=(measured, replace(measured, name="again")))
    assert "## Side by side" in format_result(twice)
    assert f"| again | {unchanged.mean_iou.format()} |" in format_result(twice)

    shutil.copy(student, tmp_path / "small_student.safetensors")
    card = tmp_path / "small_student.md"
    card.write_text("# A student\n")
    with pytest.raises(CardError, match=r"no card of a student in .* has a place"):
        update_shipped(result, tmp_path)
    card.write_text(f"# A student\n\n{MARKS[0]}\n\n{MARKS[1]}\n")
    update_shipped(result, tmp_path)
    assert f"| {CHANGES[1].name} |" in card.read_text()
    assert "pictures/" not in card.read_text()
    with pytest.raises(CardError, match="did not measure other"):
        format_section("0" * 64, "other", result)

    again = []
    run_transfer_bench(options, lambda stage, total: again.append(stage), lambda *scene: None)
    assert len(again) == len(stages)


def test_a_student_of_the_varied_world_is_known_by_its_scenes():
    tables = Tables(VARIED_TRAIN)
    assert is_trained_in_varied_world(["other", tables.token("scene", 7)])
    assert not is_trained_in_varied_world([tables.token("scene", VARIED_TRAIN.num_scenes)])
    assert not is_trained_in_varied_world([])


def test_the_worlds_to_test_on_share_no_scene_with_training():
    worlds = worlds_of_test()
    kinds = ("lidar", "surfaces")
    assert set(worlds) == {"street", *(f"{kind}-{name}" for kind in kinds for name in MODEL_NAMES)}
    for name in MODEL_NAMES:
        plain = replace(worlds[f"surfaces-{name}"], surfaces="plain")
        assert plain == worlds[f"lidar-{name}"] != worlds[f"surfaces-{name}"]
    assert VARIED_TRAIN.seed not in {world.seed for world in worlds.values()}
    assert set(HELD_OUT_LIDARS) < set(MODEL_NAMES)
    assert not set(HELD_OUT_LIDARS) & set(VARIED_TRAIN.lidar_names)
    assert worlds["street"].seed == SPLITS[2].seed
    lidars = [world for name, world in worlds.items() if name != "street"]
    assert len({(world.seed, world.terrain, world.placement) for world in lidars}) == 1
