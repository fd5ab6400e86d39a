"""The options of a synthetic world."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clip2scene_core.world.layout.build import PLACES, TERRAINS
from clip2scene_core.world.sensors.lidar_models import MODEL_NAMES, NUSCENES, lidar_model
from clip2scene_core.world.sensors.sensor_rig import KEYFRAME_HZ
from clip2scene_core.world.sensors.sensor_suite import CameraChoice, Choice, SurfaceChoice

MIXED: Final = "mixed"


@dataclass(frozen=True)
class WorldOptions:
    """The options of a synthetic world.

    Attributes:
        num_scenes: Number of sequences.
        seed: Seed of the world; tokens and scene names of different seeds differ.
        seconds: Length of a sequence, seconds; it has a keyframe every 0.5 s.
        image_size: (height, width) of the cameras, pixels.
        lidar_columns: Number of firings per revolution of nuScenes' LiDAR.
        is_every_frame: Whether to write all sweeps (20 Hz) and images (12 Hz). Otherwise only
            keyframes with their previous sweeps, which is enough for training and much faster.
        previous_sweeps: Number of sweeps before each keyframe.
        jpeg_quality: JPEG quality, 1-95.
        with_ground_truth: Whether to write class images and objects of each keyframe (see
            `ground_truth`).
        is_rolling: Whether each LiDAR column has its own time in the 50 ms revolution, with the
            pose of the moving vehicle. Points stay in the LiDAR frame at their firing, without
            motion compensation. `lidar_times/{sample_data token}.bin` holds their times, float32
            seconds from the stamp of the sweep (the end of the revolution, so <= 0). Other objects
            keep their pose at the stamp, because a pose for every column takes longer than the
            whole revolution.
        camera_offset_ms: Time of the image minus its recorded stamp and pose, milliseconds.
        calibration_error_deg: Rotation error of the recorded camera extrinsics about a random axis,
            degrees; images are rendered with the true extrinsics.
        calibration_error_m: Translation error of the recorded camera extrinsics in a random
            direction, metres.
        lidar: Name of a LiDAR model (see `lidar_models`), or "mixed": one of them for each scene.
            Each LiDAR but "nuscenes" answers in its own way (gain, losses, noise, echoes), drawn
            for each scene.
        placement: Where the LiDAR is: "nuscenes", or "mixed": height, tilt, heading and the body in
            sight are drawn for each scene.
        cameras: "nuscenes", or "mixed": 1, 2, 4 or 6 cameras are drawn for each scene; or "none".
        held_out_lidars: Models that "mixed" leaves out.
        lidar_max_points: Most rays in a sweep of a LiDAR other than nuScenes'; a model with more
            has as many fewer columns. This bounds the time of rendering.
        terrain: "flat", or "varied": grades, crowns, kerbs of any height, hills, banks, bumps, a
            swaying vehicle, and many kinds of ground cover.
        places: "street", or "mixed": also residential lanes, parks, tracks, yards and car parks,
            some seen by a robot on the sidewalk or by a truck.
        surfaces: "plain", or "varied": how the LiDAR sees windows, paint, curved panels, rough
            ground and the reflectivity of each material is drawn for each scene.

    Raises:
        ValueError: If an option is out of its range.
    """

    num_scenes: int
    seed: int = 0
    seconds: float = 5.0
    image_size: tuple[int, int] = (224, 400)
    lidar_columns: int = 1084
    is_every_frame: bool = True
    previous_sweeps: int = 2
    jpeg_quality: int = 90
    with_ground_truth: bool = False
    is_rolling: bool = False
    camera_offset_ms: float = 0.0
    calibration_error_deg: float = 0.0
    calibration_error_m: float = 0.0
    lidar: str = NUSCENES.name
    placement: Choice = "nuscenes"
    cameras: CameraChoice = "nuscenes"
    held_out_lidars: tuple[str, ...] = ()
    lidar_max_points: int = 38_000
    terrain: str = "flat"
    places: str = "street"
    surfaces: SurfaceChoice = "plain"

    @property
    def lidar_names(self) -> tuple[str, ...]:
        """Names of the LiDAR models of the world."""
        if self.lidar != MIXED:
            return (self.lidar,)
        return tuple(name for name in MODEL_NAMES if name not in self.held_out_lidars)

    @property
    def has_one_rig(self) -> bool:
        """Whether all scenes have nuScenes' sensors."""
        drawn = (self.lidar, self.placement, self.cameras, self.surfaces)
        return drawn == (NUSCENES.name, "nuscenes", "nuscenes", "plain")

    def __post_init__(self) -> None:
        if self.num_scenes < 1 or not 0 <= self.seed <= 9999:
            raise ValueError(
                f"a world needs num_scenes >= 1 and a seed of 0-9999, "
                f"got num_scenes={self.num_scenes}, seed={self.seed}"
            )
        if not 1 / KEYFRAME_HZ <= self.seconds <= 60 or not 0 <= self.previous_sweeps <= 9:
            raise ValueError(
                f"a scene lasts 0.5-60 seconds with 0-9 previous sweeps, "
                f"got seconds={self.seconds}, previous_sweeps={self.previous_sweeps}"
            )
        if min(self.image_size) < 16 or self.lidar_columns < 16:
            raise ValueError(
                f"image_size and lidar_columns must be at least 16, "
                f"got {self.image_size} and {self.lidar_columns}"
            )
        if not abs(self.camera_offset_ms) <= 1000:
            raise ValueError(
                f"camera_offset_ms must lie within +-1000 ms, got {self.camera_offset_ms}"
            )
        if not (0 <= self.calibration_error_deg <= 45 and 0 <= self.calibration_error_m <= 5):
            raise ValueError(
                f"calibration errors must be 0-45 degrees and 0-5 metres, "
                f"got {self.calibration_error_deg} and {self.calibration_error_m}"
            )
        if self.terrain not in TERRAINS or self.places not in PLACES:
            raise ValueError(
                f"terrain is one of {TERRAINS} and places one of {PLACES}, "
                f"got {self.terrain!r} and {self.places!r}"
            )
        self._check_sensors()

    def _check_sensors(self) -> None:
        for name in (*self.held_out_lidars, *({self.lidar} - {MIXED})):
            lidar_model(name)
        if self.held_out_lidars and self.lidar != MIXED:
            raise ValueError(
                f"held_out_lidars leaves models out of lidar='mixed', got lidar={self.lidar!r}"
            )
        if not self.lidar_names:
            raise ValueError("held_out_lidars leaves no LiDAR model; name fewer")
        if self.placement not in ("nuscenes", MIXED):
            raise ValueError(f"placement must be 'nuscenes' or 'mixed', got {self.placement!r}")
        if self.cameras not in ("nuscenes", MIXED, "none"):
            raise ValueError(f"cameras must be 'nuscenes', 'mixed' or 'none', got {self.cameras!r}")
        if self.surfaces not in ("plain", "varied"):
            raise ValueError(f"surfaces must be 'plain' or 'varied', got {self.surfaces!r}")
        if self.lidar_max_points < 2048:
            raise ValueError(f"lidar_max_points must be 2048 or more, got {self.lidar_max_points}")
