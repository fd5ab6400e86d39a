"""What the rows of the zero-shot table train, and when the bench refuses a configuration."""

from dataclasses import replace
from pathlib import Path

import pytest
from checkout import CONFIGS

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.bench.tables.scenes import synthetic_worlds
from clip2scene_core.bench.zeroshot.rows import FULL, ROWS, ZeroShotRow, plan_run
from clip2scene_core.bench.zeroshot.run import ZeroShotBenchOptions, quick_zeroshot, worlds_of
from clip2scene_core.config.parser import override
from clip2scene_core.config.sections import ConfigError
from clip2scene_core.config.zeroshot import load_zeroshot_config

BASE = load_zeroshot_config(CONFIGS / "zeroshot_tables_synthetic.yaml")
PLANS = {row.name: plan_run(row, BASE, 1, Path("work")) for row in ROWS}


def options_of(base=BASE, **others) -> ZeroShotBenchOptions:
    values = {"num_seeds": 1, "workers": 1, "is_quick": True, "device": "cpu", **others}
    return ZeroShotBenchOptions(work=Path("work"), command="", base=base, **values)


def test_every_row_takes_away_what_it_says_and_nothing_else():
    seeded = replace(BASE, training=replace(BASE.training, seed=1))
    assert PLANS[FULL].config == seeded

    def without(**changes: float):
        return replace(seeded, losses=replace(seeded.losses, **changes))

    assert PLANS["without prototype loss"].config == without(prototype_weight=0)
    assert PLANS["without patch loss"].config == without(patch_weight=0)
    assert PLANS["without pseudo labels"].config == without(pseudo_weight=0)
    assert PLANS["seen labels only"].config == without(
        pseudo_weight=0, prototype_weight=0, patch_weight=0
    )
    assert PLANS["without self-training"].config == replace(
        seeded, self_training=replace(seeded.self_training, start=1)
    )
    assert [row.name for row in ROWS if row.is_supervised] == ["full supervision"]


def test_the_base_has_all_that_the_rows_take_away():
    losses = PLANS[FULL].config.losses
    assert min(losses.prototype_weight, losses.patch_weight, losses.pseudo_weight) > 0
    epochs = BASE.training.epochs
    assert 0 < BASE.self_training.first_epoch(epochs) < epochs
    quick = quick_zeroshot(BASE)
    assert quick.self_training.first_epoch(quick.training.epochs) == 1


def test_runs_of_a_bench_are_told_apart_by_row_and_seed():
    runs = options_of(num_seeds=3).runs
    assert len({one.name for one in runs}) == len(runs) == 3 * len(ROWS)
    assert [run.config.training.seed for run in runs[:3]] == [0, 1, 2]
    assert runs[0].weights == Path("work/students/full-method-0.safetensors")


def test_a_setting_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="no_such"):
        plan_run(ZeroShotRow("row", ("losses.no_such=0",)), BASE, 0, Path("work"))


@pytest.mark.parametrize(
    ("assignments", "message"),
    [
        (["class_split.name=annotation_free"], "choose a split with both"),
        (["class_split.name=nuscenes_b12_n3"], "without ignored ones, got 'nuscenes_b12_n3'"),
        (
            ["classes=[car,tree]", "prompts=[car,tree]", "class_split={name: own, unseen: [tree]}"],
            "in their order, got car, tree",
        ),
    ],
)
def test_a_configuration_that_the_table_cannot_be_made_of_is_refused(assignments, message):
    with pytest.raises(ValueError, match=message):
        options_of(override(BASE, assignments))


def test_a_bench_needs_a_seed():
    with pytest.raises(ValueError, match="got 0 seeds"):
        options_of(num_seeds=0)


def test_more_scenes_than_the_other_tables_have_and_no_sweep_without_labels():
    whole, quick = worlds_of(is_quick=False), worlds_of(is_quick=True)
    assert list(whole) == list(quick) == ["train", "val", "test"]
    for name, world in synthetic_worlds(False, "test").items():
        assert whole[name].num_scenes > world.num_scenes
        assert whole[name].seed == world.seed
        assert whole[name].previous_sweeps == 0
    assert quick["train"].num_scenes == 2
