import numpy as np
import pytest

from clip2scene_core.grid import LabelledGrid
from clip2scene_core.labels import IGNORE_LABEL


def add(grid: LabelledGrid, points: list, labels: list, scores: list) -> None:
    grid.add(
        np.asarray(points, dtype=np.float64).reshape(-1, 3),
        np.array(labels, dtype=np.uint8),
        np.array(scores, dtype=np.float32),
    )


def test_evidence_of_all_sweeps_decides_the_voxel():
    grid = LabelledGrid(voxel_size_m=1.0, num_sweeps=3)
    add(grid, [[0.1, 0.1, 0.1]], [4], [0.9])
    add(grid, [[0.6, 0.6, 0.6], [0.2, 0.2, 0.2]], [7, 7], [0.5, 0.5])
    voxels = grid.extract()
    np.testing.assert_allclose(voxels.points, [[0.5, 0.5, 0.5]])
    assert voxels.labels.tolist() == [7]
    assert voxels.counts.tolist() == [3]
    np.testing.assert_allclose(voxels.scores, [1.0 / 1.9], rtol=1e-6)


def test_old_sweeps_leave_the_window():
    grid = LabelledGrid(voxel_size_m=1.0, num_sweeps=2)
    for x in range(4):
        add(grid, [[x + 0.5, -0.5, 0.5]], [x], [1.0])
    voxels = grid.extract()
    assert sorted(voxels.labels.tolist()) == [2, 3]
    assert sorted(voxels.points[:, 0].tolist()) == [2.5, 3.5]
    assert set(voxels.points[:, 1].tolist()) == {-0.5}


def test_unlabelled_points_do_not_vote():
    grid = LabelledGrid(voxel_size_m=0.2, num_sweeps=1)
    add(grid, [[0, 0, 0], [9, 9, 9]], [IGNORE_LABEL, 1], [0.0, 0.3])
    assert grid.extract().labels.tolist() == [1]


@pytest.mark.parametrize("points", [[], [[1.0, 2.0, 3.0]]])
def test_cleared_and_empty_grids_give_an_empty_map(points):
    grid = LabelledGrid(voxel_size_m=0.2, num_sweeps=2)
    add(grid, points, [3] * len(points), [1.0] * len(points))
    assert len(grid.extract().labels) == len(points)
    grid.clear()
    assert grid.extract().points.shape == (0, 3)


def test_a_fixed_frame_far_from_its_origin_is_no_different():
    near, far = (LabelledGrid(voxel_size_m=0.5, num_sweeps=2) for _ in range(2))
    points = np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [-40.0, 9.0, 2.0]])
    utm = np.array([500_000.0, 5_300_000.0, 400.0])
    for shift in (0.0, 3.0):
        add(near, points + shift, [1, 1, 2], [1.0, 0.5, 1.0])
        add(far, points + shift + utm, [1, 1, 2], [1.0, 0.5, 1.0])
    assert near.extract().labels.tolist() == far.extract().labels.tolist()
    assert near.extract().counts.tolist() == far.extract().counts.tolist()
    # float32 resolves half a metre at five thousand kilometres.
    np.testing.assert_allclose(far.extract().points - utm, near.extract().points, atol=0.5)


def test_a_sweep_beyond_the_others_reach_starts_the_grid_anew():
    grid = LabelledGrid(voxel_size_m=0.1, num_sweeps=3)
    add(grid, [[0, 0, 0]], [1], [1.0])
    add(grid, [[5e5, 0, 0]], [2], [1.0])
    assert grid.extract().labels.tolist() == [2]


def test_a_sweep_wider_than_the_grid_is_refused():
    grid = LabelledGrid(voxel_size_m=0.1, num_sweeps=1)
    with pytest.raises(ValueError, match=r"one sweep spans 500000 m.*use larger voxels"):
        add(grid, [[0, 0, 0], [5e5, 0, 0]], [1, 1], [1.0, 1.0])
