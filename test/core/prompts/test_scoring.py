import math

import pytest
import torch

from clip2scene_core.prompts.scoring import (
    ScoreCalibration,
    Scoring,
    find_background,
    make_scoring,
)
from clip2scene_core.prompts.vocabulary import classify, make_vocabulary

AXES = torch.eye(5)
OWN = make_vocabulary(["car", "road", "tree"], AXES[:3])


def between(first: int, second: int, cosine: float) -> torch.Tensor:
    return cosine * AXES[first] + math.sqrt(1 - cosine**2) * AXES[second]


def test_the_background_is_what_the_student_knows_and_the_labels_leave_out():
    asked = make_vocabulary(["car", "fence"], torch.stack([AXES[0], AXES[4]]))
    assert find_background(asked, OWN, temperature=0.07).tolist() == [1, 2]
    assert find_background(OWN, OWN, temperature=0.07).tolist() == []


@pytest.mark.parametrize(("cosine", "rows"), [(0.9, [1, 2]), (0.7, [0, 1, 2])])
def test_a_word_for_the_same_object_is_no_background(cosine, rows):
    # At temperature 0.07 a factor of ten is a cosine of 0.84.
    asked = make_vocabulary(["vehicle"], between(0, 3, cosine)[None])
    assert find_background(asked, OWN, temperature=0.07).tolist() == rows


def test_the_texts_that_share_a_label_with_a_word_are_no_background_either():
    own = make_vocabulary(
        ["car | van", "road"], AXES[:3], ["vehicle", "road"], [("car", "van"), ("road",)]
    )
    asked = make_vocabulary(["car"], AXES[:1])
    assert find_background(asked, own, temperature=0.07).tolist() == [2]


def test_a_point_of_a_left_out_object_keeps_its_label_and_loses_its_score():
    asked = make_vocabulary(["car", "road"], AXES[:2])
    scoring = make_scoring(asked, OWN, temperature=0.1)
    # The second point is a tree that looks a little like a car.
    points = torch.stack([AXES[0], between(0, 2, 0.3)])
    logits = points @ scoring.texts(asked).T / 0.1
    probabilities = torch.softmax(logits[:, :2], dim=1)
    scored = scoring.probabilities(logits)[:, :2]
    labels, scores = classify(probabilities, scored=scored)
    assert labels.tolist() == classify(probabilities)[0].tolist() == [0, 0]
    expected = math.exp(3) / (math.exp(3) + 1 + math.exp(10 * math.sqrt(0.91)))
    assert scores.tolist() == pytest.approx([math.exp(10) / (math.exp(10) + 2), expected], rel=1e-5)
    assert classify(probabilities, 0.5, scored)[0].tolist() == [0, 255]


def test_without_anything_to_add_scores_are_the_probabilities():
    plain = make_scoring(OWN, OWN, temperature=0.07)
    assert plain.is_plain
    logits = torch.randn(20, 3)
    assert torch.equal(plain.probabilities(logits), torch.softmax(logits, dim=1))
    assert not make_scoring(OWN, OWN, 0.07, ScoreCalibration(0.05, 0.2)).is_plain
    asked = make_vocabulary(["car"], AXES[:1])
    assert make_scoring(asked, OWN, 0.07, with_background=False).is_plain


def test_where_no_text_comes_near_it_is_nothing_even_with_one_prompt():
    asked = make_vocabulary(["car"], AXES[:1])
    calibrated = make_scoring(
        asked, OWN, 0.1, ScoreCalibration(temperature=0.05, nothing_cosine=0.25), False
    )
    logits = torch.tensor([[1.0], [0.25], [0.0]]) / 0.1
    expected = [1 / (1 + math.exp((0.25 - cosine) / 0.05)) for cosine in (1.0, 0.25, 0.0)]
    assert calibrated.probabilities(logits)[:, 0].tolist() == pytest.approx(expected, rel=1e-5)


def test_scoring_keeps_sums_of_one_with_a_background():
    scoring = Scoring(AXES[2:4], sharpness=2.0, nothing_logit=-1.0)
    rows = scoring.probabilities(torch.randn(9, 4)).sum(dim=1)
    assert (rows < 1).all()
    assert (rows > 0).all()


@pytest.mark.parametrize("values", [(0.0, 0.2), (-1.0, 0.2), (0.1, math.inf), (math.nan, 0.1)])
def test_a_calibration_that_means_nothing_is_refused(values):
    with pytest.raises(ValueError, match="a positive temperature and a finite cosine, got"):
        ScoreCalibration(*values)
