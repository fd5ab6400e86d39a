from types import SimpleNamespace

import numpy as np
import pytest

from clip2scene_ros.messages.decode import ImageError, image_from_message

BAYER = {
    "bayer_rggb8": "RGGB", "bayer_bggr8": "BGGR", "bayer_gbrg8": "GBRG", "bayer_grbg8": "GRBG",
}  # fmt: skip


def message(encoding: str, rows: np.ndarray, width: int, padding: int = 3) -> SimpleNamespace:
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=77)
    return SimpleNamespace(
        encoding=encoding,
        width=width,
        height=len(rows),
        step=padded.shape[1],
        data=padded.tobytes(),
    )


def mirrored(index: int, size: int) -> int:
    return -index if index < 0 else 2 * (size - 1) - index if index >= size else index


@pytest.mark.parametrize("encoding", BAYER)
def test_bayer_is_the_mean_of_the_nearest_pixels_of_each_color(encoding):
    mosaic = np.random.default_rng(0).integers(0, 256, (6, 8)).astype(np.uint8)
    pattern = BAYER[encoding]
    image = image_from_message(message(encoding, mosaic, 8))
    assert image.shape == (6, 8, 3)
    for row, column in np.ndindex(6, 8):
        near: dict[str, dict[int, list[int]]] = {}
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                color = pattern[2 * ((row + down) % 2) + (column + right) % 2]
                value = int(mosaic[mirrored(row + down, 6), mirrored(column + right, 8)])
                distance = abs(down) + abs(right)
                near.setdefault(color, {}).setdefault(distance, []).append(value)
        for channel, color in enumerate("RGB"):
            nearest = near[color][min(near[color])]
            mean = sum(nearest) / len(nearest)
            assert abs(int(image[row, column, channel]) - mean) <= 0.5


def clipped(value: float) -> float:
    return min(max(value, 0.0), 255.0)


@pytest.mark.parametrize(
    ("encoding", "order"),
    [("yuyv", "YUZV"), ("yuv422_yuy2", "YUZV"), ("uyvy", "UYVZ"), ("yuv422", "UYVZ")],
)
def test_yuv_is_converted_pixel_by_pixel(encoding, order):
    rows = np.random.default_rng(1).integers(0, 256, (3, 12)).astype(np.uint8)
    image = image_from_message(message(encoding, rows, 6))
    assert image.shape == (3, 6, 3)
    for row, pair in np.ndindex(3, 3):
        four = dict(zip(order, rows[row, 4 * pair : 4 * pair + 4].astype(float), strict=True))
        for pixel, name in enumerate("YZ"):
            y, u, v = 1.164383 * (four[name] - 16), four["U"] - 128, four["V"] - 128
            expected = [y + 1.596027 * v, y - 0.391762 * u - 0.812968 * v, y + 2.017232 * u]
            found = image[row, 2 * pair + pixel].astype(float)
            np.testing.assert_allclose(found, [clipped(one) for one in expected], atol=0.51)


def message_nv(encoding: str, rows: np.ndarray, padding: int = 3) -> SimpleNamespace:
    sent = message(encoding, rows, rows.shape[1], padding)
    sent.height = len(rows) * 2 // 3
    return sent


@pytest.mark.parametrize(("encoding", "u"), [("nv12", 0), ("nv21", 1)])
def test_four_pixels_share_their_color_below_the_rows_of_y(encoding, u):
    rows = np.random.default_rng(2).integers(0, 256, (6, 6)).astype(np.uint8)
    image = image_from_message(message_nv(encoding, rows))
    assert image.shape == (4, 6, 3)
    for row, column in np.ndindex(4, 6):
        pair = rows[4 + row // 2, column // 2 * 2 : column // 2 * 2 + 2].astype(float) - 128
        y, of_u, of_v = 1.164383 * (float(rows[row, column]) - 16), pair[u], pair[1 - u]
        expected = [y + 1.596027 * of_v, y - 0.391762 * of_u - 0.812968 * of_v, y + 2.017232 * of_u]
        found = image[row, column].astype(float)
        np.testing.assert_allclose(found, [clipped(one) for one in expected], atol=0.51)


@pytest.mark.parametrize(("shape", "width"), [((6, 5), 5), ((4, 6), 6)])
def test_nv_of_odd_sides_or_without_its_colors_is_refused(shape, width):
    rows = np.zeros(shape, np.uint8)
    sent = message_nv("nv12", rows)
    if width % 2 == 0:
        sent.height = len(rows)  # as if there were rows of Y alone
    reason = "come in pairs" if width % 2 else r"36 bytes, but step \* height \* 3 / 2 = 9 \* 4"
    with pytest.raises(ImageError, match=reason):
        image_from_message(sent)


@pytest.mark.parametrize(
    ("encoding", "color", "expected"),
    [("yuyv", (16, 128, 128), 0), ("yuyv", (235, 128, 128), 255), ("uyvy", (126, 128, 128), 128)],
)
def test_gray_stays_gray(encoding, color, expected):
    y, u, v = color
    four = [y, u, y, v] if encoding == "yuyv" else [u, y, v, y]
    image = image_from_message(message(encoding, np.array([four], np.uint8), 2))
    assert (image == expected).all()


@pytest.mark.parametrize(
    ("encoding", "shape", "width"), [("bayer_rggb8", (3, 4), 4), ("yuyv", (2, 6), 3)]
)
def test_halves_of_pairs_are_refused(encoding, shape, width):
    with pytest.raises(ImageError, match="come in pairs"):
        image_from_message(message(encoding, np.zeros(shape, np.uint8), width))


def test_too_few_bytes_are_refused():
    short = message("yuyv", np.zeros((2, 8), np.uint8), 8, padding=0)
    with pytest.raises(ImageError, match="image of 8 x 2 yuyv has 16 bytes"):
        image_from_message(short)
