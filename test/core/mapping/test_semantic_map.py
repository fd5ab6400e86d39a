import numpy as np
import torch
from walled_street import HEIGHT_M, WALL_M, street

from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.semantic_map import SemanticMap
from clip2scene_core.mapping.voxel_grid import EvidenceGrid
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
