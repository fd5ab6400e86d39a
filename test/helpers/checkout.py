"""Where the tests find what lies beside them."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
CONFIGS = ROOT / "config"
DOCS = ROOT / "docs"
HELPERS = ROOT / "test" / "helpers"
SHARED_DATA = ROOT.parent / "shared" / "data"
"""Real frames, which are not part of this project; tests that need them skip without them."""
