"""Which matrix and which lens a CameraInfo gives for an image of a size."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import ros_messages

from clip2scene_core.sample import PINHOLE, Lens
from clip2scene_ros.messages.camera_info import (
    CalibrationError,
    camera_model,
    doubt_about,
    is_same_calibration,
)

K = np.array([345.0, 0, 198, 0, 344, 118, 0, 0, 1])
P = np.array([316.0, 0, 204, 0, 0, 310, 122, 0, 0, 0, 1, 0])
D = np.array([-0.28, 0.09, 0.0002, -0.0003, 0.01])
SIZE = (224, 400)


def info(**changes):
    message = ros_messages.camera_info(size=(400, 224))
    return replace(message, **({"k": K, "p": P, "d": D} | changes))


def region(left, top, width, height):
    return ros_messages.TYPES["sensor_msgs/msg/RegionOfInterest"](
        x_offset=left, y_offset=top, width=width, height=height, do_rectify=True
    )


def test_a_raw_image_is_seen_through_the_lens():
    intrinsics, lens = camera_model(info(), SIZE)
    assert intrinsics.tolist() == K.reshape(3, 3).tolist()
    assert lens == Lens("brown", tuple(D.tolist()))


@pytest.mark.parametrize("distortion", [D, np.zeros(5), np.zeros(0)])
def test_a_rectified_image_has_the_matrix_of_p(distortion):
    intrinsics, lens = camera_model(info(d=distortion), SIZE, is_rectified=True)
    assert intrinsics.tolist() == P.reshape(3, 4)[:, :3].tolist()
    assert lens == PINHOLE


def test_the_right_camera_of_a_stereo_pair_is_not_moved_by_its_baseline():
    moved = P.copy()
    moved[3] = -50.0
    intrinsics, _ = camera_model(info(p=moved), SIZE, is_rectified=True)
    assert intrinsics.tolist() == P.reshape(3, 4)[:, :3].tolist()


def test_a_rectified_image_without_p_has_k_if_nothing_is_distorted():
    intrinsics, _ = camera_model(info(p=np.zeros(12), d=np.zeros(5)), SIZE, is_rectified=True)
    assert intrinsics.tolist() == K.reshape(3, 3).tolist()
    with pytest.raises(CalibrationError, match=r"rectified, but CameraInfo has no P.*image_kind"):
        camera_model(info(p=np.zeros(12)), SIZE, is_rectified=True)


@pytest.mark.parametrize(
    ("model", "distortion", "lens"),
    [
        ("plumb_bob", [0.1, 0.2, 0.3, 0.4], Lens("brown", (0.1, 0.2, 0.3, 0.4))),
        ("plumb_bob", [0.1] * 5 + [0.0] * 3, Lens("brown", (*[0.1] * 5, 0.0, 0.0, 0.0))),
        ("plumb_bob", [0.1] * 5 + [0.0], Lens("brown", (0.1,) * 5)),
        ("rational_polynomial", [0.1] * 8, Lens("brown", (0.1,) * 8)),
        ("rational_polynomial", [0.1] * 14, Lens("brown", (0.1,) * 14)),
        ("thin_prism", [0.1] * 12, Lens("brown", (0.1,) * 12)),
        ("equidistant", [0.1] * 4, Lens("fisheye", (0.1,) * 4)),
        ("fisheye", [0.1] * 4, Lens("fisheye", (0.1,) * 4)),
        ("equidistant", [0.0] * 4, Lens("fisheye", (0.0,) * 4)),
        ("equidistant", [0.1] * 4 + [0.0], Lens("fisheye", (0.1,) * 4)),
        ("omni", [0.0] * 5, PINHOLE),
        ("", [], PINHOLE),
    ],
)
def test_the_model_says_what_the_coefficients_mean(model, distortion, lens):
    message = info(distortion_model=model, d=np.array(distortion))
    assert camera_model(message, SIZE)[1] == lens


def changed(matrix, index, value):
    copy = matrix.copy()
    copy[index] = value
    return copy


@pytest.mark.parametrize(
    ("changes", "is_rectified", "reason"),
    [
        ({"k": np.zeros(9)}, False, r"K\[0\] = 0: the camera is not calibrated"),
        ({"k": changed(K, 0, np.nan)}, False, "a K that is not finite"),
        ({"k": changed(K, 5, np.inf)}, False, "a K that is not finite"),
        ({"p": changed(P, 2, np.nan)}, True, "a P that is not finite"),
        ({"p": changed(P, 0, 0.0)}, True, r"P\[0\] = 0: the camera is not calibrated"),
        ({"k": changed(K, 8, 0.0)}, False, "a K that is none of a camera"),
        ({"k": K.reshape(3, 3).T.reshape(-1)}, False, "a K that is none of a camera"),
        ({"k": changed(K, 4, -344.0)}, False, "a K that is none of a camera"),
        ({"d": changed(D, 1, np.nan)}, False, "a D that is not finite"),
        ({"distortion_model": "omni"}, False, "distortion_model 'omni'; known are plumb_bob"),
        ({"distortion_model": ""}, False, "distortion_model ''; known are plumb_bob"),
        ({"d": D[:2]}, False, "2 numbers in D; 'plumb_bob' has 4 or 5 or 8"),
        ({"distortion_model": "equidistant"}, False, "5 numbers in D; 'equidistant' has 4"),
        ({"width": 0, "height": 0}, False, "the size 0 x 0"),
        ({"roi": region(100, 0, 301, 224)}, False, "301 x 224 at 100, 0; name the full size"),
        ({"roi": region(100, 0, 0, 0)}, False, "0 x 0 at 100, 0; name the full size"),
        (
            {"roi": region(100, 0, 200, 112)},
            False,
            r"200 x 112 pixels \(a region out of 400 x 224\)",
        ),
        ({"width": 224}, False, "for 224 x 224 pixels, the image has 400 x 224"),
        ({"binning_y": 2}, False, "for 400 x 112 pixels, the image has 400 x 224"),
    ],
)
def test_a_calibration_that_does_not_fit_is_refused_by_name(changes, is_rectified, reason):
    with pytest.raises(CalibrationError, match=reason):
        camera_model(info(**changes), SIZE, is_rectified)


def test_a_wrong_lens_does_not_matter_to_a_rectified_image():
    message = info(distortion_model="omni", d=changed(D, 0, np.nan), k=np.zeros(9))
    assert camera_model(message, SIZE, is_rectified=True)[0][0, 0] == 316


@pytest.mark.parametrize("is_rectified", [False, True])
def test_an_image_of_another_size_shows_the_same_directions(is_rectified):
    """Scaled, binned, cut or both: a ray keeps its place in the scene, by paper and pencil."""
    full, _ = camera_model(info(), SIZE, is_rectified)
    u, v = (full @ [0.05, -0.1, 1.0])[:2]
    cases = [
        (info(), (112, 200), (u / 2, v / 2)),
        (info(), (448, 800), (u * 2, v * 2)),
        (info(binning_x=2, binning_y=2), (112, 200), (u / 2, v / 2)),
        (info(binning_x=2, binning_y=2), SIZE, (u, v)),
        (info(binning_x=4), (224, 100), (u / 4, v)),
        (info(roi=region(100, 50, 300, 100)), (100, 300), (u - 100, v - 50)),
        (
            info(roi=region(100, 50, 300, 100), binning_x=2, binning_y=2),
            (50, 150),
            ((u - 100) / 2, (v - 50) / 2),
        ),
        (info(roi=region(0, 0, 400, 224)), (112, 200), (u / 2, v / 2)),
    ]
    for message, size, expected in cases:
        intrinsics, _ = camera_model(message, size, is_rectified)
        np.testing.assert_allclose((intrinsics @ [0.05, -0.1, 1.0])[:2], expected)


def test_binning_that_drops_the_last_column_is_no_scaling():
    message = info(width=401, binning_x=2, binning_y=2)
    assert camera_model(message, (112, 200))[0][0, 0] == 172.5


def test_the_message_is_not_changed():
    message = info(binning_x=2, binning_y=2)
    camera_model(message, (112, 200))
    assert message.k[0] == 345.0


def test_ros_1_writes_the_matrices_in_capitals():
    message = info()
    fields = {name: getattr(message, name) for name in message.__dataclass_fields__}
    old = SimpleNamespace(**{n.upper() if n in "dkrp" else n: v for n, v in fields.items()})
    expected, lens = camera_model(message, SIZE)
    intrinsics, old_lens = camera_model(old, SIZE)
    assert (intrinsics.tolist(), old_lens) == (expected.tolist(), lens)


def test_a_calibration_is_the_same_whatever_its_header_says():
    later = ros_messages.camera_info(at_ns=5 * 10**9, size=(400, 224), frame="other")
    assert is_same_calibration(info(), replace(later, k=K, p=P, d=D))
    for change in ({"k": P[:9]}, {"width": 800}, {"binning_x": 2}, {"roi": region(1, 0, 9, 9)}):
        assert not is_same_calibration(info(), info(**change))


def test_what_a_calibration_leaves_open_is_said():
    zeroed = info(d=np.zeros(5))
    assert "another K than P; K is taken" in doubt_about(zeroed, "cam", False, is_told=False)
    assert doubt_about(zeroed, "cam", False, is_told=True) == ""
    assert doubt_about(info(), "cam", False, is_told=False) == ""
    assert doubt_about(info(), "cam", True, is_told=False) == ""
    assert doubt_about(info(p=np.zeros(12)), "cam", False, is_told=False) == ""
    stereo = doubt_about(info(p=changed(P, 3, -50.0)), "cam", True, is_told=True)
    assert "the frame 'cam' is taken as that of this camera's rectified image" in stereo


def test_whatever_a_peer_sends_is_a_camera_or_refused():
    """Random messages: finite matrices with positive focal lengths come out, or one error."""
    rng = np.random.default_rng(0)
    odd = np.array([0.0, 1.0, -1.0, np.nan, np.inf, 1e300, -1e-300])
    models = ["plumb_bob", "equidistant", "rational_polynomial", "omni", "", "x" * 10_000]
    outcomes, longest = set(), 0
    for _ in range(400):
        changes = {"distortion_model": rng.choice(models)}
        changes["d"] = rng.choice([*odd, 0.1, 0.1, 0.1], rng.integers(0, 16))
        for name, right in (("k", K), ("p", P)):
            changes[name] = np.where(rng.random(len(right)) < 0.03, rng.choice(odd), right)
        changes |= {name: int(rng.choice([0, 1, 2, 4])) for name in ("binning_x", "binning_y")}
        if rng.random() < 0.3:
            changes["roi"] = region(
                *(int(value) for value in rng.choice([0, 50, 200, 2**32 - 1], 4))
            )
        size = [SIZE, (112, 200), (1, 1), (100, 150)][rng.integers(4)]
        try:
            intrinsics, _ = camera_model(info(**changes), size, bool(rng.integers(2)))
        except CalibrationError as error:
            outcomes.add(str(error)[:24])
            longest = max(longest, len(str(error)))
        else:
            assert np.isfinite(intrinsics).all()
            assert (intrinsics.diagonal() > 0).all()
            outcomes.add("camera")
    assert "camera" in outcomes
    assert len(outcomes) > 5
    assert longest < 1000
