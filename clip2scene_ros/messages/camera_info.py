"""CameraInfo to a pinhole matrix and a lens, for the size and the kind of an image.

K and D describe the image as the lens gives it; the left part of P describes the rectified one. A
CameraInfo holds both and does not say which image it comes with, so the caller does.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.sample import LENS_MODELS, PINHOLE, Lens

_MODELS: Final = {
    "plumb_bob": "brown",
    "rational_polynomial": "brown",
    "thin_prism": "brown",
    "radtan": "brown",
    "equidistant": "fisheye",
    "fisheye": "fisheye",
    "kannala_brandt4": "fisheye",
}
"""Names in distortion_model; those after thin_prism are other calibrators' for the same."""
_SHOWN: Final = 40
_SAME_SHARE: Final = 1e-3
_MIN_TURN: Final = 1e-3
"""Radians that are no rounding: a pixel of a camera with a focal length of 1,000."""


class CalibrationError(ValueError):
    """A CameraInfo that does not calibrate its image; the message says why."""


def camera_model(
    message: Any, image_size: tuple[int, int], is_rectified: bool = False
) -> tuple[NDArray[np.float64], Lens]:
    """Read a CameraInfo for an image of a size.

    The image may show a region of interest, be binned, or both; a whole image may be scaled, too,
    which one sees by its size. P is not moved by its fourth column, nor the lens turned by R: the
    frame of the image is its own, whether rectified or not.

    Args:
        message: sensor_msgs/CameraInfo of ROS 2 or ROS 1, or `FileCameraInfo`.
        image_size: Height and width of the decoded image, pixels.
        is_rectified: The image is rectified: P holds. False: K and D hold.

    Returns:
        (3, 3) float64 pinhole matrix in pixels of the image, and the lens.

    Raises:
        CalibrationError: If the camera is not calibrated, a number is not finite, a matrix is no
            pinhole's, the model of the distortion is unknown, or the image has another shape.
    """
    intrinsics, lens = _whole(message, is_rectified)
    left, top, width, height = _region(message)
    bins = _bins(message)
    expected_width, expected_height = width / bins[0], height / bins[1]
    image_height, image_width = image_size
    is_whole = (width, height) == (message.width, message.height)
    scale = 1.0
    if max(abs(image_width - expected_width), abs(image_height - expected_height)) > 1:
        scale = image_width / expected_width
        if not is_whole or abs(expected_height * scale - image_height) > 1:
            cut = "" if is_whole else f" (a region out of {message.width} x {message.height})"
            raise CalibrationError(
                f"CameraInfo is for {expected_width:g} x {expected_height:g} pixels{cut}, the "
                f"image has {image_width} x {image_height}"
            )
    intrinsics[0] -= left * intrinsics[2]
    intrinsics[1] -= top * intrinsics[2]
    intrinsics[0] *= scale / bins[0]
    intrinsics[1] *= scale / bins[1]
    return intrinsics, lens


def is_same_calibration(message: Any, other: Any) -> bool:
    """Whether two messages of sensor_msgs/CameraInfo say the same but for their headers."""
    return _content(message) == _content(other)


def doubt_about(message: Any, frame_id: str, is_rectified: bool, is_told: bool) -> str:
    """Say what a CameraInfo leaves open, for a log; "" if nothing.

    Args:
        message: As in `camera_model`.
        frame_id: Frame of the camera.
        is_rectified: As in `camera_model`.
        is_told: The user said whether the images are rectified.
    """
    projection = _numbers(message, "p", 12).reshape(3, 4)
    if not np.isfinite(projection).all() or not projection[0, 0] > 0:
        return ""
    if is_rectified:
        turn = _numbers(message, "r", 9).reshape(3, 3) - np.eye(3)
        if abs(projection[0, 3]) > _SAME_SHARE or _MIN_TURN < np.abs(turn).max() < 1:
            return (
                f"CameraInfo is of a stereo camera (P[3] = {projection[0, 3]:g}): the frame "
                f"{frame_id[:_SHOWN]!r} is taken as that of this camera's rectified image, not as "
                f"the left camera's"
            )
        return ""
    intrinsics, distortion = _numbers(message, "k", 9).reshape(3, 3), _distortion(message)
    differs = np.abs(projection[:, :3] - intrinsics).max() > _SAME_SHARE * projection[0, 0]
    if differs and not is_told and not distortion.any():
        return (
            "CameraInfo has no distortion, but another K than P; K is taken. Say what the images "
            "are: set image_kind to rectified or raw"
        )
    return ""


def _whole(message: Any, is_rectified: bool) -> tuple[NDArray[np.float64], Lens]:
    """Matrix and lens of the whole image in full resolution."""
    projection = _numbers(message, "p", 12).reshape(3, 4)[:, :3]
    if is_rectified and projection.any():
        return _checked("P", projection), PINHOLE
    intrinsics = _numbers(message, "k", 9).reshape(3, 3)
    if is_rectified and _distortion(message).any():
        raise CalibrationError(
            "the image is rectified, but CameraInfo has no P, only K and a distortion of the lens; "
            "fill in P, or set image_kind to raw if the image is as the lens gives it"
        )
    return _checked("K", intrinsics), PINHOLE if is_rectified else _lens(message)


def _checked(name: str, matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    listed = matrix.tolist()
    if not matrix.any() or matrix[0, 0] == 0 or matrix[1, 1] == 0:
        raise CalibrationError(f"CameraInfo has {name}[0] = 0: the camera is not calibrated")
    if not np.isfinite(matrix).all():
        raise CalibrationError(f"CameraInfo has a {name} that is not finite: {listed}")
    if matrix[0, 0] < 0 or matrix[1, 1] < 0 or matrix[1, 0] or listed[2] != [0, 0, 1]:
        raise CalibrationError(
            f"CameraInfo has a {name} that is none of a camera: {listed}; it must be "
            f"[fx, 0, cx], [0, fy, cy], [0, 0, 1], row by row"
        )
    return matrix.copy()


def _lens(message: Any) -> Lens:
    distortion = _distortion(message)
    name = message.distortion_model
    if not np.isfinite(distortion).all():
        raise CalibrationError(f"CameraInfo has a D that is not finite: {distortion[:14].tolist()}")
    model = _MODELS.get(name.strip().lower())
    if model != "fisheye" and not distortion.any():
        return PINHOLE  # whatever it is called
    if model is None:
        raise CalibrationError(
            f"CameraInfo has the distortion_model {name[:_SHOWN]!r}; known are "
            f"{', '.join(_MODELS)}. Rectify the image (image_proc)"
        )
    # As in OpenCV, the length of D tells how many of the brown model's terms there are.
    counts = [n for n in LENS_MODELS[model] if n <= len(distortion) and not distortion[n:].any()]
    if not counts:
        raise CalibrationError(
            f"CameraInfo has {len(distortion)} numbers in D; {name[:_SHOWN]!r} has "
            f"{' or '.join(map(str, LENS_MODELS[model]))}"
        )
    return Lens(model, tuple(distortion[: counts[-1]].tolist()))


def _region(message: Any) -> tuple[int, int, int, int]:
    """Left, top, width and height of what the image shows, in pixels of the full resolution."""
    region = message.roi
    left, top, width, height = region.x_offset, region.y_offset, region.width, region.height
    if (left, top, width, height) == (0, 0, 0, 0):
        width, height = message.width, message.height
    if width < 1 or height < 1 or left + width > message.width or top + height > message.height:
        raise CalibrationError(
            f"CameraInfo has the size {message.width} x {message.height}, and in it a region of "
            f"interest of {width} x {height} at {left}, {top}; name the full size and a region "
            f"inside it"
        )
    return left, top, width, height


def _bins(message: Any) -> tuple[int, int]:
    return max(1, message.binning_x), max(1, message.binning_y)


def _distortion(message: Any) -> NDArray[np.float64]:
    return _numbers(message, "d", None)


def _numbers(message: Any, name: str, count: int | None) -> NDArray[np.float64]:
    # ROS 1 has capitals.
    values = getattr(message, name) if hasattr(message, name) else getattr(message, name.upper())
    numbers = np.array(values, dtype=np.float64).reshape(-1)
    if count is not None and len(numbers) != count:
        raise CalibrationError(
            f"CameraInfo has {len(numbers)} numbers in {name.upper()}, not {count}"
        )
    return numbers


def _content(message: Any) -> tuple[Any, ...]:
    matrices = [_numbers(message, name, None).tobytes() for name in "dkrp"]
    region = message.roi
    return (
        message.height,
        message.width,
        message.distortion_model,
        message.binning_x,
        message.binning_y,
        (region.x_offset, region.y_offset, region.height, region.width),
        *matrices,
    )
