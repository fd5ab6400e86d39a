from dataclasses import replace

import numpy as np
import torch
from PIL import Image

from clip2scene_core.datasets import NuScenesDataset
from clip2scene_core.labels import IGNORE_LABEL
from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_core.visualization.closing_page import WordRow, write_closing_page
from clip2scene_core.visualization.word_pictures import WordPictures

WORDS = make_vocabulary(
    ("car", "road", "tree"), torch.eye(3), palette=(250, 0, 0, 0, 250, 0, 0, 0, 250)
)


def drawn_in(picture: Image.Image, color) -> tuple[int, int]:
    """Pixels of a color in the left and in the right half."""
    is_color = (np.abs(np.asarray(picture, int) - color) < 20).all(axis=2)
    half = picture.width // 2
    return int(is_color[:, :half].sum()), int(is_color[:, half:].sum())


def test_a_word_is_drawn_where_each_says_it(tiny_nuscenes):
    dataset, pictures = NuScenesDataset(tiny_nuscenes), WordPictures(WORDS)
    for index in range(2):
        sample = dataset[index]
        count = len(sample.keyframe.points)
        by_teacher = np.full(count, IGNORE_LABEL, np.uint8)
        by_teacher[: count // 2] = index  # in the second keyframe all of them are roads
        pictures.add(sample, by_teacher, np.zeros(count, np.uint8))
    left, right = drawn_in(pictures.draw_word(0), (250, 0, 0))
    assert 0 < left < right  # the student says car of all points
    left, right = drawn_in(pictures.draw_word(1), (0, 250, 0))
    assert left > 0
    assert right == 0
    assert pictures.draw_word(2) is None
    assert pictures.draw_map().width > 800


def test_what_the_teacher_says_chooses_the_view(tiny_nuscenes):
    dataset = NuScenesDataset(tiny_nuscenes)
    first, second = dataset[0], dataset[1]
    cars, nothing = np.zeros(48, np.uint8), np.full(48, IGNORE_LABEL, np.uint8)
    pictures = WordPictures(WORDS)
    pictures.add(first, nothing, cars)
    one_car = nothing.copy()
    one_car[:8] = 0
    pictures.add(second, one_car, nothing)
    left, right = drawn_in(pictures.draw_word(0), (250, 0, 0))
    assert left > 0
    assert right == 0


def test_without_keyframes_there_is_nothing_to_draw():
    pictures = WordPictures(WORDS)
    assert pictures.draw_word(0) is pictures.draw_map() is None


def test_the_page_is_one_file_and_escapes_what_was_typed(tmp_path):
    path = tmp_path / "student.report.html"
    rows = [
        WordRow("<car>", (250, 0, 0), ("1.0", "-"), Image.new("RGB", (8, 8))),
        WordRow("road", (0, 250, 0), ("99.0", "8"), None),
    ]
    write_closing_page(
        path, "a & b", ["50 % in view"], [("few", "record <more>")], ["share", "same"], rows
    )
    text = path.read_text()
    assert "<car>" not in text
    assert "&lt;car&gt;" in text
    assert "a &amp; b" in text
    assert "<li>few<br><em>record &lt;more&gt;</em></li>" in text
    assert text.count("data:image/jpeg;base64,") == 1
    assert "Neither teacher nor student says it" in text
    assert "src=" not in text.replace('src="data:', "")  # nothing lies outside
    write_closing_page(path, "t", [], [], [], [replace(rows[0], picture=None)])
    assert "Neither teacher" not in path.read_text()
    assert "Nothing in particular" in path.read_text()
