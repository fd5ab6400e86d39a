"""What to write: the options of a world."""

from __future__ import annotations

from dataclasses import dataclass

from clip2scene_core.world.render.sensor_rig import KEYFRAME_HZ


@dataclass(frozen=True)
class WorldOptions:
    """What to write.

    Attributes:
        num_scenes: How many drives.
        seed: Another seed is another world; tokens and scene names never collide between seeds.
        seconds: Length of a drive; a keyframe every 0.5 s.
        image_size: (height, width) of the six cameras.
        lidar_columns: Firings per revolution of the LiDAR.
        is_every_frame: Write all sweeps (20 Hz) and images (12 Hz), or only keyframes with their
            previous sweeps, which is enough for training and much faster.
        previous_sweeps: Sweeps before each keyframe.
        jpeg_quality: 1-95.
        with_ground_truth: Write class images and objects of each keyframe (see `ground_truth`).
        is_rolling: Measure each LiDAR column at its own instant of the 50 ms revolution, from the
            moving vehicle. Points stay in the LiDAR's frame at their own firing, uncompensated,
            and `lidar_times/{sample_data token}.bin` holds their float32 seconds relative to the
            sweep's stamp (the revolution's end, so <= 0). Only the ego vehicle's motion smears:
            other things stand where they are at the stamp, since moving them for every column
            would cost more than the whole revolution.
        camera_offset_ms: All pictures are taken this much later than their stamps and poses say.
        calibration_error_deg: Each camera's recorded extrinsics are turned by this angle about a
            random axis; pictures are taken with the true ones.
        calibration_error_m: They are shifted by this length in a random direction, too.

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
