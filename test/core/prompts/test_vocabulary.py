import numpy as np
import pytest
import torch

from clip2scene_core.labels import IGNORE_COLOR, IGNORE_LABEL, NUSCENES_CLASSES
from clip2scene_core.prompts import vocabulary as vocabularies
from clip2scene_core.prompts.vocabulary import classify, entropies_of, make_vocabulary


def test_known_words_keep_their_colour_and_no_colour_repeats():
    prompts = ["car", "driveable surface", "sofa", "lamp", "tree"]
    vocabulary = make_vocabulary(prompts, torch.eye(5))
    colors = {c.prompt: c.color for c in NUSCENES_CLASSES}
    assert tuple(vocabulary.colors[0]) == colors["car"]
    assert tuple(vocabulary.colors[1]) == colors["road"]
    assert len({tuple(color) for color in vocabulary.colors.tolist()}) == 5


def test_ignored_points_are_grey():
    vocabulary = make_vocabulary(["car"], torch.eye(1))
    colors = vocabulary.colorize(np.array([0, IGNORE_LABEL], dtype=np.uint8))
    assert tuple(colors[1]) == IGNORE_COLOR
    assert tuple(colors[0]) == tuple(vocabulary.colors[0])


@pytest.mark.parametrize(
    ("prompts", "names", "message"),
    [
        ([], None, "1 to 254 prompts, got 0"),
        (["a", "a"], None, "names must differ, got a more than once"),
        (["a", "b"], ["one"], "1 names but 2 prompts"),
        ([str(i) for i in range(255)], None, "1 to 254 prompts, got 255"),
    ],
)
def test_vocabularies_that_cannot_be_are_refused(prompts, names, message):
    with pytest.raises(ValueError, match=message):
        make_vocabulary(prompts, torch.zeros(len(prompts), 4), names)


def test_classify_takes_the_best_and_ignores_the_unsure():
    labels, scores = classify(torch.tensor([[0.1, 0.9], [0.6, 0.4]]), min_score=0.7)
    assert labels.tolist() == [1, IGNORE_LABEL]
    np.testing.assert_allclose(scores, [0.9, 0.6], rtol=1e-6)
    assert classify(torch.zeros(0, 3))[0].shape == (0,)


def test_entropy_of_a_sure_an_even_and_an_unknown_point():
    probabilities = torch.tensor([[1.0, 0.0], [0.5, 0.5], [0.0, 0.0]])
    np.testing.assert_allclose(entropies_of(probabilities), [0, np.log(2), np.log(2)], rtol=1e-6)
    assert entropies_of(torch.zeros(0, 2)).shape == (0,)


def test_too_many_prompts_are_refused_before_colors_are_chosen(monkeypatch):
    monkeypatch.setattr(vocabularies, "_choose_colors", lambda *_: pytest.fail("chosen"))
    with pytest.raises(ValueError, match="1 to 254 prompts, got 10000"):
        make_vocabulary([str(i) for i in range(10_000)], torch.zeros(10_000, 2))
