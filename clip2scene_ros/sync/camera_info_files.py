"""Calibrations from YAML files of camera_info_manager, for cameras without CameraInfo topics."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.files.damage import one_line, shortened
from clip2scene_core.files.text import NOT_YAML, load_yaml, read_text


class CalibrationFileError(ValueError):
    """A calibration file that cannot be used; the message names it."""


@dataclass(frozen=True)
class RegionOfInterest:
    """The whole image, with the fields of sensor_msgs/RegionOfInterest that are read.

    Attributes:
        x_offset: First column, pixels.
        y_offset: First row, pixels.
        height: Rows; all of them where all fields are 0.
        width: Columns.
    """

    x_offset: int = 0
    y_offset: int = 0
    height: int = 0
    width: int = 0


@dataclass(frozen=True)
class FileCameraInfo:
    """A calibration file, with the fields of sensor_msgs/CameraInfo that are read.

    Attributes:
        height: Height of the calibrated image, pixels.
        width: Width of the calibrated image, pixels.
        k: (9,) float64 intrinsics, row by row, pixels.
        d: (K,) float64 distortion coefficients; K may be 0.
        distortion_model: What the coefficients mean.
        r: (9,) float64 rotation of the rectified camera, row by row.
        p: (12,) float64 projection of the rectified image, row by row, pixels; 0 without one.
        roi: Region that is calibrated: the whole image.
        binning_x: Always 1: files are made at the resolution that they name.
        binning_y: Likewise.
    """

    height: int
    width: int
    k: NDArray[np.float64]
    d: NDArray[np.float64]
    distortion_model: str
    r: NDArray[np.float64]
    p: NDArray[np.float64]
    roi: RegionOfInterest = RegionOfInterest()
    binning_x: int = 1
    binning_y: int = 1


def load_camera_infos(url: str, cameras: Collection[str]) -> dict[str, FileCameraInfo]:
    """Read the calibration of each camera.

    Args:
        url: A path, file:///PATH or package://PACKAGE/PATH; ${NAME} or {camera} in it is the
            camera's name, {CAMERA} its name in capitals. "" names no files.
        cameras: Names of the cameras.

    Returns:
        Calibration by camera name; empty without files.

    Raises:
        CalibrationFileError: If the URL cannot be understood, several cameras share a file, or a
            file is missing or does not fit.
    """
    if not url:
        return {}
    paths = {camera: _path(_fill(url, camera)) for camera in cameras}
    if len(set(paths.values())) < len(paths):
        raise CalibrationFileError(
            f"camera_info_url must contain ${{NAME}} or {{camera}}, because there are "
            f"{len(paths)} cameras; got '{url}'"
        )
    return {camera: _read(path) for camera, path in paths.items()}


def _fill(url: str, camera: str) -> str:
    for pattern, name in (
        ("${NAME}", camera),
        ("{camera}", camera),
        ("{CAMERA}", camera.upper()),
    ):
        url = url.replace(pattern, name)
    if "${" in url:
        raise CalibrationFileError(f"camera_info_url knows no variable but ${{NAME}}, got '{url}'")
    return url


def _path(url: str) -> Path:
    scheme, separator, rest = url.partition("://")
    if not separator:
        return Path(url)
    if scheme == "file":
        return Path(rest)
    if scheme != "package":
        raise CalibrationFileError(f"camera_info_url must be file:// or package://, got '{url}'")
    package, _, inside = rest.partition("/")
    try:
        from ament_index_python.packages import get_package_share_directory

        return Path(get_package_share_directory(package)) / inside
    except (ImportError, LookupError, ValueError) as error:
        raise CalibrationFileError(f"camera_info_url {url}: {error}") from error


def _read(path: Path) -> FileCameraInfo:
    try:
        content = load_yaml(read_text(path))
    except OSError as error:
        raise CalibrationFileError(f"{path}: cannot be read ({error.strerror})") from error
    except NOT_YAML as error:
        raise CalibrationFileError(f"{path}: not valid YAML ({one_line(error)})") from error
    if not isinstance(content, Mapping):
        raise CalibrationFileError(f"{path}: must hold the keys of camera_info_manager")
    intrinsics = _numbers(path, content, "camera_matrix", 9)
    distortion, rotation, projection = np.zeros(0), np.eye(3).reshape(-1), np.zeros(12)
    if "distortion_coefficients" in content:
        distortion = _numbers(path, content, "distortion_coefficients", None)
    if "rectification_matrix" in content:
        rotation = _numbers(path, content, "rectification_matrix", 9)
    if "projection_matrix" in content:
        projection = _numbers(path, content, "projection_matrix", 12)
    # Files from before there was a choice leave the model out.
    model = str(content.get("distortion_model", "plumb_bob"))
    height, width = (_length(path, content, key) for key in ("image_height", "image_width"))
    return FileCameraInfo(height, width, intrinsics, distortion, model, rotation, projection)


def _numbers(
    path: Path, content: Mapping[str, Any], key: str, count: int | None
) -> NDArray[np.float64]:
    matrix = content.get(key)
    try:
        numbers = np.array(matrix["data"], dtype=np.float64)  # type: ignore[index]
    except (TypeError, LookupError, ValueError, OverflowError) as error:
        raise CalibrationFileError(
            f"{path}: {key} must have data, a list of numbers; got {shortened(repr(matrix), 60)}"
        ) from error
    if numbers.ndim != 1 or not np.isfinite(numbers).all() or count not in (None, len(numbers)):
        raise CalibrationFileError(
            f"{path}: {key} must have {count or 'some'} finite numbers, got "
            f"{shortened(repr(matrix), 60)}"
        )
    return numbers


def _length(path: Path, content: Mapping[str, Any], key: str) -> int:
    length = content.get(key)
    if not isinstance(length, int) or length < 1:
        raise CalibrationFileError(
            f"{path}: {key} must be a number of pixels, got {shortened(repr(length), 60)}"
        )
    return length
