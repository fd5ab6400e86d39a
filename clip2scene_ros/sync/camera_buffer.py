"""The newest images of one camera, and its calibrations."""

from __future__ import annotations

import logging
from collections import deque
from typing import Any, Final

from clip2scene_ros.messages.camera_info import CalibrationError, doubt_about, is_same_calibration
from clip2scene_ros.messages.decode import NANOSECONDS, stamp_ns
from clip2scene_ros.sync.topics import CameraTopics, is_rectified

_HISTORY_NS: Final = NANOSECONDS
_MAX_IMAGES: Final = 1000
_MAX_BYTES: Final = 2**30
"""A camera whose stamps stand still would fill the memory."""
_MAX_CALIBRATIONS: Final = 256
"""Of a lens that zooms, and whose images do not come."""

_LOGGER = logging.getLogger(__name__)


class CameraBuffer:
    """Keeps a camera's images of the last second, and longer while a cloud may need them.

    A camera may change its calibration on the way: another resolution, a zoom. Each one holds from
    the stamp of its first message on.

    Args:
        topics: The camera's topics, for error messages.
        frame_override: The camera's frame in place of the one in its headers; None takes theirs.
        stored_info: CameraInfo from a file, which messages do not replace; None takes messages.
        image_kind: What the images are, "auto", "rectified" or "raw"; see `is_rectified`.

    Attributes:
        topics: The camera's topics.
        is_rectified: Whether the images are rectified.
    """

    def __init__(
        self,
        topics: CameraTopics,
        frame_override: str | None = None,
        stored_info: Any = None,
        image_kind: str = "auto",
    ) -> None:
        self.topics = topics
        self.is_rectified = is_rectified(topics.image, image_kind)
        self._is_told = image_kind != "auto"
        self._frame_override = frame_override
        self._has_stored_info = stored_info is not None
        self._infos: deque[tuple[int, Any]] = deque(maxlen=_MAX_CALIBRATIONS)
        self._newest_info_ns = 0
        self._doubts: set[str] = set()
        self._images: deque[tuple[int, Any]] = deque()
        self._num_bytes = 0
        if stored_info is not None:
            self._infos.append((0, stored_info))
            self._say_doubt(stored_info, frame_override or "")

    def add_info(self, message: Any) -> None:
        """Take a sensor_msgs/CameraInfo."""
        if self._has_stored_info:
            return
        self._newest_info_ns = stamp_ns(message.header)
        if not self._infos or not is_same_calibration(self._infos[-1][1], message):
            self._infos.append((self._newest_info_ns, message))
            self._say_doubt(message, self._frame_override or message.header.frame_id)

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
        while len(self._infos) > 1 and self._infos[1][0] <= self._images[0][0]:
            self._infos.popleft()

    def info_at(self, at_ns: int) -> Any:
        """Give the CameraInfo of an image: the newest not after it, or the first one."""
        for since_ns, info in reversed(self._infos):
            if since_ns <= at_ns:
                return info
        return self._infos[0][1]

    def is_complete(self, cloud_ns: int) -> bool:
        """Say whether waiting cannot bring a nearer image: later ones are farther away."""
        if not self._infos or not self._images or self._images[-1][0] < cloud_ns:
            return False
        # Where calibrations change, the image's own one may be just behind it.
        is_changing = len(self._infos) > 1
        return not is_changing or self._newest_info_ns >= self._nearest_image(cloud_ns)[0]

    def nearest(self, cloud_ns: int, tolerance_s: float) -> tuple[int, Any] | str:
        """Find the image that is nearest to a cloud in time.

        Args:
            cloud_ns: Stamp of the cloud, in nanoseconds.
            tolerance_s: Largest difference between the two stamps, in seconds.

        Returns:
            The image's stamp in nanoseconds and its message, or the reason why there is none.
        """
        if not self._infos:
            return f"no CameraInfo came on {self.topics.info}"
        if not self._images:
            return f"no image came on {self.topics.image}"
        at_ns, message = self._nearest_image(cloud_ns)
        away_s = (at_ns - cloud_ns) / NANOSECONDS
        if abs(away_s) > tolerance_s:
            return (
                f"the nearest image on {self.topics.image} is {away_s:+.3f} s away, "
                f"the tolerance is {tolerance_s} s"
            )
        if not self.frame_of(at_ns, message):
            return (
                f"neither {self.topics.image} nor its CameraInfo names a frame; "
                f"name it in frame_overrides"
            )
        return at_ns, message

    def frame_of(self, at_ns: int, image: Any) -> str:
        """Name the frame of an image; '' if neither it nor its CameraInfo names one."""
        info_frame = "" if self._has_stored_info else self.info_at(at_ns).header.frame_id
        return str(self._frame_override or image.header.frame_id or info_frame)

    def clear(self) -> None:
        """Forget the images; the newest calibration stays, for any stamp."""
        self._images.clear()
        self._num_bytes = 0
        if self._infos:
            newest = self._infos[-1][1]
            self._infos.clear()
            self._infos.append((0, newest))

    def _is_full(self) -> bool:
        is_beyond = len(self._images) > _MAX_IMAGES or self._num_bytes > _MAX_BYTES
        return is_beyond and len(self._images) > 1

    def _nearest_image(self, cloud_ns: int) -> tuple[int, Any]:
        return min(self._images, key=lambda image: abs(image[0] - cloud_ns))

    def _say_doubt(self, info: Any, frame_id: str) -> None:
        try:
            doubt = doubt_about(info, frame_id, self.is_rectified, self._is_told)
        except CalibrationError:
            return  # said of the image that needs it
        if doubt and doubt not in self._doubts:
            self._doubts.add(doubt)
            _LOGGER.warning("%s: %s", self.topics.info, doubt)
