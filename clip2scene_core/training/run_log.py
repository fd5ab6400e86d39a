"""Logs the steps of a run to a CSV file, and to TensorBoard where it is installed."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

try:
    from torch.utils.tensorboard import SummaryWriter
except ImportError:  # tensorboard is an extra
    SummaryWriter = None  # type: ignore[assignment,misc]


class LoggedStep(Protocol):
    """Report of a step, in pre-training or fine-tuning."""

    @property
    def step(self) -> int:
        """Number of steps that are done."""
        ...

    @property
    def num_steps(self) -> int:
        """Number of steps of the run."""
        ...

    @property
    def values(self) -> Mapping[str, float]:
        """Numbers to log, by name. All steps have the same names."""
        ...


# Lightning Fabric's CSVLogger is no substitute: it deletes the file of the run that is resumed, and
# it sorts the columns.
class RunLog:
    """Writes a row for every n-th step and for the last one.

    A resumed run appends to the file.

    Args:
        folder: Folder to write `steps.csv` to, and `events.*` for TensorBoard.
        every: Number of steps from row to row, n.
    """

    def __init__(self, folder: Path, every: int = 10) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._every = every
        path = folder / "steps.csv"
        self._is_new = not path.exists()
        self._file = path.open("a", newline="", encoding="utf-8")
        self._rows: csv.DictWriter[str] | None = None
        self._events = None if SummaryWriter is None else SummaryWriter(str(folder))

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._events is not None:
            self._events.close()

    def add(self, step: LoggedStep) -> None:
        """Write the row of a step, if the step is an n-th one or the last."""
        if step.step % self._every and step.step != step.num_steps:
            return
        values = step.values
        if self._rows is None:
            self._rows = csv.DictWriter(self._file, ["step", *values])
            if self._is_new:
                self._rows.writeheader()
        self._rows.writerow({"step": step.step, **values})
        self._file.flush()
        if self._events is not None:
            for name, value in values.items():
                self._events.add_scalar(name, value, step.step)
