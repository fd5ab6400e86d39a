"""The world on disk: a complete, consistent data set in nuScenes' format."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.datasets.nuscenes import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.world.dataset.ground_truth import read_class_images, read_objects
from clip2scene_core.world.dataset.tables import TABLES
from clip2scene_core.world.dataset.writer import WorldOptions, WorldSummary, write_world

SMALL = WorldOptions(
    num_scenes=2, seed=4, seconds=1.0, image_size=(56, 100), lidar_columns=120, is_every_frame=True
)


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> WorldSummary:
    return write_world(tmp_path_factory.mktemp("world") / "data", SMALL)


@pytest.fixture(scope="module")
def tables(world) -> dict[str, list[dict]]:
    folder = world.out / world.version
    return {name: json.loads((folder / f"{name}.json").read_text()) for name in TABLES}


def by_token(records: list[dict]) -> dict[str, dict]:
    return {record["token"]: record for record in records}


def fingerprint(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def test_summary_counts_what_was_written(world, tables):
    assert (world.num_keyframes, world.num_sweeps, world.num_images) == (4, 44, 144)
    assert len(list(world.out.rglob("*.pcd.bin"))) == world.num_sweeps
    assert len(list(world.out.rglob("*.jpg"))) == world.num_images


def test_tokens_are_unique_in_every_table(tables):
    for name, records in tables.items():
        assert len(by_token(records)) == len(records), name


@pytest.mark.parametrize(
    ("table", "field", "target"),
    [
        ("scene", "log_token", "log"),
        ("scene", "first_sample_token", "sample"),
        ("scene", "last_sample_token", "sample"),
        ("sample", "scene_token", "scene"),
        ("sample_data", "sample_token", "sample"),
        ("sample_data", "ego_pose_token", "ego_pose"),
        ("sample_data", "calibrated_sensor_token", "calibrated_sensor"),
        ("calibrated_sensor", "sensor_token", "sensor"),
        ("lidarseg", "sample_data_token", "sample_data"),
        ("instance", "category_token", "category"),
        ("instance", "first_annotation_token", "sample_annotation"),
        ("instance", "last_annotation_token", "sample_annotation"),
        ("sample_annotation", "sample_token", "sample"),
        ("sample_annotation", "instance_token", "instance"),
        ("sample_annotation", "visibility_token", "visibility"),
    ],
)
def test_every_token_resolves(tables, table, field, target):
    known = by_token(tables[target])
    assert tables[table]
    assert all(record[field] in known for record in tables[table])


@pytest.mark.parametrize("table", ["sample", "sample_data", "sample_annotation"])
def test_chains_run_both_ways(tables, table):
    records = by_token(tables[table])
    for token, record in records.items():
        if record["next"]:
            assert records[record["next"]]["prev"] == token
        if record["prev"]:
            assert records[record["prev"]]["next"] == token
    assert any(record["next"] for record in records.values())


def test_data_chain_is_one_sensor_of_one_scene_in_order_of_time(tables):
    records = by_token(tables["sample_data"])
    starts = [record for record in records.values() if not record["prev"]]
    assert len(starts) == 2 * 7
    for record in records.values():
        if record["next"]:
            after = records[record["next"]]
            assert after["timestamp"] > record["timestamp"]
            assert after["calibrated_sensor_token"] == record["calibrated_sensor_token"]


def test_every_file_exists_with_the_size_that_the_tables_say(world, tables):
    for record in tables["sample_data"]:
        path = world.out / record["filename"]
        if record["fileformat"] == "jpg":
            assert Image.open(path).size == (record["width"], record["height"]) == (100, 56)
        else:
            assert path.stat().st_size % 20 == 0
        assert record["filename"].startswith("samples/" if record["is_key_frame"] else "sweeps/")
    assert (world.out / tables["map"][0]["filename"]).is_file()


def test_keyframes_have_a_label_for_every_point(world, tables):
    data = by_token(tables["sample_data"])
    assert len(tables["lidarseg"]) == world.num_keyframes
    for record in tables["lidarseg"]:
        sweep = data[record["sample_data_token"]]
        points = np.fromfile(world.out / sweep["filename"], np.float32).reshape(-1, 5)
        labels = np.fromfile(world.out / record["filename"], np.uint8)
        assert sweep["is_key_frame"]
        assert len(labels) == len(points)
        assert labels.max() <= 31


def test_sample_has_seven_keyframe_measurements_at_its_time(tables):
    samples = by_token(tables["sample"])
    keyframes = [record for record in tables["sample_data"] if record["is_key_frame"]]
    assert len(keyframes) == 7 * len(samples)
    for record in keyframes:
        delay_us = samples[record["sample_token"]]["timestamp"] - record["timestamp"]
        assert 0 <= delay_us <= 50_000


def test_boxes_count_their_lidar_points_and_stand_on_the_ground(tables):
    for record in tables["sample_annotation"]:
        assert record["num_lidar_pts"] >= 1
        bottom = record["translation"][2] - record["size"][2] / 2
        assert -0.01 < bottom < 0.15


def test_same_options_give_the_same_bytes(tmp_path):
    options = WorldOptions(1, 7, 0.5, (28, 50), 60, is_every_frame=False)
    first = write_world(tmp_path / "a", options)
    second = write_world(tmp_path / "b", options)
    assert fingerprint(first.out) == fingerprint(second.out)


def test_any_number_of_processes_writes_the_same_bytes(tmp_path):
    options = WorldOptions(3, 7, 0.5, (28, 50), 60, is_every_frame=False, with_ground_truth=True)
    calls: list[tuple[int, int]] = []
    one = write_world(tmp_path / "a", options)
    two = write_world(
        tmp_path / "b", options, lambda done, total: calls.append((done, total)), workers=2
    )
    assert fingerprint(one.out) == fingerprint(two.out)
    assert (one.num_keyframes, one.num_points) == (two.num_keyframes, two.num_points)
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_failure_of_the_caller_ends_the_processes(tmp_path):
    out = tmp_path / "a"

    def fail(done: int, total: int) -> None:
        raise OSError("the disk is full")

    options = WorldOptions(3, 7, 0.5, (28, 50), 60, is_every_frame=False)
    with pytest.raises(OSError, match="the disk is full"):
        write_world(out, options, fail, workers=2)


def test_worlds_of_different_seeds_share_no_scene_tokens(tmp_path, tables):
    other = write_world(tmp_path / "a", WorldOptions(1, 7, 0.5, (28, 50), 60, is_every_frame=False))
    scenes = json.loads((other.out / other.version / "scene.json").read_text())
    assert scenes[0]["name"] == "scene-0007-000"
    assert scenes[0]["token"] not in by_token(tables["scene"])


def test_training_form_writes_keyframes_with_two_previous_sweeps(tmp_path):
    options = WorldOptions(1, 1, 1.0, (28, 50), 60, is_every_frame=False)
    world = write_world(tmp_path / "a", options)
    assert (world.num_keyframes, world.num_sweeps, world.num_images) == (2, 6, 12)


def test_truth_agrees_with_labels_and_pictures(tmp_path):
    options = WorldOptions(1, 5, 0.5, (56, 100), 120, is_every_frame=False, with_ground_truth=True)
    root = write_world(tmp_path / "a", options).out
    sample = NuScenesDataset(root, with_labels=True)[0]
    images = read_class_images(root, sample)
    assert [image.shape for image in images] == [(56, 100)] * 6
    seen = set(np.unique(np.stack(images)).tolist())
    assert seen <= {*range(len(NUSCENES_CLASSES)), IGNORE_LABEL}
    assert len(seen) > 6
    objects, labels = read_objects(root, sample), sample.keyframe.labels
    assert labels is not None
    by_word = {word: labels[objects.index == k] for k, word in enumerate(objects.words)}
    assert set(by_word["tree"].tolist()) <= {15}
    is_ground = np.isin(labels, [10, 11, 12])
    assert (objects.index[is_ground] == -1).all()
    is_vehicle = np.isin(labels, [2, 3, 9])
    assert (objects.index[is_vehicle] >= 0).all()
    assert is_vehicle.any()
    colored = [objects.colors[k] for k in np.unique(objects.index[is_vehicle])]
    assert all(colored)


def test_world_without_truth_has_none(world):
    assert not (world.out / "class_images").exists()
    assert not (world.out / "objects").exists()


def test_progress_counts_scenes(tmp_path):
    calls: list[tuple[int, int]] = []
    options = WorldOptions(2, 1, 0.5, (28, 50), 60, is_every_frame=False)
    write_world(tmp_path / "a", options, lambda done, total: calls.append((done, total)))
    assert calls == [(1, 2), (2, 2)]


def test_folder_that_is_not_empty_is_refused(tmp_path):
    (tmp_path / "precious.txt").write_text("keep me")
    with pytest.raises(FileExistsError, match="not empty; choose a new folder"):
        write_world(tmp_path, SMALL)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]


def test_no_processes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="workers must be 1 or more, got 0"):
        write_world(tmp_path / "a", SMALL, workers=0)


LONG_WORLD = """
import sys
from pathlib import Path
from clip2scene_core.world.dataset.writer import WorldOptions, write_world

if __name__ == "__main__":
    options = WorldOptions(
        500, seconds=0.5, image_size=(28, 50), lidar_columns=90, is_every_frame=False
    )
    write_world(Path(sys.argv[1]), options, lambda done, total: print(done, flush=True), 2)
"""


def test_no_worker_outlives_a_command_that_is_killed(tmp_path):
    script = tmp_path / "world.py"
    script.write_text(LONG_WORLD)
    command = [sys.executable, str(script), str(tmp_path / "world")]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE)
    try:
        assert writer.stdout.readline().strip() == b"1"
        workers = children_of(writer.pid)
    finally:
        writer.kill()
        writer.wait()
        writer.stdout.close()
    assert len(workers) >= 2
    end_s = time.monotonic() + 30
    while not all(map(is_buried, workers)):
        assert time.monotonic() < end_s, "a worker goes on"
        time.sleep(0.05)


def stat_of(pid: int) -> list[str]:
    """State, parent and more of a process; [] if it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def children_of(pid: int) -> list[int]:
    running = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    return [child for child in running if stat_of(child)[1:2] == [str(pid)]]


def is_buried(pid: int) -> bool:
    return stat_of(pid)[:1] in ([], ["Z"])
