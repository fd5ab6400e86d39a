import csv

from separable_samples import TEXT, SeparableSamples, make_config

from clip2scene_core.training.fabric import make_fabric
from clip2scene_core.training.pretrain.trainer import StudentTrainer
from clip2scene_core.training.run_log import RunLog


def test_a_run_is_logged_step_by_step(tmp_path):
    config = make_config("unused", "training.epochs=1")
    log, totals = RunLog(tmp_path, every=3), []

    def report(step) -> None:
        log.add(step)
        totals.append(step.losses["total"])

    StudentTrainer(SeparableSamples(4), TEXT, config, make_fabric(config)).train(report)
    log.close()
    with (tmp_path / "steps.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["3", "4"]
    assert float(rows[1]["loss/total"]) == totals[3]
