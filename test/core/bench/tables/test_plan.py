from dataclasses import replace
from pathlib import Path

import pytest
from checkout import CONFIGS

from clip2scene_core.bench.splits import Scenes
from clip2scene_core.bench.tables.finetuning import Start, Trial, grid_of
from clip2scene_core.bench.tables.plan import distinct, plan_rows
from clip2scene_core.bench.tables.rows import (
    ABLATIONS,
    BASELINE,
    FULL,
    RECOMMENDED,
    STUDIES,
    TABLE1,
    TABLE2,
    TEACHER,
    TableRow,
)
from clip2scene_core.bench.tables.run import TablesOptions, lengthened
from clip2scene_core.bench.tables.scenes import TableScenes, synthetic_worlds
from clip2scene_core.bench.training_stages import quick_config
from clip2scene_core.config.finetune import FinetuneConfig
from clip2scene_core.config.pretrain import load_config
from clip2scene_core.labels import NUSCENES_CLASSES

BASE = load_config(CONFIGS / "tables_synthetic.yaml")


def plan_of(name: str):
    row = next(row for row in TABLE1 if row.name == name)
    return plan_rows([row], BASE, CONFIGS)[row]


def test_the_papers_numbers_are_the_papers():
    """Table 1 and the columns of nuScenes in Table 2, arXiv 2301.04926."""
    paper = {row.name: row.paper for row in TABLE1 if row.paper is not None}
    assert paper == {
        "baseline": 0.151,
        "prompts: nuScenes": 0.151,
        "prompts: SemanticKITTI": 0.139,
        "prompts: Cityscapes": 0.113,
        "without spatial-temporal loss": 0.198,
        "KL": 0.0,
        "without S3": 0.188,
        "ST": 0.101,
        "1 sweep": 0.187,
        "3 sweeps": 0.208,
        "5 sweeps": 0.206,
        "merged": 0.186,
        "CLIP2Scene": 0.208,
    }
    assert {start.name: start.paper for start in TABLE2 if start.paper} == {
        "random": (0.422, 0.691),
        "PPKT": (0.480, 0.701),
        "SLidR": (0.482, 0.704),
        "CLIP2Scene": (0.563, 0.715),
    }


@pytest.mark.parametrize(
    ("name", "sweeps", "is_merged", "semantic", "spatial", "granularity", "probability"),
    [
        (BASELINE, 1, False, "cross_entropy", "none", "none", 0.5),
        ("prompts: Cityscapes", 1, False, "cross_entropy", "none", "none", 0.5),
        ("without spatial-temporal loss", 3, False, "cross_entropy", "none", "point", 0.5),
        ("KL", 3, False, "kl", "none", "none", 0.5),
        ("without S3", 3, False, "cross_entropy", "paper", "none", 0.5),
        ("ST", 3, False, "cross_entropy", "paper", "point", 1.0),
        ("1 sweep", 1, False, "cross_entropy", "paper", "point", 0.5),
        ("5 sweeps", 5, False, "cross_entropy", "paper", "point", 0.5),
        ("merged", 3, True, "cross_entropy", "paper", "point", 0.5),
        (FULL, 3, False, "cross_entropy", "paper", "point", 0.5),
        ("Eq. (1) to (4) to the letter", 3, False, "paper_eq1", "paper", "point", 0.5),
    ],
)
def test_rows_are_what_the_paper_describes(
    name, sweeps, is_merged, semantic, spatial, granularity, probability
):
    config = plan_of(name).config
    assert (config.sweeps.count, config.sweeps.is_merged) == (sweeps, is_merged)
    assert (config.losses.semantic, config.losses.spatial_temporal) == (semantic, spatial)
    assert config.switching.granularity == granularity
    assert config.switching.probability == probability
    assert config.losses.contrastive == "none"


def test_rows_share_network_teacher_and_schedule():
    rows = [*TABLE1, *(start.pretraining for start in TABLE2 if start.pretraining)]
    for plan in plan_rows(rows, BASE, CONFIGS).values():
        for section in ("network", "teacher", "training", "augmentation"):
            assert getattr(plan.config, section) == getattr(BASE, section), plan.row.name
        assert plan.config.switching.start_epoch == BASE.switching.start_epoch


def test_every_ablation_differs_from_the_profile_in_what_it_says():
    base = load_config(CONFIGS / "ablations_synthetic.yaml")
    plans = {plan.row.name: plan.config for plan in plan_rows(ABLATIONS, base, CONFIGS).values()}
    recommended = plans.pop(RECOMMENDED)
    assert recommended.consensus.voxel_size_m > 0
    assert plans["without consensus"] == replace(
        recommended, consensus=replace(recommended.consensus, voxel_size_m=0)
    )
    assert plans["labels weighed by confidence"] == replace(
        recommended, losses=replace(recommended.losses, weigh_by_confidence=True)
    )
    assert len({repr(config) for config in [recommended, *plans.values()]}) == len(ABLATIONS)
    longer, with_s3 = plans.pop("24 epochs"), plans.pop("24 epochs with S3")
    assert longer.training == replace(base.training, epochs=3 * base.training.epochs)
    assert with_s3.training == longer.training
    assert 2 * with_s3.switching.start_epoch == longer.training.epochs
    assert all(config.training == base.training for config in plans.values())
    # S3 begins after half of the schedule, as the paper's does.
    assert 2 * base.switching.start_epoch == base.training.epochs


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_read_against_rows_that_it_has(name):
    rows = {row.name for row in STUDIES[name].rows}
    assert set(STUDIES[name].against) <= {*rows, TEACHER}


def test_equal_rows_share_a_run_and_others_do_not():
    rows = [*TABLE1, *(start.pretraining for start in TABLE2 if start.pretraining)]
    plans = plan_rows(rows, BASE, CONFIGS)
    by_name = {}
    for row, plan in plans.items():
        by_name.setdefault(row.name, set()).add(plan.run)
    assert by_name["CLIP2Scene"] == by_name["3 sweeps"] == {"3-sweeps"}
    runs = distinct(plans)
    assert len({plan.run for plan in runs}) == len(runs) == len({repr(p.config) for p in runs})
    with pytest.raises(ValueError, match="two rows are called kl"):
        plan_rows([TableRow("KL", ()), TableRow("kl", ("sweeps.count=3",))], BASE, CONFIGS)


def test_prompts_of_a_file_are_trained_each_for_itself(tmp_path):
    (tmp_path / "words.yaml").write_text(
        "car: [car, giraffe]\nvegetation: [tree, bush]\nterrain: zebra\nno class: sky\n"
    )
    row = TableRow("words", (), prompts="words.yaml")
    plan = plan_rows([row], BASE, tmp_path)[row]
    assert plan.config.prompts == plan.config.classes == ("car", "tree", "bush", "sky")
    assert dict(plan.labels) == {
        "car": ("car",), "vegetation": ("tree", "bush"), "no class": ("sky",),
    }  # fmt: skip
    assert plan.unread == ("giraffe", "zebra")
    assert plan.refusal == ""


def test_a_row_whose_words_the_clip_does_not_know_is_refused(tmp_path):
    (tmp_path / "words.yaml").write_text("car: giraffe\ntruck: zebra\n")
    row = TableRow("words", (), prompts="words.yaml")
    plan = plan_rows([row], BASE, tmp_path)[row]
    assert plan.config is None
    assert plan.refusal == "refused: CLIP knows too few words of words.yaml (not giraffe, zebra)"
    assert distinct({row: plan}) == []
    with pytest.raises(ValueError, match="refused"):
        plan.with_seed(0)


def test_recommended_is_the_profile_of_that_name():
    profile = load_config(CONFIGS / "pretrain_recommended.yaml")
    config = plan_of("recommended").config
    assert (config.consensus, config.losses) == (profile.consensus, profile.losses)
    assert TABLE2[-1].pretraining == TABLE1[-1]


def test_a_profile_gives_the_method_alone(tmp_path):
    (tmp_path / "profile.yaml").write_text(
        "network: {width: 1.0}\ntraining: {epochs: 99}\nsweeps: {count: 2}\n"
        "teacher: {key_smoothing: false}\nlosses: {temperature: 0.3}\n"
        "switching: {granularity: sample, start_epoch: 77}\n"
    )
    row = TableRow("profile", ("losses.class_balance=false",), profile="profile.yaml")
    config = plan_rows([row], BASE, tmp_path)[row].config
    assert (config.network, config.teacher, config.training) == (
        BASE.network, BASE.teacher, BASE.training,
    )  # fmt: skip
    assert (config.sweeps.count, config.losses.temperature) == (2, 0.3)
    assert not config.losses.class_balance
    assert config.switching.granularity == "sample"
    assert config.switching.start_epoch == BASE.switching.start_epoch


def test_every_seed_has_its_own_checkpoint():
    student = plan_of("KL").student(Path("work"), 2)
    assert student.config.training.seed == 2
    assert student.weights == Path("work/students/kl-2.safetensors")
    assert student.name == "kl-2"


def test_a_quick_configuration_still_switches():
    quick = quick_config(BASE)
    assert quick.training.epochs == 1
    assert quick.switching.start_epoch == 0


def test_every_start_is_tuned_over_the_same_grid():
    column = replace(FinetuneConfig(), training=replace(FinetuneConfig().training, epochs=3))
    grid = grid_of(column, BASE)
    assert [point.training.learning_rate for point in grid] == pytest.approx(
        [0.02, 0.02, 0.006, 0.006]
    )
    assert [point.training.epochs for point in grid] == [3, 2, 3, 2]
    assert [point.head.learning_rate for point in grid] == pytest.approx([2.0, 2.0, 0.6, 0.6])
    assert {point.network for point in grid} == {BASE.network}


def test_a_trials_name_tells_settings_and_tuning_scenes_apart():
    start = Start(TABLE2[0], None)
    tune = Scenes(Path("a"))
    grid = grid_of(FinetuneConfig(), BASE)
    trials = [Trial(start, config, tune, 0) for config in grid]
    names = {trial.name for trial in trials}
    assert len(names) == len(grid)
    assert replace(trials[0], tune=Scenes(Path("b"))).name not in names
    again = trials[0].with_seed(1)
    assert again.name == trials[0].name[:-1] + "1"
    assert again.config.training.seed == 1


def test_the_synthetic_scenes_are_of_the_benchmarks_splits():
    worlds = synthetic_worlds(is_quick=False, measured_on="test")
    assert {name: world.seed for name, world in worlds.items()} == {
        "train": 1, "val": 100, "test": 300,
    }  # fmt: skip
    assert worlds["train"].previous_sweeps >= 4  # 5 sweeps are a row
    ablations = synthetic_worlds(is_quick=False, measured_on="tune")
    assert list(ablations) == ["train", "val"]  # nothing is chosen by the test scenes
    assert ablations["train"] == worlds["train"]


def test_labels_of_the_bases_prompts_are_the_classes():
    assert BASE.classes == tuple(one.name for one in NUSCENES_CLASSES)


def options(tmp_path, **changes) -> TablesOptions:
    values = {
        "tables": ("table1", "table2"), "work": tmp_path, "scenes": None, "base": BASE,
        "columns": (FinetuneConfig(),), "configs": CONFIGS, "num_seeds": 3, "is_quick": True,
        "workers": 1, "device": "cpu", "command": "",
    }  # fmt: skip
    return TablesOptions(**{**values, **changes})


def test_what_cannot_be_computed_is_said_at_once(tmp_path):
    place = Scenes(tmp_path)
    with pytest.raises(ValueError, match="got 0 seeds"):
        options(tmp_path, num_seeds=0)
    with pytest.raises(ValueError, match="needs a share of the labels"):
        options(tmp_path, columns=())
    with pytest.raises(ValueError, match="neither trained nor tested on"):
        options(tmp_path, scenes=TableScenes(place, None, place))
    with pytest.raises(ValueError, match="ablations is computed alone, got table1, ablations"):
        options(tmp_path, tables=("table1", "ablations"))
    with pytest.raises(ValueError, match="name those to tune on"):
        options(tmp_path, tables=("ablations",), scenes=TableScenes(place, None, place))
    with pytest.raises(ValueError, match="name those to test on"):
        options(tmp_path, tables=("table1",), scenes=TableScenes(place, place, None))
    without = options(tmp_path, tables=("table1",), scenes=TableScenes(place, None, place))
    assert without.measured == place
    ablations = options(tmp_path, tables=("ablations",))
    assert ablations.measured == Scenes(tmp_path / "val")


def test_a_long_table_trains_every_row_as_long_and_has_s3_in_its_second_half():
    plans = plan_rows(TABLE1, lengthened(BASE), CONFIGS)
    configs = [plan.config for plan in plans.values() if plan.config is not None]
    assert configs
    for config in configs:
        assert config.training.epochs == 12 * BASE.training.epochs
        assert config.switching.start_epoch == 6 * BASE.training.epochs
