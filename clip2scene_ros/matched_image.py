"""An image message that was chosen for a sweep, not yet decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clip2scene_core.datasets.sample import CameraView
from clip2scene_ros.conversions import image_from_message, intrinsics_from_camera_info


@dataclass(frozen=True)
class MatchedImage:
    """One camera's image for one sweep.

    Attributes:
        camera: Its name.
        message: sensor_msgs/Image or CompressedImage.
        info: sensor_msgs/CameraInfo.
        frame_id: The camera's frame.
        T_fixed_camera: (4, 4) float64 at the image's stamp.
        at_ns: The image's stamp.
    """

    camera: str
    message: Any
    info: Any
    frame_id: str
    T_fixed_camera: NDArray[np.float64]
    at_ns: int

    def view(self) -> CameraView:
        """Decode the image.

        Raises:
            ImageError: If its bytes do not make an image.
            CalibrationError: If its CameraInfo does not calibrate it.
        """
        pixels = image_from_message(self.message)
        intrinsics = intrinsics_from_camera_info(self.info, pixels.shape[:2])
        return CameraView(self.camera, pixels, intrinsics, self.T_fixed_camera, self.at_ns)
