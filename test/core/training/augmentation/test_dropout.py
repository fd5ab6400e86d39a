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
    number_beams,
)

SEEDS = range(40)


def test_beams_are_found_by_their_elevation():
    for num_beams in (16, 32, 64):
        points = make_sweep(num_beams)
        assert number_beams(points).tolist() == np.repeat(np.arange(num_beams), 120).tolist()
        points[5, 2] += 0.012 * np.linalg.norm(points[5, :3])  # a stray point, still below the next
        assert number_beams(points).max() == num_beams - 1
    assert number_beams(np.zeros((0, 4), dtype=np.float32)).shape == (0,)


def test_a_cloud_without_beams_has_bands_of_elevation():
    generator = np.random.default_rng(0)
    elevation = np.deg2rad(generator.uniform(-20, 20, 20_000))
    points = np.stack([np.cos(elevation), 0 * elevation, np.sin(elevation), elevation], axis=1)
    beams = number_beams(points.astype(np.float32))
    assert 98 <= beams.max() + 1 <= 104  # 40 degrees in bands of 0.4
    order = np.argsort(elevation)
    assert (np.diff(beams[order]) >= 0).all()
    assert set(beams.tolist()) == set(range(beams.max() + 1))


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
