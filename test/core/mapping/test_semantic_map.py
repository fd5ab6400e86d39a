import numpy as np
import pytest
import torch
from walled_street import HEIGHT_M, WALL_M, street

from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
from clip2scene_core.prompts.scoring import Scoring
from clip2scene_core.prompts.vocabulary import make_vocabulary


def is_car(points: np.ndarray) -> np.ndarray:
    return (
        (points[:, 1] > 5.9) & (points[:, 1] < 8.1) & (points[:, 2] > -HEIGHT_M + 0.25)
    )  # fmt: skip


def let_a_car_pass(is_carved: bool) -> tuple[np.ndarray, np.ndarray]:
    """Let a car pass at 10 m/s, then leave; voxel centres and where a car had been."""
    semantic_map = SemanticMap(EvidenceGrid(0.2, 2), is_carved)
    for k in range(45):
        car_x_m = -10.0 + 0.5 * k if k < 40 else None
        points = street(car_x_m)
        vectors = torch.eye(2)[torch.from_numpy(is_car(points)).long()]
        pose = np.eye(4)
        pose[:3, 3] = 100.0, 200.0, HEIGHT_M
        semantic_map.add(points, Evidence(vectors, torch.ones(len(points))), pose, k)
    labelled_map = semantic_map.label(make_vocabulary(["road", "car"], torch.eye(2)))
    return labelled_map.points - [100.0, 200.0, HEIGHT_M], labelled_map.labels == 1


def test_a_car_that_has_passed_leaves_no_trail_and_street_and_wall_stay():
    with_trail, was_car = let_a_car_pass(is_carved=False)
    assert was_car.sum() > 1500
    without, still_car = let_a_car_pass(is_carved=True)
    assert still_car.sum() <= 0.1 * was_car.sum()
    # What is left touches the road: rays pass less than a voxel above that.
    assert (without[still_car, 2] > -HEIGHT_M + 0.4).sum() <= 0.01 * was_car.sum()
    for is_there in (
        lambda p: p[:, 1] > WALL_M - 0.2,
        lambda p: p[:, 2] < -HEIGHT_M + 0.2,
    ):
        before = is_there(with_trail) & ~was_car
        after = is_there(without) & ~still_car
        assert before.sum() > 1000
        assert after.sum() >= 0.995 * before.sum()


WORDS = make_vocabulary(["road", "car", "tree"], torch.eye(3))
OTHER_WORDS = make_vocabulary(["car", "road"], torch.eye(3)[[1, 0]])
SCORING = Scoring(torch.eye(3)[:0])


def sweeps(count):
    """Points and evidence of sweeps along x: some voxels are seen again, some are left behind."""
    rng = np.random.default_rng(0)
    for number in range(count):
        points = rng.uniform(-4, 4, (300, 3)).astype(np.float32)
        pose = np.eye(4)
        pose[0, 3] = 2.0 * number
        vectors = torch.from_numpy(rng.random((300, 3), dtype=np.float32)) * 3
        yield points, Evidence(vectors, torch.ones(300)), pose, number


def contents(labelled_map):
    return labelled_map.points, labelled_map.labels, labelled_map.scores, labelled_map.counts


def make_map(max_voxels=500_000):
    return SemanticMap(EvidenceGrid(0.5, 3, radius_m=6.0, max_voxels=max_voxels), is_carved=True)


@pytest.mark.parametrize("max_voxels", [700, 500_000])
def test_labels_that_are_kept_are_those_of_a_map_that_is_labelled_once(max_voxels):
    often = make_map(max_voxels)
    for number in range(1, 9):
        *_, last = sweeps(number)
        often.add(*last)
        words = OTHER_WORDS if number == 5 else WORDS  # which forgets them in between
        for min_score in (0.5, 0.0):
            found = often.label(words, min_score, SCORING)
            once = make_map(max_voxels)
            for sweep in sweeps(number):
                once.add(*sweep)
            for one, other in zip(
                contents(found), contents(once.label(words, min_score, SCORING)), strict=True
            ):
                np.testing.assert_allclose(one, other, rtol=1e-5)


def test_only_voxels_with_new_evidence_are_compared_again(monkeypatch):
    grid = EvidenceGrid(0.5, 3)
    semantic_map, compared, logits = SemanticMap(grid, is_carved=False), [], grid.logits

    def count(texts, rows):
        compared.append(len(rows))
        return logits(texts, rows)

    monkeypatch.setattr(grid, "logits", count)
    first, second = sweeps(2)
    semantic_map.add(*first)
    whole = len(semantic_map.label(WORDS, 0.0, SCORING).points)
    semantic_map.label(WORDS, 0.9, SCORING)
    semantic_map.add(*second)
    semantic_map.label(WORDS, 0.0, SCORING)
    semantic_map.label(OTHER_WORDS, 0.0, SCORING)
    semantic_map.label(OTHER_WORDS, 0.0, Scoring(torch.eye(3)[2:]))
    cells = np.unique(np.floor((second[0] + second[2][:3, 3]) / 0.5), axis=0)
    assert compared == [whole, 0, len(cells), len(grid), len(grid)]


def test_an_error_while_labelling_leaves_no_voxel_behind(monkeypatch):
    grid = EvidenceGrid(0.5, 3)
    semantic_map, logits = SemanticMap(grid, is_carved=False), grid.logits
    first, second = sweeps(2)
    semantic_map.add(*first)
    semantic_map.label(WORDS, 0.0, SCORING)
    semantic_map.add(*second)

    def fail(texts, rows):
        raise MemoryError

    monkeypatch.setattr(grid, "logits", fail)
    with pytest.raises(MemoryError):
        semantic_map.label(WORDS, 0.0, SCORING)
    monkeypatch.setattr(grid, "logits", logits)
    once = SemanticMap(EvidenceGrid(0.5, 3), is_carved=False)
    for sweep in sweeps(2):
        once.add(*sweep)
    for one, other in zip(
        contents(semantic_map.label(WORDS, 0.0, SCORING)),
        contents(once.label(WORDS, 0.0, SCORING)),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5)
