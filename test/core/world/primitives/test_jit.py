from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize("module", ["dataset.writer", "captions.pictures"])
def test_missing_numba_is_one_clear_line(module):
    code = (
        "import sys; sys.modules['numba'] = None\n"
        "import clip2scene_core.world\n"
        f"try:\n    import clip2scene_core.world.{module}\n"
        "except ModuleNotFoundError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.count("\n") == 1
    assert 'pip install -c constraints.txt ".[train]"' in done.stdout
