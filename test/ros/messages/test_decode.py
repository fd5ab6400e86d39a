from __future__ import annotations

import array
import io
import json
import struct
import zlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import ros_messages
import torch
from PIL import Image

from clip2scene_core.prompts.vocabulary import make_vocabulary
from clip2scene_ros.messages.decode import (
    CloudError,
    ImageError,
    image_from_message,
    matrix_from_transform,
    points_from_cloud,
    stamp_ns,
)
from clip2scene_ros.messages.legend import legend_json

POINTS = np.array([[1, 2, 3, 255], [4, 5, 6, 0], [7, 8, 9, 51]], dtype=np.float32)
EXPECTED = np.array([[1, 2, 3, 1], [4, 5, 6, 0], [7, 8, 9, 0.2]], dtype=np.float32)


def test_points_keep_order_and_intensity_is_scaled():
    points = points_from_cloud(ros_messages.cloud(POINTS))
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, EXPECTED)


def test_message_bytes_may_be_an_array_as_in_rclpy():
    message = ros_messages.cloud(POINTS)
    message = SimpleNamespace(**{**message.__dict__, "data": array.array("B", bytes(message.data))})
    np.testing.assert_allclose(points_from_cloud(message), EXPECTED)


def test_fields_are_found_by_name_offset_and_datatype():
    layout = np.dtype(
        {
            "names": ["ring", "z", "y", "x", "intensity"],
            "formats": ["<u2", "<f8", "<i4", "<f4", "<u1"],
            "offsets": [0, 8, 16, 20, 24],
            "itemsize": 32,
        }
    )
    message_array = np.zeros(3, layout)
    for column, name in enumerate(["x", "y", "z", "intensity"]):
        message_array[name] = POINTS[:, column]
    np.testing.assert_allclose(points_from_cloud(ros_messages.cloud(message_array)), EXPECTED)


def test_big_endian_cloud_is_read():
    layout = np.dtype([(name, ">f4") for name in ("x", "y", "z", "intensity")])
    swapped = np.array([tuple(row) for row in POINTS], dtype=layout)
    np.testing.assert_allclose(points_from_cloud(ros_messages.cloud(swapped)), EXPECTED)


@pytest.mark.parametrize("row_step", [0, 3, 16, 6 * 16, 2**32 - 1])
@pytest.mark.parametrize("shape", [(2, 3), (6, 1), (1, 6)])
def test_wrong_row_step_does_not_matter_where_the_rows_are_packed(row_step, shape):
    points = np.concatenate([POINTS, POINTS + 1])
    message = ros_messages.cloud(points)
    height, width = shape
    changes = {"height": height, "width": width, "row_step": row_step}
    wrong = SimpleNamespace(**{**message.__dict__, **changes})
    np.testing.assert_array_equal(points_from_cloud(wrong), points_from_cloud(message))


def test_last_row_may_end_without_its_padding():
    message = ros_messages.cloud(np.concatenate([POINTS, POINTS[:1]]))
    content = bytes(message.data)
    changes = {
        "height": 2,
        "width": 2,
        "row_step": 40,
        "data": np.frombuffer(content[:32] + bytes(8) + content[32:], np.uint8),
    }
    padded = SimpleNamespace(**{**message.__dict__, **changes})
    np.testing.assert_allclose(points_from_cloud(padded), np.concatenate([EXPECTED, EXPECTED[:1]]))


def test_organised_cloud_with_padded_rows_is_read_row_by_row():
    rows = [struct.pack("<8f", 1, 2, 3, 255, 4, 5, 6, 0) + b"padding!"]
    rows.append(struct.pack("<8f", 7, 8, 9, 51, 10, 11, 12, 0) + b"padding!")
    message = ros_messages.cloud(POINTS)
    organised = SimpleNamespace(
        **{
            **message.__dict__,
            "height": 2,
            "width": 2,
            "row_step": 40,
            "data": np.frombuffer(b"".join(rows), np.uint8),
        }
    )
    points = points_from_cloud(organised)
    np.testing.assert_allclose(points[:3], EXPECTED)
    np.testing.assert_allclose(points[3], [10, 11, 12, 0])


def test_missing_intensity_is_zero():
    points = points_from_cloud(ros_messages.cloud(POINTS[:, :3]))
    np.testing.assert_array_equal(points[:, 3], 0)


def test_points_that_are_not_finite_stay_in_place():
    broken = POINTS.copy()
    broken[1, 0] = np.nan
    points = points_from_cloud(ros_messages.cloud(broken))
    assert len(points) == 3
    np.testing.assert_array_equal(np.isnan(points[:, 0]), [False, True, False])


def test_empty_cloud_has_no_points():
    assert points_from_cloud(ros_messages.cloud(POINTS[:0])).shape == (0, 4)


def test_cloud_without_z_is_refused_with_its_fields():
    with pytest.raises(CloudError, match="has no z; its fields are x, y"):
        points_from_cloud(ros_messages.cloud(POINTS[:, :2]))


def test_a_field_at_two_places_is_refused():
    """PCL takes the first of them, a dictionary the last: nobody says which holds."""
    message = ros_messages.cloud(POINTS)
    twice = ros_messages.point_field("x", 4, ros_messages.FLOAT32)
    same = ros_messages.point_field("x", 0, ros_messages.FLOAT32)
    other = [ros_messages.point_field("pad", place, ros_messages.FLOAT32) for place in (0, 4)]
    with pytest.raises(CloudError, match="two fields x, at 0 and 4"):
        points_from_cloud(replace(message, fields=[*message.fields, twice]))
    message = replace(message, fields=[*message.fields, same, *other])
    np.testing.assert_allclose(points_from_cloud(message), EXPECTED)


def test_unknown_datatype_is_refused():
    fields = [ros_messages.point_field(n, 4 * i, 9 if n == "y" else 7) for i, n in enumerate("xyz")]
    with pytest.raises(CloudError, match="field y has the unknown datatype 9"):
        points_from_cloud(ros_messages.cloud(POINTS[:, :3], fields=fields))


def test_field_beyond_the_point_is_refused():
    fields = [ros_messages.point_field(name, 8 * i, 7) for i, name in enumerate("xyz")]
    with pytest.raises(CloudError, match="field z at offset 16 reaches beyond"):
        points_from_cloud(ros_messages.cloud(POINTS[:, :3], fields=fields))


def test_cloud_with_too_few_bytes_is_refused():
    message = ros_messages.cloud(POINTS)
    short = SimpleNamespace(**{**message.__dict__, "data": message.data[:-1]})
    with pytest.raises(CloudError, match="has 47 bytes, but row_step"):
        points_from_cloud(short)


def test_legend_lists_ids_names_and_colours():
    vocabulary = make_vocabulary(["car", "tree"], torch.eye(2))
    legend = json.loads(legend_json(vocabulary, version=3))
    assert legend["version"] == 3
    assert [entry["id"] for entry in legend["classes"]] == [0, 1]
    assert legend["classes"][0] == {"id": 0, "name": "car", "prompt": "car", "rgb": [0, 150, 245]}


def test_jpeg_is_decoded_to_rgb():
    image = image_from_message(ros_messages.compressed_image(ros_messages.jpeg((255, 0, 0))))
    assert image.shape == (8, 16, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(image.mean(axis=(0, 1)), [255, 0, 0], atol=4)


@pytest.mark.parametrize(
    ("encoding", "pixel", "expected"),
    [
        ("rgb8", [1, 2, 3], [1, 2, 3]),
        ("bgr8", [1, 2, 3], [3, 2, 1]),
        ("rgba8", [1, 2, 3, 4], [1, 2, 3]),
        ("bgra8", [1, 2, 3, 4], [3, 2, 1]),
        ("mono8", [7], [7, 7, 7]),
    ],
)
def test_raw_image_with_padded_rows_is_decoded(encoding, pixel, expected):
    row = pixel * 2 + [99]
    message = SimpleNamespace(
        encoding=encoding, width=2, height=3, step=len(row), data=np.array(row * 3, np.uint8)
    )
    image = image_from_message(message)
    assert image.shape == (3, 2, 3)
    np.testing.assert_array_equal(image[2, 1], expected)


@pytest.mark.parametrize(
    ("encoding", "reason"),
    [
        ("16UC1", "is depth, thermal or labels"),
        ("32FC1", "is depth, thermal or labels"),
        ("32SC1", "is depth, thermal or labels"),
        ("64FC1", "is depth, thermal or labels"),
        ("16UC3", "more than 8 bits per channel"),
        ("mono16", "16 bits per channel, whose full scale nobody names"),
        ("rgb16", "16 bits per channel, whose full scale nobody names"),
        ("bgra16", "16 bits per channel, whose full scale nobody names"),
        ("bayer_grbg16", "16 bits per channel"),
        ("bayer_rgbw8", "not converted to colors yet; image_proc"),
        ("yuv420", "not converted to colors yet"),
        ("nv24", "not converted to colors yet"),
        ("8UC1", "does not name its colors"),
        ("8UC3", "does not name its colors"),
        ("my_own", "; known are rgb8"),
        ("", "; known are rgb8"),
    ],
)
def test_an_image_that_is_no_color_picture_is_refused_by_name(encoding, reason):
    message = SimpleNamespace(encoding=encoding, width=1, height=1, step=8, data=bytes(8))
    with pytest.raises(ImageError, match=f"'{encoding}'.*{reason}"):
        image_from_message(message)


def a_png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("16UC1; compressedDepth png", "depth, not a color picture"),
        ("32FC1; compressedDepth rvl", "depth, not a color picture"),
        ("16UC1; png compressed ", "is depth, thermal or labels"),
        ("16UC1; jpeg compressed mono8", "is depth, thermal or labels"),
        ("32SC1; png compressed ", "is depth, thermal or labels"),
        ("mono16; jpeg compressed mono8", "16 bits per channel"),
        ("bayer_rggb8; png compressed ", "not converted to colors yet"),
        ("8UC3; jpeg compressed 8UC3", "does not name its colors"),
    ],
)
def test_a_compressed_image_is_what_its_format_says_was_compressed(kind, reason):
    gray = a_png(np.zeros((8, 16), np.uint8))
    with pytest.raises(ImageError, match=reason):
        image_from_message(ros_messages.compressed_image(gray, kind=kind))


@pytest.mark.parametrize(
    "kind", ["mono16; png compressed ", "png", "mono8; png compressed mono8", ""]
)
def test_gray_of_16_bits_loses_nothing_silently(kind):
    """Values beyond 255 came out as 255, which is 98 % of them."""
    thermal = a_png(np.linspace(0, 65535, 128).astype(np.uint16).reshape(8, 16))
    with pytest.raises(ImageError, match="16 bits per channel"):
        image_from_message(ros_messages.compressed_image(thermal, kind=kind))


@pytest.mark.parametrize(
    "kind",
    [
        "jpeg", "rgb8; jpeg compressed bgr8", "bayer_rggb8; jpeg compressed bgr8",
        "yuv422; jpeg compressed bgr8", "mono8; jpeg compressed mono8", "image/jpeg", "",
    ],
)  # fmt: skip
def test_a_picture_is_read_whatever_it_was_made_of(kind):
    message = ros_messages.compressed_image(ros_messages.jpeg((255, 0, 0)), kind=kind)
    np.testing.assert_allclose(image_from_message(message).mean(axis=(0, 1)), [255, 0, 0], atol=4)


def test_a_picture_of_too_many_pixels_is_refused_by_its_header():
    header = struct.pack(">IIBBBBB", 13_300, 13_300, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    png = b"\x89PNG\r\n\x1a\n"
    for kind, content in chunks:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        png += struct.pack(">I", len(content)) + kind + content + checksum
    message = SimpleNamespace(format="png", data=np.frombuffer(png, np.uint8))
    with pytest.raises(ImageError, match="13300 x 13300 pixels, at most 40000000"):
        image_from_message(message)


def test_damaged_jpeg_is_refused():
    content = ros_messages.jpeg()
    with pytest.raises(ImageError, match=r"no readable picture|no JPEG"):
        image_from_message(ros_messages.compressed_image(content[: len(content) // 2]))
    with pytest.raises(ImageError, match="is no JPEG or PNG"):
        image_from_message(ros_messages.compressed_image(b"not an image"))


def test_transform_is_parent_from_child():
    message = ros_messages.transforms((5, "map", "base_link", (1, 2, 3))).transforms[0]
    np.testing.assert_allclose(matrix_from_transform(message.transform)[:3, 3], [1, 2, 3])
    assert stamp_ns(message.header) == 5


def test_zero_quaternion_is_refused():
    message = ros_messages.transforms((5, "map", "base_link", (1, 2, 3))).transforms[0]
    rotation = SimpleNamespace(w=0.0, x=0.0, y=0.0, z=0.0)
    broken = SimpleNamespace(translation=message.transform.translation, rotation=rotation)
    with pytest.raises(ValueError, match="quaternion"):
        matrix_from_transform(broken)
