import numpy as np
import pytest
import torch

from clip2scene_core.mapping.evidence import Evidence
from clip2scene_core.mapping.voxel_grid import EvidenceGrid

ORIGIN = np.zeros(3)
SECOND_NS = 1_000_000_000


def make_grid(voxel_size_m: float = 1.0, **options) -> EvidenceGrid:
    return EvidenceGrid(voxel_size_m, 4, **options)


def add(grid, points, labels, weights=None, origin=ORIGIN, stamp_ns: int = 0) -> None:
    points = np.asarray(points, dtype=np.float64).reshape(-1, 3)
    weights = np.ones(len(points)) if weights is None else weights
    grid.add(
        points,
        Evidence(
            torch.eye(4)[torch.tensor(labels, dtype=torch.int64)],
            torch.tensor(weights, dtype=torch.float32),
        ),
        np.asarray(origin, dtype=np.float64),
        stamp_ns,
    )


def test_points_may_share_rows_of_evidence():
    generator = np.random.default_rng(0)
    points = generator.uniform(-3, 3, (200, 3))
    vectors, weights = torch.randn(20, 4), torch.rand(20)
    weights[3] = 0
    rows = torch.from_numpy(generator.integers(0, 20, 200))
    shared, spread = make_grid(), make_grid()
    shared.add(points, Evidence(vectors, weights, rows), ORIGIN, 0)
    spread.add(points, Evidence(vectors[rows], weights[rows]), ORIGIN, 0)
    np.testing.assert_array_equal(shared.centers(), spread.centers())
    np.testing.assert_array_equal(shared.counts(), spread.counts())
    assert torch.equal(shared.logits(torch.eye(4)), spread.logits(torch.eye(4)))


def along_x(grid) -> list:
    return sorted(grid.centers()[:, 0].tolist())


def test_a_voxel_holds_the_weighted_mean_of_all_points_of_all_sweeps():
    grid = make_grid()
    add(grid, [[0.1, 0.1, 0.1]], [1], [3.0])
    add(grid, [[0.6, 0.6, 0.6], [0.2, 0.2, 0.2]], [2, 2], [0.5, 0.5])
    np.testing.assert_allclose(grid.centers(), [[0.5, 0.5, 0.5]])
    assert grid.counts().tolist() == [3]
    torch.testing.assert_close(
        grid.logits(torch.eye(4)), torch.tensor([[0.0, 0.75, 0.25, 0.0]]), atol=1e-3, rtol=0
    )


def test_any_words_can_be_asked_of_what_was_seen():
    grid = make_grid()
    add(grid, [[0.5, 0.5, 0.5], [1.5, 0.5, 0.5]], [1, 3])
    texts = torch.tensor([[0.0, 0.6, 0.0, 0.8]])
    torch.testing.assert_close(grid.logits(texts), torch.tensor([[0.6], [0.8]]), atol=1e-3, rtol=0)


def test_points_without_weight_are_left_out():
    grid = make_grid()
    add(grid, [[0, 0, 0], [9, 9, 9]], [1, 2], [0.0, 1.0])
    np.testing.assert_allclose(grid.centers(), [[9.5, 9.5, 9.5]])


@pytest.mark.parametrize("points", [[], [[1.0, 2.0, 3.0]]])
def test_cleared_and_empty_grids_hold_nothing_and_can_be_used_again(points):
    grid = make_grid()
    add(grid, points, [3] * len(points))
    assert len(grid) == len(points)
    grid.clear()
    assert grid.centers().shape == (0, 3)
    assert grid.logits(torch.eye(4)).shape == (0, 4)
    add(grid, [[1.0, 2.0, 3.0]], [1])
    # Nothing of what the slot held before is left.
    torch.testing.assert_close(grid.logits(torch.eye(4)), torch.eye(4)[[1]])
    assert grid.counts().tolist() == [1]


def test_voxels_leave_when_the_vehicle_drives_on():
    grid = make_grid(radius_m=10.0)
    add(grid, [[x + 0.5, 0.5, 0.5] for x in range(-20, 20)], [1] * 40)
    # Points beyond 10 m never came in; 9.5 m away and half a voxel up and aside is within.
    assert along_x(grid) == [x + 0.5 for x in range(-10, 10)]
    grid.prune(grid.offsets(np.array([5.0, 0.0, 0.0])), 1)
    assert along_x(grid) == [x + 0.5 for x in range(-5, 10)]


def test_the_voxels_not_seen_for_longest_leave_a_full_grid():
    grid = make_grid(max_voxels=4)
    for x in range(4):
        add(grid, [[x + 0.5, 0, 0]], [1], stamp_ns=x)
    add(grid, [[0.5, 0, 0]], [1], stamp_ns=4)
    add(grid, [[8.5, 0, 0], [9.5, 0, 0]], [2, 3], stamp_ns=5)
    assert along_x(grid) == [0.5, 3.5, 8.5, 9.5]
    assert grid.counts().sum() == 5
    order = np.argsort(grid.centers()[:, 0])
    assert grid.logits(torch.eye(4)).argmax(dim=1).numpy()[order].tolist() == [1, 1, 2, 3]


def test_of_a_sweep_that_fills_more_than_the_grid_the_nearest_stay():
    grid = make_grid(max_voxels=3)
    add(grid, [[40.5, 0, 0]], [1], stamp_ns=0)
    add(grid, [[x + 0.5, 0, 0] for x in (9, 1, 7, 1, 3)], [1, 2, 1, 2, 3], stamp_ns=1)
    assert along_x(grid) == [1.5, 3.5, 7.5]
    assert sorted(grid.counts().tolist()) == [1, 1, 2]
    order = np.argsort(grid.centers()[:, 0])
    assert grid.logits(torch.eye(4)).argmax(dim=1).numpy()[order].tolist() == [2, 3, 1]


def test_memory_is_bounded_by_the_number_of_voxels():
    grid = EvidenceGrid(0.2, 512, max_voxels=1000)
    before = grid.nbytes
    assert before < 1000 * (512 * 2 + 30)
    generator = np.random.default_rng(0)
    for stamp_ns in range(20):
        points = generator.uniform(-30, 30, (300, 3))
        grid.add(points, Evidence(torch.ones(300, 512), torch.ones(300)), ORIGIN, stamp_ns)
    assert len(grid) == 1000
    assert grid.nbytes == before


def test_evidence_loses_half_of_its_weight_in_the_given_time():
    grid = make_grid(decay_s=2.0)
    add(grid, [[0.5, 0.5, 0.5]], [1], [4.0], stamp_ns=0)
    add(grid, [[0.5, 0.5, 0.5]], [2], [1.0], stamp_ns=4 * SECOND_NS)
    # 4 has become 1 after two half-lives.
    torch.testing.assert_close(
        grid.logits(torch.eye(4)), torch.tensor([[0.0, 0.5, 0.5, 0.0]]), atol=1e-3, rtol=0
    )


def test_what_has_decayed_leaves_and_without_decay_stays():
    for decay_s, left in ((2.0, 0), (0.0, 1)):
        grid = make_grid(decay_s=decay_s)
        add(grid, [[0.5, 0.5, 0.5]], [1])
        grid.prune(grid.offsets(ORIGIN), 2 * SECOND_NS)
        assert len(grid) == 1
        grid.prune(grid.offsets(ORIGIN), 20 * SECOND_NS)  # a thousandth
        assert len(grid) == left


def test_a_place_that_changed_is_believed_after_a_hundred_looks():
    grid = make_grid()
    for stamp_ns in range(400):
        add(grid, [[0.5, 0.5, 0.5]], [1], stamp_ns=stamp_ns)
    for stamp_ns in range(400, 500):
        add(grid, [[0.5, 0.5, 0.5]], [2], stamp_ns=stamp_ns)
    assert grid.logits(torch.eye(4)).argmax(dim=1).tolist() == [2]
    assert grid.counts().tolist() == [500]


def test_a_voxel_is_free_after_three_passes_since_it_was_last_hit():
    grid = make_grid()
    add(grid, [[0.5, 0, 0], [1.5, 0, 0]], [1, 1], stamp_ns=0)
    is_passed = np.array([True, False])

    def pass_at(stamp_ns: int) -> None:
        grid.prune(grid.offsets(ORIGIN), stamp_ns, is_passed)

    pass_at(1)
    pass_at(2)
    add(grid, [[0.5, 0, 0]], [1], stamp_ns=3)
    pass_at(3)  # this sweep itself hit it
    pass_at(4)
    pass_at(5)
    assert len(grid) == 2
    pass_at(6)
    assert along_x(grid) == [1.5]


def test_a_fixed_frame_far_from_its_origin_is_no_different():
    points = np.array([[0.1, 0.1, 0.1], [0.3, 0.1, 0.1], [-40.0, 9.0, 2.0]])
    utm = np.array([500_000.0, 5_300_000.0, 400.0])
    near, far = make_grid(0.5), make_grid(0.5)
    for shift in (0.0, 3.0):
        add(near, points + shift, [1, 1, 2], origin=ORIGIN)
        add(far, points + shift + utm, [1, 1, 2], origin=utm)
    assert near.counts().tolist() == far.counts().tolist()
    np.testing.assert_allclose(far.offsets(utm), near.offsets(ORIGIN), atol=1e-4)
    # float32 resolves half a metre at five thousand kilometres.
    np.testing.assert_allclose(far.centers() - utm, near.centers(), atol=0.5)


def test_a_long_drive_keeps_what_is_near():
    grid = make_grid(0.02, radius_m=20.0)
    # 0.02 m voxels: the keys reach 10 km from their anchor.
    for kilometre in range(0, 40, 4):
        at = np.array([kilometre * 1000.0, 0.0, 0.0])
        ahead = at + np.array([[1.0, 0, 0], [2.0, 0, 0]])
        add(grid, ahead, [1, 2], origin=at, stamp_ns=kilometre)
        add(grid, ahead[:1], [1], origin=ahead[1], stamp_ns=kilometre + 1)
        grid.prune(grid.offsets(at), kilometre + 1)
        assert sorted(grid.counts().tolist()) == [1, 2]
        np.testing.assert_allclose(sorted(grid.offsets(at)[:, 0]), [1.01, 2.01], atol=2e-3)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"voxel_size_m": 0.0}, "must be positive"),
        ({"max_voxels": 0}, "max_voxels at least 1"),
        ({"decay_s": -1.0}, "decay_s not negative"),
        ({"voxel_size_m": 1e-5}, "use larger voxels"),
    ],
)
def test_sizes_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        make_grid(**options)


def test_a_smaller_radius_takes_hold_with_the_next_sweep():
    grid = make_grid(radius_m=60.0)
    add(grid, [[5.5, 0.5, 0.5], [40.5, 0.5, 0.5]], [1, 2])
    grid.keep(radius_m=10.0, decay_s=0.0)
    add(grid, [[6.5, 0.5, 0.5], [30.5, 0.5, 0.5]], [1, 2], stamp_ns=SECOND_NS)
    grid.prune(grid.offsets(ORIGIN), SECOND_NS)
    assert along_x(grid) == [5.5, 6.5]


def test_a_reach_that_cannot_be_changes_nothing():
    grid = make_grid(radius_m=60.0)
    with pytest.raises(ValueError, match="radius_m must be positive and decay_s not negative"):
        grid.keep(radius_m=5.0, decay_s=-1.0)
    add(grid, [[40.5, 0.5, 0.5]], [1])
    assert along_x(grid) == [40.5]
