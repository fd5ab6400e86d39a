import numpy as np
import pytest
from street_sweep import street_points

from clip2scene_core.corruptions.apply import corrupt, corrupt_points
from clip2scene_core.corruptions.corruption import NUM_STRENGTHS, STRENGTHS, Corruption
from clip2scene_core.datasets import CameraView, Sample, Sweep
from clip2scene_core.labels import IGNORE_LABEL

SPARES_LIDAR = ("calibration", "time_offset", "camera_loss")
CHANGES_IMAGES = ("fog", "rain")
SWEEP_NS = 50_000_000


def moved(metres: float) -> np.ndarray:
    transform = np.eye(4)
    transform[1, 3] = metres
    return transform


def sweep(index: int) -> Sweep:
    """The sweep `index` revolutions before the keyframe, at 20 m/s."""
    points = street_points(index)
    return Sweep(points, moved(-index), 10**9 - index * SWEEP_NS, np.arange(len(points)) % 16)


@pytest.fixture
def sample() -> Sample:
    intensity = np.random.default_rng(0).integers(0, 256, (32, 48, 3)).astype(np.uint8)
    T_global_camera = np.eye(4)
    T_global_camera[:3, :3] = [[1, 0, 0], [0, 0, 1], [0, -1, 0]]  # looks along y
    intrinsics = np.array([[40.0, 0, 24], [0, 40, 16], [0, 0, 1]])
    views = tuple(
        CameraView(f"cam_{i}", intensity, intrinsics, T_global_camera, 10**9 - i * 10**7)
        for i in range(3)
    )
    return Sample("sample", "scene", (sweep(0), sweep(1)), views)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_every_kind_has_five_strengths_and_changes_something(sample, kind):
    assert len(STRENGTHS[kind]) == NUM_STRENGTHS
    before = [len(s.points) for s in sample.sweeps]
    for strength in range(1, NUM_STRENGTHS + 1):
        after = corrupt(sample, Corruption(kind, strength))
        assert (after.token, after.scene_token) == (sample.token, sample.scene_token)
        has_same_points = all(
            np.array_equal(a.points, b.points)
            for a, b in zip(after.sweeps, sample.sweeps, strict=True)
        )
        assert has_same_points == (kind in SPARES_LIDAR)
        assert all(len(a.points) <= b for a, b in zip(after.sweeps, before, strict=True))
        images = [view.image for view in after.cameras]
        is_untouched = all(np.array_equal(image, sample.cameras[0].image) for image in images)
        assert is_untouched == (kind not in CHANGES_IMAGES)


@pytest.mark.parametrize("kind", ["fog", "rain", "beam_loss", "cross_talk"])
def test_labels_stay_with_their_points(sample, kind):
    before = sample.keyframe
    corruption = Corruption(kind, 5)
    echoes = corrupt_points(before.points, corruption, "scene", before.stamp_ns)
    after = corrupt(sample, corruption).keyframe
    np.testing.assert_array_equal(after.points, echoes.points)
    is_true = ~echoes.is_false
    assert is_true.any()
    kept = echoes.beam[is_true]
    np.testing.assert_array_equal(after.points[is_true, :3], before.points[kept, :3])
    np.testing.assert_array_equal(after.labels[is_true], before.labels[kept])
    assert (after.labels[echoes.is_false] == IGNORE_LABEL).all()
    # A false point lies on the ray of the pulse that it came from.
    false, true = after.points[echoes.is_false, :3], before.points[echoes.beam[echoes.is_false], :3]
    cosine = (false * true).sum(1) / np.linalg.norm(false, axis=1) / np.linalg.norm(true, axis=1)
    np.testing.assert_allclose(cosine, 1, atol=1e-5)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_a_reading_is_corrupted_alike_in_every_sample(sample, kind):
    corruption = Corruption(kind, 3, seed=7)
    first, again = corrupt(sample, corruption), corrupt(sample, corruption)
    for a, b in zip(first.sweeps, again.sweeps, strict=True):
        np.testing.assert_array_equal(a.points, b.points)
    for a, b in zip(first.cameras, again.cameras, strict=True):
        np.testing.assert_array_equal(a.image, b.image)
        np.testing.assert_array_equal(a.T_global_camera, b.T_global_camera)
    # The previous sweep is the keyframe of the sample before.
    before = corrupt(Sample("before", "scene", (sweep(1), sweep(2)), ()), corruption)
    np.testing.assert_array_equal(before.keyframe.points, first.sweeps[1].points)


def test_seeds_and_scenes_differ(sample):
    def points(seed: int, scene: str) -> list[float]:
        corruption = Corruption("cross_talk", 3, seed)
        return corrupt_points(sample.keyframe.points, corruption, scene, 0).points[:, 0].tolist()

    assert points(0, "a") == points(0, "a")
    assert points(0, "a") != points(1, "a")
    assert points(0, "a") != points(0, "b")


def test_unlabelled_sweeps_stay_unlabelled():
    alone = Sample("s", "scene", (Sweep(street_points(), np.eye(4), 0),), ())
    assert corrupt(alone, Corruption("fog", 3)).keyframe.labels is None


def test_a_time_offset_needs_motion(sample):
    alone = Sample("s", "scene", sample.sweeps[:1], sample.cameras)
    with pytest.raises(ValueError, match="previous sweeps"):
        corrupt(alone, Corruption("time_offset", 1))


@pytest.mark.parametrize(
    ("kind", "strength", "message"),
    [("snow", 1, "fog, rain"), ("fog", 0, "1 to 5"), ("fog", 6, "1 to 5")],
)
def test_unknown_kinds_and_strengths_are_refused(kind, strength, message):
    with pytest.raises(ValueError, match=message):
        Corruption(kind, strength)
