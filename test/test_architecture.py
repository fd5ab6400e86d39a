import re
import subprocess
from pathlib import Path

import pytest

import clip2scene_core
from clip2scene_core.config import load_config

ROOT = Path(__file__).parents[1]
MODULES = sorted(
    path.relative_to(ROOT)
    for package in ("clip2scene_core", "clip2scene_ros")
    for path in (ROOT / package).rglob("*.py")
)


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_a_file_has_one_job(module):
    lines = (ROOT / module).read_text().splitlines()
    assert len(lines) <= 400, f"{module} has {len(lines)} lines: split it by nouns"


def test_the_readme_map_lists_every_module():
    readme = (ROOT / "README.md").read_text()
    listed = set(re.findall(r"`(\w+\.py)`", readme))
    missing = {module.name for module in MODULES} - listed - {"__init__.py"}
    gone = listed - {module.name for module in MODULES} - {"segment.launch.py"}
    assert not missing, f"the README's map leaves out {sorted(missing)}"
    assert not gone, f"the README's map names {sorted(gone)}, which are not there"


def test_the_version_is_one():
    package = (ROOT / "package.xml").read_text()
    setup = (ROOT / "setup.py").read_text()
    assert f"<version>{clip2scene_core.__version__}</version>" in package
    assert f'version="{clip2scene_core.__version__}"' in setup


@pytest.mark.parametrize("path", sorted(ROOT.glob("config/pretrain_*.yaml")), ids=lambda p: p.name)
def test_shipped_configurations_load(path):
    assert load_config(path).training.epochs > 0


def test_nothing_large_or_pickled_is_tracked():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split("\0")
    for name in filter(None, tracked):
        path = ROOT / name
        assert path.suffix not in (".pt", ".pth", ".pkl", ".pickle"), name
        if path.exists():
            assert path.stat().st_size <= 10 * 2**20, f"{name} is larger than 10 MB"
