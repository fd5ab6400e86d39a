import ast
import io
import re
import subprocess
import tokenize
from collections import defaultdict

import pytest
from checkout import ROOT

import clip2scene_core
from clip2scene_core.config.pretrain import load_config

PACKAGES = ("clip2scene_core", "clip2scene_ros")
FILES = sorted(
    path.relative_to(ROOT)
    for folder in (*PACKAGES, "test")
    for path in (ROOT / folder).rglob("*.py")
)
FOLDERS = sorted({path.parent for path in FILES})
MAX_LINES = 400
MAX_FILES = 15
ROS = {"clip2scene_ros", "launch", "launch_ros", "rclpy", "rosbags", "tf2_py", "tf2_ros"}
ROS_HELPERS = {path.stem for path in (ROOT / "test" / "helpers" / "ros").glob("*.py")}
CORE_TESTS = [
    file
    for file in FILES
    if file.is_relative_to("test/core")
    or str(file.parent) in ("test", "test/helpers", "test/helpers/data", "test/helpers/processes")
    if file.stem not in ("test_architecture", "test_docs", "test_packaging")
]
OTHER_FOLDERS = {*PACKAGES, "models", "config", "docs", "launch", "rosbags", "test"}
"""On the map of the README without being packages."""


@pytest.mark.parametrize("file", FILES, ids=str)
def test_a_file_has_one_job(file):
    lines = (ROOT / file).read_text().splitlines()
    assert len(lines) <= MAX_LINES, f"{file} has {len(lines)} lines: split it by nouns"


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_folder_is_taken_in_at_a_glance(folder):
    files = [path for path in FILES if path.parent == folder and path.stem != "__init__"]
    assert len(files) <= MAX_FILES, f"{folder} holds {len(files)} files: make rooms in it"


@pytest.mark.parametrize("folder", [f for f in FOLDERS if f.parts[0] in PACKAGES], ids=str)
def test_a_folder_says_what_is_in_it(folder):
    """Its `__init__` names every file in reading order; a file that is gone is not named."""
    module = ast.parse((ROOT / folder / "__init__.py").read_text())
    docstring = ast.get_docstring(module) or ""
    files = {path.stem for path in FILES if path.parent == folder} - {"__init__"}
    rooms = {path.name for path in FOLDERS if path.parent == folder}
    named = {name.strip("/") for name in re.findall(r"`([a-z_0-9/]+)`", docstring)}
    if len(folder.parts) > 1:
        assert not files - named, f"{folder}/__init__.py leaves out {sorted(files - named)}"
    assert not rooms - named, f"{folder}/__init__.py leaves out {sorted(rooms - named)}"


@pytest.mark.parametrize("file", CORE_TESTS, ids=str)
def test_the_core_is_tested_without_ros(file):
    """Neither the core's tests nor what they share import ROS, or what imports it."""
    imported = set()
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
    ros = {name for name in imported if name in ROS | ROS_HELPERS or name.endswith("_msgs")}
    assert not ros, f"{file} imports {sorted(ros)}: move what needs it to test/ros"


def test_the_readme_map_shows_every_folder():
    listed = set(re.findall(r"`([a-z_/]+)/`", (ROOT / "README.md").read_text()))
    rooms = {"/".join(f.parts[1:]) for f in FOLDERS if f.parts[0] in PACKAGES and f.parts[1:]}
    missing = {room for room in rooms if room not in listed and room.split("/")[-1] not in listed}
    assert not missing, f"the README's map leaves out {sorted(missing)}"
    gone = listed - rooms - {room.split("/")[-1] for room in rooms} - OTHER_FOLDERS
    assert not gone, f"the README's map names {sorted(gone)}, which are not there"


OLD_NAMES = {
    "Wording", "wording", "Words", "make_words", "PromptEncoder", "engine", "Engine",
    "SweepAssembler", "assembler", "AssemblyOptions", "WaitingCloud", "CameraInput",
    "StampWatch", "mount", "mounts", "Mount", "Thing", "things", "Things", "Teaching",
    "AveragedStudent", "Batches", "losses_of", "name_by_teacher", "name_by_text", "rivals",
    "Probe", "probe", "probes", "PatientParameterService", "_foresee", "_swap", "is_wanted",
    "normalise", "optimiser", "colour", "colours", "centre", "centres", "neighbour",
    "neighbours", "grey", "truth", "drive", "save_noun", "load_noun",
}  # fmt: skip
"""Names that became others; the changelog says which."""


@pytest.mark.parametrize("file", FILES, ids=str)
def test_old_names_are_gone(file):
    tokens = tokenize.generate_tokens(io.StringIO((ROOT / file).read_text()).readline)
    names = {token.string for token in tokens if token.type == tokenize.NAME}
    assert names & OLD_NAMES == set()


def test_a_class_name_means_one_class():
    places = defaultdict(list)
    for file in FILES:
        if file.parts[0] in PACKAGES:
            for node in ast.parse((ROOT / file).read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].append(str(file))
    assert {name: files for name, files in places.items() if len(files) > 1} == {}


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
            largest = 25 if path.parent.name == "models" else 10
            assert path.stat().st_size <= largest * 2**20, f"{name} is larger than {largest} MB"
