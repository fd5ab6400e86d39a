import numpy as np
from small_clouds import make_sweep

from clip2scene_core.config.augmentation import SensorAugmentationConfig
from clip2scene_core.training.augmentation.dropout import (
    draw_survivors,
    is_in_a_narrower_view,
    is_off_the_robot,
    is_on_a_kept_beam,
    is_outside_a_sector,
    is_seen_by_a_weaker_sensor,
)

SEEDS = range(40)


def test_whole_beams_are_kept_evenly_spread():
    points, counts = make_sweep(32), []
    for seed in SEEDS:
        kept = is_on_a_kept_beam(points, np.random.default_rng(seed)).reshape(32, -1)
        assert (kept.all(axis=1) | ~kept.any(axis=1)).all()
        beams = np.flatnonzero(kept[:, 0])
        gaps = np.diff(beams)
        assert gaps.max() - gaps.min() <= 1
        counts.append(len(beams))
    assert 7 <= min(counts) < 14
    assert 26 < max(counts) <= 32


def test_a_sector_is_removed_whole():
    points = make_sweep(1, 720)  # a point every half degree
    widths_deg = []
    for seed in SEEDS:
        kept = is_outside_a_sector(points, np.random.default_rng(seed))
        assert (np.diff(kept.astype(int), append=int(kept[0])) != 0).sum() == 2  # one gap
        widths_deg.append((~kept).sum() / 2)
    assert 29 <= min(widths_deg) < 60
    assert 200 < max(widths_deg) <= 241


def test_a_narrower_view_ends_above_and_below():
    elevation_deg = np.linspace(-45, 45, 901)
    radians = np.deg2rad(elevation_deg)
    points = np.stack([np.zeros(901), np.cos(radians), np.sin(radians), radians], axis=1)
    views_deg = []
    for seed in SEEDS:
        kept = is_in_a_narrower_view(points.astype(np.float32), np.random.default_rng(seed))
        assert np.abs(np.diff(kept.astype(int))).sum() == 2  # one piece, cut at both ends
        views_deg.append((elevation_deg[kept].min(), elevation_deg[kept].max()))
    lowest, highest = np.transpose(views_deg)
    assert -30.1 <= lowest.min() < -27
    assert -13 < lowest.max() <= -9.8
    assert -0.1 <= highest.min() < 2
    assert 13 < highest.max() <= 15.1


def test_the_robot_itself_is_a_ball_around_the_sensor():
    points, radii_m = make_sweep(), []
    range_m = np.linalg.norm(points[:, :3], axis=1)
    for seed in SEEDS:
        kept = is_off_the_robot(points, np.random.default_rng(seed))
        assert range_m[~kept].max(initial=0) < range_m[kept].min()
        radii_m.append(range_m[kept].min())
    assert 1 <= min(radii_m) < 1.5
    assert 2.5 < max(radii_m) <= 3.2


def test_far_points_are_lost_more_often():
    points = make_sweep(32, 200)
    range_m = np.linalg.norm(points[:, :3], axis=1)
    for seed in SEEDS:
        kept = is_seen_by_a_weaker_sensor(points, np.random.default_rng(seed))
        shares = [kept[(range_m > near) & (range_m <= near + 20)].mean() for near in (0, 30, 60)]
        assert shares[0] > shares[1] > shares[2]
        assert shares[0] > 0.7


def test_any_points_are_dropped_up_to_the_share():
    points, shares = make_sweep(), []
    config = SensorAugmentationConfig(point_dropout=0.5)
    for seed in SEEDS:
        kept = draw_survivors(points, config, np.random.default_rng(seed))
        shares.append(1 - len(kept) / len(points))
    assert 0 <= min(shares) < 0.1
    assert 0.4 < max(shares) < 0.55


def test_probabilities_are_kept():
    points = make_sweep()
    names = "own_robot", "sector_dropout", "elevation_dropout", "beam_dropout", "range_dropout"
    for name in names:
        config = SensorAugmentationConfig(**{name: 0.3})
        hits = [
            len(draw_survivors(points, config, np.random.default_rng(seed))) < len(points)
            for seed in range(200)
        ]
        assert 0.15 < np.mean(hits) < 0.4, name  # a wide view drops nothing here
