import pytest
import torch

from clip2scene_core.evaluation.score_fit import fit_calibration


def labelled(temperature: float, num: int = 20_000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    cosines = torch.rand(num, 4, generator=generator) * 0.6
    probabilities = torch.softmax(cosines / temperature, dim=1)
    return cosines, torch.multinomial(probabilities, 1, generator=generator)[:, 0]


@pytest.mark.parametrize("temperature", [0.03, 0.07, 0.5])
def test_the_temperature_that_made_the_labels_is_found(temperature):
    fitted = fit_calibration(*labelled(temperature))
    assert fitted.temperature == pytest.approx(temperature, rel=0.05)


def test_nothing_lies_between_near_and_far():
    # The true label is always at 0.6, the others at 0.1; one in ten points is mislabelled.
    generator = torch.Generator().manual_seed(1)
    seen = torch.randint(4, (5000,), generator=generator)
    cosines = 0.1 + 0.5 * torch.nn.functional.one_hot(seen, 4).float()
    noise = torch.rand(5000, generator=generator) < 0.1
    labels = torch.where(noise, (seen + 1) % 4, seen)
    fitted = fit_calibration(cosines, labels)
    assert 0.1 < fitted.nothing_cosine < 0.6


@pytest.mark.parametrize("kind", ["always right", "by chance"])
def test_labels_that_tell_no_temperature_are_refused(kind):
    generator = torch.Generator().manual_seed(2)
    labels = torch.randint(4, (500,), generator=generator)
    if kind == "always right":
        cosines = torch.nn.functional.one_hot(labels, 4).float()
    else:
        cosines = -torch.nn.functional.one_hot(labels, 4).float()
    with pytest.raises(ValueError, match="no temperature makes these scores come true"):
        fit_calibration(cosines, labels)


def test_one_kind_of_points_calibrates_nothing():
    with pytest.raises(ValueError, match=r"labels of two kinds or more, got \(5, 3\) and 1"):
        fit_calibration(torch.rand(5, 3), torch.zeros(5, dtype=torch.int64))
