"""The newest images of one camera, and its calibration."""

from __future__ import annotations

from collections import deque
from typing import Any, Final

from clip2scene_ros.messages.decode import NANOSECONDS
from clip2scene_ros.sync.topics import CameraTopics

_HISTORY_NS: Final = NANOSECONDS
_MAX_IMAGES: Final = 1000
_MAX_BYTES: Final = 2**30
"""A camera whose stamps stand still would fill the memory."""


class CameraBuffer:
    """Keeps a camera's images of the last second, and longer while a cloud may need them.

    Args:
        topics: The camera's topics, for error messages.
        frame_override: The camera's frame in place of the one in its headers; None takes theirs.
        stored_info: CameraInfo from a file, which messages do not replace; None takes messages.
    """

    def __init__(
        self,
        topics: CameraTopics,
        frame_override: str | None = None,
        stored_info: Any = None,
    ) -> None:
        self.topics = topics
        self.info = stored_info
        self._frame_override = frame_override
        self._has_stored_info = stored_info is not None
        self._images: deque[tuple[int, Any]] = deque()
        self._num_bytes = 0

    def add_info(self, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        if not self._has_stored_info:
            self.info = message

    def add_image(self, at_ns: int, message: Any, oldest_needed_ns: int | None) -> None:
        """Take an image and drop the images that no cloud needs.

        Args:
            at_ns: Stamp of the image, in nanoseconds.
            message: sensor_msgs/Image or CompressedImage.
            oldest_needed_ns: Earliest stamp that a waiting cloud may use; None if no cloud waits.
        """
        self._images.append((at_ns, message))
        keep_from_ns = at_ns - _HISTORY_NS
        if oldest_needed_ns is not None:
            keep_from_ns = min(keep_from_ns, oldest_needed_ns)
        self._num_bytes += len(message.data)
        while self._images[0][0] < keep_from_ns or self._is_full():
            self._num_bytes -= len(self._images.popleft()[1].data)

    def is_complete(self, cloud_ns: int) -> bool:
        """Say whether waiting cannot bring a nearer image: later ones are farther away."""
        has_later_image = bool(self._images) and self._images[-1][0] >= cloud_ns
        return has_later_image and self.info is not None

    def nearest(self, cloud_ns: int, tolerance_s: float) -> tuple[int, Any] | str:
        """Find the image that is nearest to a cloud in time.

        Args:
            cloud_ns: Stamp of the cloud, in nanoseconds.
            tolerance_s: Largest difference between the two stamps, in seconds.

        Returns:
            The image's stamp in nanoseconds and its message, or the reason why there is none.
        """
        if self.info is None:
            return f"no CameraInfo came on {self.topics.info}"
        if not self._images:
            return f"no image came on {self.topics.image}"
        at_ns, message = min(self._images, key=lambda image: abs(image[0] - cloud_ns))
        away_s = (at_ns - cloud_ns) / NANOSECONDS
        if abs(away_s) > tolerance_s:
            return (
                f"the nearest image on {self.topics.image} is {away_s:+.3f} s away, "
                f"the tolerance is {tolerance_s} s"
            )
        if not self.frame_of(message):
            return (
                f"neither {self.topics.image} nor its CameraInfo names a frame; "
                f"name it in frame_overrides"
            )
        return at_ns, message

    def frame_of(self, image: Any) -> str:
        """Name the frame of an image; '' if neither it nor its CameraInfo names one."""
        info_frame = "" if self._has_stored_info else self.info.header.frame_id
        return str(self._frame_override or image.header.frame_id or info_frame)

    def clear(self) -> None:
        """Forget the images; the calibration stays."""
        self._images.clear()
        self._num_bytes = 0

    def _is_full(self) -> bool:
        is_beyond = len(self._images) > _MAX_IMAGES or self._num_bytes > _MAX_BYTES
        return is_beyond and len(self._images) > 1
