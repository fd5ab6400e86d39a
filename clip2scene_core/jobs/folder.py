"""The folder of the outputs: records of the jobs beside them, and the manifest over all."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clip2scene_core.atomic_write import atomic_write
from clip2scene_core.files.damage import name_damage
from clip2scene_core.jobs.claim import claim
from clip2scene_core.jobs.record import Job, Record, digest

_MANIFEST: Final = "manifest.json"
_RECORDS: Final = ".jobs"
_FORMAT: Final = "clip2scene jobs 1"
_REMEDY: Final = "; remove it to do the job again"


@dataclass(frozen=True)
class JobFolder:
    """Outputs of jobs, `<name>/` each, with a record and a lock file for each in `.jobs/`.

    Attributes:
        root: Path of the folder that holds all of them.
        jobs: Those that are wanted, also where a process does a share of them only.
    """

    root: Path
    jobs: Sequence[Job]

    def make(self) -> None:
        """Make the folder, if it is not there, and its manifest.

        Raises:
            NoLocksError: If the file system has no locks.
            OSError: If it cannot be made.
            ValueError: If a record is damaged.
        """
        self._records.mkdir(parents=True, exist_ok=True)
        self.write_manifest()

    @property
    def manifest(self) -> Path:
        """File that says what is done, and by which settings."""
        return self.root / _MANIFEST

    def output(self, job: Job) -> Path:
        """Folder that a job makes."""
        return self.root / job.name

    @contextmanager
    def claim(self, job: Job) -> Iterator[bool]:
        """Claim a job; see `jobs.claim.claim`.

        Raises:
            NoLocksError: If the file system has no locks.
        """
        with claim(self._records / f"{job.name}.lock") as is_mine:
            yield is_mine

    def read(self, job: Job) -> Record | None:
        """The record of a job; None if there is none.

        Raises:
            ValueError: If it is damaged.
        """
        return self._read(self._record(job.name))

    def write(self, job: Job, record: Record | None) -> None:
        """Replace the record of a job; None removes it."""
        path = self._record(job.name)
        if record is None:
            path.unlink(missing_ok=True)
            return
        with atomic_write(path) as draft:
            draft.write_text(json.dumps(record.to_json(), indent=1))

    def holds(self, job: Job, record: Record) -> bool:
        """Whether a job is done: its output is there, of the same source by the same settings."""
        return record.state == "done" and record.is_of(job) and self.output(job).is_dir()

    def write_manifest(self) -> None:
        """Gather all records in `manifest.json`; jobs without one are waiting.

        Raises:
            ValueError: If a record is damaged.
        """
        with claim(self._records / f"{_MANIFEST}.lock", waits=True):
            outputs: dict[str, Any] = {
                job.name: {"state": "waiting", "source": str(job.source)} for job in self.jobs
            }
            settings: dict[str, Any] = {}
            for path in sorted(self._records.glob("*.json")):
                record = self._read(path)
                if record is not None:
                    name = digest(record.settings)
                    settings[name] = record.settings
                    outputs[path.stem] = record.to_json() | {"settings": name}
            content = {
                "format": _FORMAT,
                "outputs": dict(sorted(outputs.items())),
                "settings": settings,
            }
            with atomic_write(self.manifest) as draft:
                draft.write_text(json.dumps(content, indent=1))

    @property
    def _records(self) -> Path:
        return self.root / _RECORDS

    def _record(self, name: str) -> Path:
        return self._records / f"{name}.json"

    def _read(self, path: Path) -> Record | None:
        if not path.is_file():
            return None
        with name_damage(path, "record of a job", remedy=_REMEDY):
            return Record(**json.loads(path.read_text()))
