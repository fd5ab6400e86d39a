"""Advice on words appears only if the counts call for it."""

import numpy as np

from clip2scene_core.doctor.finding import Level
from clip2scene_core.doctor.words import check_agreement, check_words
from clip2scene_core.evaluation import ConfusionMatrix

WORDS = ("car", "road", "tree")


def taught(labels, keyframes=(50, 50, 50)):
    return check_words(WORDS, np.array(labels), np.array(keyframes), 60)


def test_words_that_are_common_need_no_advice():
    (found,) = taught([1000, 8000, 10])  # 0.11 %
    assert found.level is Level.OK
    assert "all 3 of them" in found.text


def test_a_word_that_hardly_occurs_is_named_with_its_numbers():
    (found,) = taught([1000, 8990, 9])
    assert found.text == "'tree' is on 0.09 % of the labels, in 50 of 60 keyframes"
    assert found.remedy.startswith("record more of 'tree'")
    (found,) = taught([1000, 8000, 1000], (50, 50, 2))
    assert "in 2 of 60 keyframes" in found.text


def test_a_word_that_never_occurs_is_another_matter():
    (found,) = taught([0, 8000, 1000], (0, 50, 50))
    assert found.text == "the teacher named no point 'car'"
    assert "leave them out" in found.remedy


def confusion(*rows) -> ConfusionMatrix:
    matrix = ConfusionMatrix(3)
    matrix.counts[:] = rows
    return matrix


def test_agreement_needs_no_advice():
    (found,) = check_agreement(WORDS, confusion([60, 40, 0, 0], [0, 90, 10, 0], [50, 0, 50, 0]))
    assert found.level is Level.OK
    assert found.text == "student and teacher agree on 67 % of the points"


def test_words_on_which_both_differ_are_named_with_the_other_one():
    (found,) = check_agreement(WORDS, confusion([49, 40, 11, 0], [0, 90, 10, 0], [0, 0, 100, 0]))
    assert "where the teacher says 'car', the student does so on 49 % of the points" in found.text
    assert "mostly says 'road' on the others" in found.text
    assert "make them one word ('car | road')" in found.remedy


def test_words_with_too_few_points_to_compare_on_are_named():
    (found,) = check_agreement(WORDS, confusion([9, 90, 0, 0], [0, 90, 10, 0], [0, 0, 100, 0]))
    assert found.text == "too few points of 'car' are held out to compare on"
