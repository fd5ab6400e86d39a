"""Old names of files that were renamed, for error messages."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_NEW_WORD: Final = {
    "pretrain_embedded": "pretrain_synthetic",
    "finetune_embedded": "finetune_synthetic",
    "tables_embedded": "tables_synthetic",
    "choices_embedded": "ablations_synthetic",
    "embedded_street": "synthetic_street",
}


def renamed_hint(path: Path) -> str:
    """Say what a missing file is called now.

    Args:
        path: Missing file that a user named.

    Returns:
        "; it is called ... now", or "" if no file of this project had that name.
    """
    new = Path(*map(_renamed, path.parts))
    return "" if new == path else f"; it is called {new} now"


def _renamed(part: str) -> str:
    name = Path(part)
    return _NEW_WORD[name.stem] + name.suffix if name.stem in _NEW_WORD else part
