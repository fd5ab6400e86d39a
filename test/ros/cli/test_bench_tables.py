"""The tables, quick: every row runs, is kept, is reported."""

from pathlib import Path

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.tables.report import format_document
from clip2scene_core.bench.tables.result import FILE
from clip2scene_core.bench.tables.rows import ABLATIONS, TABLE1, TABLE2
from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.writer import write_world
from clip2scene_ros.cli.main import main


@pytest.mark.slow
def test_a_quick_table1_runs_every_row_once_and_takes_more_seeds(tmp_path, capsys):
    work = tmp_path / "work"
    arguments = ["bench", "table1", "--work", str(work), "--quick"]
    assert main(arguments) == 0
    assert "Its numbers say nothing" in capsys.readouterr().out
    table = FILE.load(work / "table1.json")
    rows = {row.name: row for row in table.rows}
    assert {row.name for row in TABLE1} < set(rows)
    for name in ("untrained network", "projected teacher"):
        assert rows[name].mean_iou is not None
    assert rows["3 sweeps"].mean_iou == rows["CLIP2Scene"].mean_iou
    compared = {(one.one, one.other) for one in table.differences}
    assert {("KL", "baseline"), ("KL", "CLIP2Scene"), ("CLIP2Scene", "baseline")} < compared
    assert ("CLIP2Scene", "CLIP2Scene") not in compared
    other = rows["prompts: Cityscapes, other words at test"]
    assert other.mean_iou != rows["prompts: Cityscapes"].mean_iou
    assert rows["projected teacher"].mean_iou.mean > 3 * rows["untrained network"].mean_iou.mean
    assert (work / "table1.md").read_text() == format_document(table)
    assert (work / "table1.png").stat().st_size > 1000

    computed = ages(work / "results")
    assert len(computed) == len(table.run.stages)
    # The student of the first row alone gets its second seed; all else is there.
    for path in (work / "results").glob("*-0.json"):
        if path.stem.startswith(("pretrain", "score")) and "baseline" not in path.stem:
            twin = path.with_name(path.name.replace("-0.json", "-1.json"))
            twin.write_text(path.read_text().replace(path.stem, twin.stem))
    assert main([*arguments, "--seeds", "2"]) == 0
    assert {name: ages(work / "results")[name] for name in computed} == computed
    again = FILE.load(work / "table1.json")
    assert again.rows[0].mean_iou.num_seeds == 2
    assert again.rows[0].mean_iou.values[0] == table.rows[0].mean_iou.values[0]


@pytest.mark.slow
def test_quick_ablations_are_measured_where_one_may_choose(tmp_path):
    work = tmp_path / "work"
    assert main(["bench", "ablations", "--work", str(work), "--quick"]) == 0
    table = FILE.load(work / "ablations.json")
    assert {row.name for row in ABLATIONS} < {row.name for row in table.rows}
    assert table.run.measured_on == "tune"
    assert not (work / "test").exists()
    # What an ablation takes away from the teacher changes its embeddings.
    assert len(list((work / "teacher").glob("*/"))) == 2
    assert len(ages(work / "results")) == len(table.run.stages)


@pytest.mark.slow
def test_table2_takes_any_data_set_in_nuscenes_format(tmp_path, capsys):
    """A data set that stands for nuScenes: one root, and files that name its scenes."""
    root = tmp_path / "data"
    write_world(
        root,
        WorldOptions(
            num_scenes=3, seed=7, seconds=0.5, image_size=(56, 100), lidar_columns=180,
            is_every_frame=False,
        ),
    )  # fmt: skip
    arguments = [
        "bench",
        "table2",
        "--work",
        str(tmp_path / "work"),
        "--quick",
        "--data",
        str(root),
    ]
    for scene, name in zip(NuScenesDataset(root).scenes, ("train", "tune", "val"), strict=True):
        file = tmp_path / f"{name}.txt"
        file.write_text(f"{scene.name}\n")
        arguments += [f"--{name}-scenes", str(file)]
    few = tmp_path / "few.yaml"
    few.write_text(
        "labels: {percent: 1, sampler: clip2scene_keyframe}\ntraining: {batch_size: 1}\n"
    )
    assert main([*arguments, "--finetune", str(few)]) == 0
    printed = capsys.readouterr().out
    assert "--train-scenes train.txt --val-scenes val.txt --tune-scenes tune.txt" in printed
    assert "rendered" not in printed
    table = FILE.load(tmp_path / "work" / "table2.json")
    assert not table.run.is_synthetic
    assert {part.name: part.num_scenes for part in table.run.parts} == {
        "train": 1, "tune": 1, "test": 1,
    }  # fmt: skip
    assert table.columns == ("1 %, clip2scene_keyframe",)
    assert table.num_labelled == (1,)
    assert [cell.start for cell in table.cells] == [start.name for start in TABLE2]
    for cell in table.cells:
        (chosen,) = (one for one in cell.grid if one.is_chosen)
        assert chosen.mean_iou == max(one.mean_iou for one in cell.grid)
    assert {(one.one, one.other) for one in table.differences} >= {
        ("PPKT", "random"), ("CLIP2Scene", "random"), ("CLIP2Scene", "SLidR"),
    }  # fmt: skip
    # A test scene that was trained on is refused.
    leak = [str(tmp_path / "train.txt") if "val.txt" in one else one for one in arguments]
    leak[leak.index("--work") + 1] = str(tmp_path / "leak")
    assert main([*leak, "--finetune", str(few)]) == 1
    assert "trained" in capsys.readouterr().err


def ages(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["tables", "--quick", "--update-docs"], "nothing that a page could hold"),
        (["table1", "--seeds", "0"], "got 0 seeds"),
        (["table1", "--quick", "--long"], "take one of them"),
        (["table1", "--config", "none.yaml"], "cannot be read"),
        (["table1", "--train-scenes", "train.txt"], "name a data set"),
        (["table1", "--data", "somewhere"], "needs --train-scenes and --val-scenes"),
        (
            ["table2", "--data", "somewhere", "--train-scenes", __file__, "--val-scenes", __file__],
            "neither trained nor tested on",
        ),
    ],
)
def test_what_cannot_be_computed_is_one_line(tmp_path, capsys, arguments, message):
    work = tmp_path / "work"
    assert main(["bench", *arguments, "--work", str(work)]) == 1
    assert message in capsys.readouterr().err
    assert not work.exists()
