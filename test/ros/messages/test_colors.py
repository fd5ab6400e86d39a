"""Colors of clouds: packed in one field, as PCL has them, or one field each."""

import numpy as np
import pytest
import ros_messages

from clip2scene_ros.messages.colors import colors_from_cloud
from clip2scene_ros.messages.decode import CloudError

RGB = np.array([[255, 0, 51], [1, 2, 3], [127, 192, 255]], dtype=np.uint32)


def packed(kind: str, name: str, alpha: int = 0):
    bits = (alpha << 24) | (RGB[:, 0] << 16) | (RGB[:, 1] << 8) | RGB[:, 2]
    array = np.zeros(3, dtype=[(axis, kind[0] + "f4") for axis in "xyz"] + [(name, kind)])
    array[name] = bits.astype(kind[0] + "u4").view(kind)
    return ros_messages.cloud(array)


@pytest.mark.parametrize("kind", ["<f4", "<u4", ">u4", ">f4", "<i4"])
@pytest.mark.parametrize(("name", "alpha"), [("rgb", 0), ("rgba", 255), ("rgba", 127)])
def test_packed_colors(kind, name, alpha):
    """With alpha 127 and red 192 the bits are a NaN, which must not change on the way."""
    colors = colors_from_cloud(packed(kind, name, alpha))
    assert colors.dtype == np.float32
    np.testing.assert_allclose(colors, RGB / 255, atol=1e-6)


@pytest.mark.parametrize("names", [("r", "g", "b"), ("red", "green", "blue")])
def test_single_fields(names):
    array = np.zeros(3, dtype=[("x", "<f4"), *((name, "u1") for name in names[::-1])])
    for channel, name in enumerate(names):
        array[name] = RGB[:, channel]
    np.testing.assert_allclose(colors_from_cloud(ros_messages.cloud(array)), RGB / 255, atol=1e-6)


def test_a_cloud_without_colors_is_refused():
    with pytest.raises(CloudError, match="has no color, which the student reads"):
        colors_from_cloud(ros_messages.cloud(np.zeros((2, 4), dtype=np.float32)))
    doubles = np.zeros(2, dtype=[("x", "<f4"), ("rgb", "<f8")])
    with pytest.raises(CloudError, match="its fields are x, rgb"):
        colors_from_cloud(ros_messages.cloud(doubles))
