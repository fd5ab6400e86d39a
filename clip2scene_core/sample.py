"""The records that all stages share: a sweep, a camera view, and a sample of both."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray


class DatasetError(ValueError):
    """A file of a data set is missing, damaged or not in the data set's format."""


@dataclass(frozen=True)
class Sweep:
    """One LiDAR revolution, with the pose of the LiDAR at the stamp of the revolution.

    Or the cloud of depth cameras: then "LiDAR" is the frame of the cloud, its intensities are 0,
    and its points may have colors.

    Attributes:
        points: (N, 4) float32: x, y, z in metres in the LiDAR frame, intensity in [0, 1]; or (N, 7)
            with red, green, blue in [0, 1] after them.
        T_global_lidar: (4, 4) float64 rigid transform at `stamp_ns`. The global frame is the data
            set's global frame or, online, the fixed frame. All NaN if the pose is unknown.
        stamp_ns: Time, nanoseconds.
        labels: (N,) uint8, 255 = IGNORE_LABEL; None if there are no labels or they were not read.
        T_base_lidar: (4, 4) float64, pose of the LiDAR in a frame of the robot whose z points up;
            None if it is not known, and z of the LiDAR points up.

    Raises:
        ValueError: If a shape or a dtype is another one.

    Example:
        >>> import numpy as np
        >>> sweep = Sweep(np.zeros((3, 4), np.float32), np.eye(4), stamp_ns=0)
        >>> sweep.is_located
        True
    """

    points: NDArray[np.float32]
    T_global_lidar: NDArray[np.float64]
    stamp_ns: int
    labels: NDArray[np.uint8] | None = None
    T_base_lidar: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        if not are_points(self.points) or self.points.dtype != np.float32:
            raise ValueError(
                f"points must be (N, 4) float32 x, y, z, intensity, or (N, 7) with red, green, "
                f"blue, got {self.points.shape} {self.points.dtype}"
            )
        _check_transform("T_global_lidar", self.T_global_lidar)
        if self.T_base_lidar is not None:
            _check_transform("T_base_lidar", self.T_base_lidar)
        if self.labels is not None and self.labels.shape != (len(self.points),):
            raise ValueError(
                f"labels must be ({len(self.points)},) like the points, got {self.labels.shape}"
            )

    @property
    def is_located(self) -> bool:
        """Whether the pose is known."""
        return bool(np.isfinite(self.T_global_lidar).all())


LENS_MODELS: Final = {"pinhole": (0,), "brown": (4, 5, 8, 12, 14), "fisheye": (4,)}
"""How many coefficients each model of a lens has."""


@dataclass(frozen=True)
class Lens:
    """How a lens bends the rays before they meet the pinhole matrix.

    Attributes:
        model: "pinhole" (not at all), "brown" (k1, k2, p1, p2, then k3, then k4 to k6, then the
            thin prism's s1 to s4, then the tilts of the sensor in radians: ROS's plumb_bob and
            rational_polynomial, all of OpenCV's calibrateCamera) or "fisheye" (k1 to k4: ROS's
            equidistant, OpenCV's fisheye, Kannala and Brandt).
        coefficients: Finite numbers in this order, without unit.

    Raises:
        ValueError: If the model is unknown or the coefficients do not fit it.

    Example:
        >>> Lens("brown", (-0.28, 0.09, 0.0, 0.0)).model
        'brown'
    """

    model: str = "pinhole"
    coefficients: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.model not in LENS_MODELS:
            raise ValueError(
                f"model of a lens must be one of {', '.join(LENS_MODELS)}, got {self.model!r}"
            )
        counts = LENS_MODELS[self.model]
        if len(self.coefficients) not in counts:
            raise ValueError(
                f"a {self.model} lens has {' or '.join(map(str, counts))} coefficients, "
                f"got {len(self.coefficients)}"
            )
        if not all(map(math.isfinite, self.coefficients)):
            raise ValueError(f"coefficients of a lens must be finite, got {self.coefficients}")


PINHOLE: Final = Lens()
"""A camera that bends nothing, or whose picture is rectified."""


@dataclass(frozen=True)
class DepthImage:
    """What a depth camera measured beside the picture of a view, from the same place.

    Attributes:
        depth_m: (H, W) float32, metres along the optical axis; 0 where nothing was measured. It may
            have another size than the picture.
        intrinsics: (3, 3) float64 pinhole matrix, in pixels of `depth_m`.
        tolerance_m: A point is seen if its depth is that of its pixel to within this, metres.

    Raises:
        ValueError: If a shape or a dtype is another one.

    Source of the tolerance: CLIP2Scene's code for ScanNet.
    """

    depth_m: NDArray[np.float32]
    intrinsics: NDArray[np.float64]
    tolerance_m: float = 0.05

    def __post_init__(self) -> None:
        if self.depth_m.ndim != 2 or self.depth_m.dtype != np.float32:
            raise ValueError(
                f"depth_m must be (H, W) float32, got {self.depth_m.shape} {self.depth_m.dtype}"
            )
        if self.intrinsics.shape != (3, 3) or not self.intrinsics[0, 0] > 0:
            raise ValueError(
                f"intrinsics of a depth image must be (3, 3) with a positive focal length, got "
                f"{self.intrinsics.tolist()}"
            )


@dataclass(frozen=True)
class CameraView:
    """One camera image, with the pose of the camera at the stamp of the image.

    Attributes:
        name: Name of the camera, for example "cam_front".
        image: (H, W, 3) uint8 RGB; (H, W, 0) where only its size was read, so that who looks at
            its pixels fails.
        intrinsics: (3, 3) float64 pinhole matrix, in pixels of `image`.
        T_global_camera: (4, 4) float64 rigid transform at `stamp_ns`. The camera frame is optical:
            x right, y down, z forward.
        stamp_ns: Time, nanoseconds.
        lens: How the lens distorts `image`; a rectified image is a pinhole's.
        depth: What a depth camera measured there; None without one.

    Raises:
        ValueError: If a shape or a dtype is another one, or the intrinsics are no finite pinhole
            matrix with positive focal lengths and the last row 0, 0, 1.

    Example:
        >>> import numpy as np
        >>> image = np.zeros((8, 16, 3), np.uint8)
        >>> intrinsics = np.array([[10.0, 0, 8], [0, 10, 4], [0, 0, 1]])
        >>> view = CameraView("cam_front", image, intrinsics, np.eye(4), stamp_ns=0)
        >>> view.image.shape[:2]
        (8, 16)
    """

    name: str
    image: NDArray[np.uint8]
    intrinsics: NDArray[np.float64]
    T_global_camera: NDArray[np.float64]
    stamp_ns: int
    lens: Lens = PINHOLE
    depth: DepthImage | None = None

    def __post_init__(self) -> None:
        is_image = self.image.ndim == 3 and self.image.shape[2] in (3, 0)
        if not is_image or self.image.dtype != np.uint8:
            raise ValueError(
                f"image of {self.name} must be (H, W, 3) uint8 RGB, "
                f"got {self.image.shape} {self.image.dtype}"
            )
        is_finite = bool(np.isfinite(self.intrinsics).all())
        if self.intrinsics.shape != (3, 3) or not is_finite or not self.intrinsics[0, 0] > 0:
            raise ValueError(
                f"intrinsics of {self.name} must be (3, 3), finite, with a positive focal length, "
                f"got {self.intrinsics.tolist()}; the camera is not calibrated"
            )
        if not np.isfinite(self.intrinsics).all() or not self.intrinsics[1, 1] > 0:
            raise ValueError(
                f"intrinsics of {self.name} must be finite with positive focal lengths, "
                f"got {self.intrinsics.tolist()}"
            )
        if self.intrinsics[1, 0] != 0 or self.intrinsics[2].tolist() != [0, 0, 1]:
            raise ValueError(
                f"intrinsics of {self.name} must be [fx, skew, cx], [0, fy, cy], [0, 0, 1], "
                f"got {self.intrinsics.tolist()}"
            )
        _check_transform("T_global_camera", self.T_global_camera)


@dataclass(frozen=True)
class Sample:
    """A keyframe: its sweep, the sweeps before it, and its camera views.

    Attributes:
        token: Identifier of the keyframe in the data set.
        scene_token: Identifier of the sequence that the keyframe belongs to.
        sweeps: The sweep of the keyframe, then the previous sweeps, newest first.
        cameras: Any number of views, each with its own stamp.

    Raises:
        ValueError: If there is no sweep.

    Example:
        >>> import numpy as np
        >>> sweep = Sweep(np.zeros((3, 4), np.float32), np.eye(4), stamp_ns=0)
        >>> Sample("keyframe-1", "scene-1", (sweep,), ()).keyframe is sweep
        True
    """

    token: str
    scene_token: str
    sweeps: tuple[Sweep, ...]
    cameras: tuple[CameraView, ...]

    def __post_init__(self) -> None:
        if not self.sweeps:
            raise ValueError(f"sample {self.token} has no sweep; a sample starts with its keyframe")

    @property
    def keyframe(self) -> Sweep:
        """The sweep of the keyframe."""
        return self.sweeps[0]


def are_points(points: NDArray[np.generic]) -> bool:
    """Whether an array has the columns of points: x, y, z, intensity, and colors or none."""
    return points.ndim == 2 and points.shape[1] in (4, 7)


def _check_transform(name: str, transform: NDArray[np.float64]) -> None:
    if transform.shape != (4, 4) or transform.dtype != np.float64:
        raise ValueError(f"{name} must be (4, 4) float64, got {transform.shape} {transform.dtype}")
