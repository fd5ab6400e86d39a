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
    new = "/".join(_NEW_WORD.get(Path(part).stem, part) for part in path.parts)
    new = new.replace("//", "/")
    if new == path.as_posix():
        return ""
    return f"; it is called {new}{path.suffix} now"
