"""Plan the pre-trainings for the rows of the tables; equal rows share their runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from clip2scene_core.bench.measure.score import Labels
from clip2scene_core.bench.runs import StudentRun, trained_run, with_seed
from clip2scene_core.bench.tables.rows import TableRow
from clip2scene_core.config.parser import override
from clip2scene_core.config.pretrain import PretrainConfig, load_config
from clip2scene_core.prompts.prompt_set import load_prompt_set
from clip2scene_core.teacher.clip import load_clip
from clip2scene_core.teacher.score import unreadable


@dataclass(frozen=True)
class Plan:
    """How one row is pre-trained, for all seeds.

    Attributes:
        row: Row of a table.
        run: Name of its runs, for files; that of the first row with the same configuration.
        config: Configuration, its own seed is replaced; None if the row is refused.
        labels: Classes with the texts of the row's file; () for the prompts of the configuration.
        unread: Texts of the file that the CLIP does not know; they are left out.
    """

    row: TableRow
    run: str
    config: PretrainConfig | None
    labels: Labels = ()
    unread: tuple[str, ...] = ()

    @property
    def refusal(self) -> str:
        """Why the row cannot be trained; "" if it can."""
        if self.config is not None:
            return ""
        unread = ", ".join(self.unread)
        return f"refused: CLIP knows too few words of {self.row.prompts} (not {unread})"

    def with_seed(self, seed: int) -> PretrainConfig:
        """Give the configuration of one seed.

        Raises:
            ValueError: If the row is refused.
        """
        if self.config is None:
            raise ValueError(self.refusal)
        return with_seed(self.config, seed)

    def student(self, work: Path, seed: int) -> StudentRun:
        """Plan the training of one seed in the folder of the bench; see `with_seed`."""
        return trained_run(self.run, self.with_seed(seed), seed, work)


def plan_rows(
    rows: Iterable[TableRow], base: PretrainConfig, configs: Path
) -> dict[TableRow, Plan]:
    """Apply the settings of rows to the configuration that they change.

    Args:
        rows: Rows of all tables that share a folder.
        base: Configuration that the rows change.
        configs: Folder of the files that rows name.

    Returns:
        The plan of each row, in order.

    Raises:
        ValueError: If a setting does not fit, a file cannot be read, or two rows with different
            configurations share a name.
    """
    plans: dict[TableRow, Plan] = {}
    runs: dict[str, str] = {}  # name of the run by the configuration
    for row in rows:
        plan = _plan(row, base, configs)
        run = runs.setdefault(repr(plan.config or row), plan.run)
        plans[row] = replace(plan, run=run)
    taken = {plan.run: plan.config for plan in plans.values()}
    for plan in plans.values():
        if taken[plan.run] != plan.config:
            raise ValueError(f"two rows are called {plan.run}, but their configurations differ")
    return plans


def distinct(plans: Mapping[TableRow, Plan]) -> list[Plan]:
    """Give one plan for each run that is not refused, in order."""
    runs: dict[str, Plan] = {}
    for plan in plans.values():
        if plan.config is not None:
            runs.setdefault(plan.run, plan)
    return list(runs.values())


def _plan(row: TableRow, base: PretrainConfig, configs: Path) -> Plan:
    config = override(_with_profile(base, configs, row.profile), row.settings)
    run = "-".join(re.findall(r"\w+", row.name.lower()))
    if not row.prompts:
        return Plan(row, run, config)
    labels = load_prompt_set(configs / row.prompts).labels()
    listed = [text for _, texts in labels for text in texts]
    unread = unreadable(load_clip(base.teacher.clip), listed)
    kept = [(name, tuple(text for text in texts if text not in unread)) for name, texts in labels]
    read = tuple((name, texts) for name, texts in kept if texts)
    texts = tuple(text for _, texts in read for text in texts)
    if len(texts) < 2:
        return Plan(row, run, None, unread=tuple(unread))
    config = replace(config, classes=texts, prompts=texts)
    return Plan(row, run, config, read, tuple(unread))


def _with_profile(base: PretrainConfig, configs: Path, name: str) -> PretrainConfig:
    """Take all of a profile but classes, prompts, network, input, teacher, schedule."""
    if not name:
        return base
    profile = load_config(configs / name)
    return replace(
        profile,
        classes=base.classes,
        prompts=base.prompts,
        network=base.network,
        input=base.input,
        teacher=base.teacher,
        training=base.training,
        # When self-training begins is a part of the schedule.
        switching=replace(profile.switching, start_epoch=base.switching.start_epoch),
    )
