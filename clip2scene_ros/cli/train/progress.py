"""Progress bars of trainings that ask a teacher first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tqdm import tqdm

if TYPE_CHECKING:
    from clip2scene_core.training.fabric import Fabric


class TrainingBars:
    """Bars for the teacher, the consensus and the student, shown by the first process only.

    Args:
        fabric: Processes of the training.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._is_silent = not fabric.is_global_zero
        self._bars: dict[str, Any] = {}

    def show_teacher(self, done: int, total: int) -> None:
        """Show how many keyframes the teacher embedded."""
        self._bar("teacher", "keyframe", done, total)

    def show_consensus(self, done: int, total: int) -> None:
        """Show of how many sequences the consensus is known."""
        self._bar("consensus", "sequence", done, total)

    def show_step(self, done: int, total: int, **shown: str | int) -> None:
        """Show how many steps the student took, with some numbers of the last one."""
        self._bar("student", "step", done, total).set_postfix(refresh=False, **shown)

    def close(self) -> None:
        """Leave the bars as they are."""
        for bar in self._bars.values():
            bar.close()

    def _bar(self, name: str, unit: str, done: int, total: int) -> Any:
        if name not in self._bars:
            self._bars[name] = tqdm(
                desc=name, total=total, initial=done - 1, unit=unit, disable=self._is_silent
            )
        bar = self._bars[name]
        bar.update(done - bar.n)
        return bar
