"""What the package exports: each name has an example that runs, and the README's runs, too."""

import doctest
import re
import sys

import numpy as np
import pytest
from checkout import DOCS, ROOT

import clip2scene_core


@pytest.mark.parametrize("name", sorted(clip2scene_core.__all__))
def test_each_exported_name_has_an_example_that_runs(name):
    exported = getattr(clip2scene_core, name)
    documented = clip2scene_core if name == "__version__" else exported
    module = sys.modules[getattr(documented, "__module__", documented.__name__)]
    finder = doctest.DocTestFinder(recurse=False)
    (found,) = finder.find(documented, name, module=module, globs=vars(module).copy())
    examples = "".join(example.source for example in found.examples)
    assert name in examples, f"help({name}) shows no example of it"
    runner = doctest.DocTestRunner()
    runner.run(found)
    assert runner.failures == 0


def test_help_says_shapes_units_frames_and_errors():
    segment = clip2scene_core.Segmenter.segment.__doc__
    for fact in ("(N, 4) float32", "metres", "LiDAR frame", "[0, 1]", "Raises:"):
        assert fact in segment


def test_prompts_decide_what_the_next_call_looks_for():
    segmenter = clip2scene_core.load_segmenter("small", prompts=["car", "road"])
    points = np.array([[6.0, 0.0, -1.8, 0.1]] * 4, np.float32)
    before = segmenter.segment(points)
    segmenter.set_prompts(["tree"], names=["green"])
    after = segmenter.segment(points)
    assert segmenter.class_names == ("green",)
    assert (after.labels == 0).all()
    assert (before.labels < 2).all()


def test_several_texts_may_share_a_label():
    prompts = clip2scene_core.PromptSet(("road",), groups=("vehicle: car | bus",))
    segmenter = clip2scene_core.load_segmenter("small", prompts=prompts)
    assert segmenter.class_names == ("road", "vehicle")
    result = segmenter.segment(np.array([[6.0, 0.0, -1.0, 0.1]], np.float32))
    assert result.labels[0] < 2
    assert 0 < result.scores[0] <= 1


def test_a_refused_prompt_changes_nothing():
    segmenter = clip2scene_core.load_segmenter("small")
    before = segmenter.class_names
    with pytest.raises(ValueError, match=r"'giraffe'.*never saw"):
        segmenter.set_prompts(["car", "giraffe"])
    assert segmenter.class_names == before


@pytest.mark.parametrize("load", ["load_segmenter", "load_online_segmenter"])
def test_a_text_in_place_of_a_list_is_refused(load):
    with pytest.raises(ValueError, match="must be a list of texts, got the text 'car'"):
        getattr(clip2scene_core, load)("small", prompts="car")


def python_blocks(page):
    return re.findall(r"^```python\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def test_the_readme_s_python_runs():
    image = np.full((112, 200, 3), 128, np.uint8)
    intrinsics = np.array([[50.0, 0, 100], [0, 50.0, 56], [0, 0, 1]])
    points = np.random.default_rng(0).uniform(-9, 9, (300, 4)).astype(np.float32)
    given = {
        "points": points,
        "sweep": clip2scene_core.Sweep(points, np.eye(4), stamp_ns=0),
        "cameras": [clip2scene_core.CameraView("cam", image, intrinsics, np.eye(4), stamp_ns=0)],
    }
    blocks = python_blocks(ROOT / "README.md")
    assert len(blocks) == 2
    for block in blocks:
        exec(compile(block, "README.md", "exec"), given)
    assert given["result"].labels.shape == (300,)


def test_the_library_page_s_python_runs():
    given = {}
    for block in python_blocks(DOCS / "library.md"):
        exec(compile(block, "library.md", "exec"), given)
    assert given["cloud"].labels.shape == (1000,)
