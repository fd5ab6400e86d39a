"""Charts of an evaluation: bars, confusion matrix, reliability diagram."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clip2scene_core.evaluation import Calibration, ConfusionMatrix
from clip2scene_core.visualization.clouds import (
    BACKGROUND,
    FOREGROUND,
    MARGIN_PX,
    label_font,
)

_SERIES = ((90, 160, 250), (250, 160, 60), (100, 200, 110), (190, 130, 230), (230, 90, 110))
_GRID = (64, 68, 78)
_LINE_PX = 18
_BAR_PX = 10
_AXIS_PX = 400
_CELL_PX = 40
_DIAGRAM_PX = 260


def draw_bars(
    title: str,
    rows: Sequence[str],
    series: Mapping[str, Sequence[float | None]],
    spreads: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Image.Image:
    """Draw shares as horizontal bars, with a group for each row and a colour for each series.

    Args:
        title: Title of the chart.
        rows: R names of rows.
        series: R shares in [0, 1] by name of the series. NaN is drawn as "absent"; None leaves the
            place empty.
        spreads: R half-lengths of an error bar by name of the series; NaN means no error bar.

    Returns:
        RGB picture.
    """
    names_px = _widest(rows)
    left = MARGIN_PX + names_px + MARGIN_PX
    group_px = max(_LINE_PX, _BAR_PX * len(series)) + MARGIN_PX // 2
    top = MARGIN_PX + 2 * _LINE_PX
    width = left + max(_AXIS_PX + 70, sum(map(_key_px, series)))
    size = (width, top + group_px * len(rows) + _LINE_PX + MARGIN_PX)
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN_PX, MARGIN_PX), title, fill=FOREGROUND, font=label_font())
    _draw_keys(draw, (left, MARGIN_PX + _LINE_PX), list(series))
    bottom = top + group_px * len(rows)
    for tenths in range(0, 11, 2):
        x = left + _AXIS_PX * tenths // 10
        draw.line([(x, top), (x, bottom)], fill=_GRID)
        draw.text((x - 6, bottom + 2), f"{10 * tenths}", fill=FOREGROUND, font=label_font(11))
    for row, name in enumerate(rows):
        y = top + row * group_px
        draw.text((MARGIN_PX, y), name, fill=FOREGROUND, font=label_font())
        for number, (key, values) in enumerate(series.items()):
            bar_top, share = y + number * _BAR_PX, values[row]
            if share is None:
                continue
            end = left if np.isnan(share) else left + round(_AXIS_PX * share)
            color = _SERIES[number % len(_SERIES)]
            draw.rectangle([left, bar_top + 1, end, bar_top + _BAR_PX - 2], fill=color)
            spread = spreads[key][row] if key in spreads else np.nan
            reach = 0 if np.isnan(spread) else round(_AXIS_PX * spread)
            if reach:
                middle = bar_top + _BAR_PX // 2 - 1
                draw.line([(end - reach, middle), (end + reach, middle)], fill=FOREGROUND)
            shown = "absent" if np.isnan(share) else f"{100 * share:.1f}"
            draw.text((end + reach + 5, bar_top - 2), shown, fill=FOREGROUND, font=label_font(10))
    return picture


def draw_confusion(
    title: str, confusion: ConfusionMatrix, class_names: Sequence[str]
) -> Image.Image:
    """Draw a confusion matrix in percent of the points of each true class.

    Args:
        title: Title of the chart.
        confusion: Confusion matrix of C classes.
        class_names: C names.

    Returns:
        RGB picture; a row for each true class, a column for each predicted class and one for "no
        label".
    """
    names_px = _widest(class_names)
    left, top = names_px + 2 * MARGIN_PX, names_px + 2 * MARGIN_PX + _LINE_PX
    columns = [*class_names, "no label"]
    size = (
        left + _CELL_PX * len(columns) + MARGIN_PX,
        top + _CELL_PX * len(class_names) + MARGIN_PX,
    )
    picture = Image.new("RGB", size, BACKGROUND)
    draw = ImageDraw.Draw(picture)
    draw.text((MARGIN_PX, MARGIN_PX), title, fill=FOREGROUND, font=label_font())
    for column, name in enumerate(columns):
        upright = _draw_upright(name, names_px)
        picture.paste(upright, (left + column * _CELL_PX + 12, top - names_px - 4))
    totals = np.maximum(confusion.points_per_class, 1)[:, None]
    shares: NDArray[np.float64] = confusion.counts / totals
    for row, name in enumerate(class_names):
        y = top + row * _CELL_PX
        draw.text((MARGIN_PX, y + 12), name, fill=FOREGROUND, font=label_font())
        for column in range(len(columns)):
            x, share = left + column * _CELL_PX, float(shares[row, column])
            box = [x, y, x + _CELL_PX - 2, y + _CELL_PX - 2]
            draw.rectangle(box, fill=_shade(share, _SERIES[2 if row == column else 1]))
            if share >= 0.005:
                draw.text((x + 8, y + 12), f"{100 * share:.0f}", fill=FOREGROUND, font=label_font())
    return picture


def draw_reliability(title: str, calibration: Calibration) -> Image.Image:
    """Draw the accuracy of points by their score; calibrated scores are on the diagonal.

    Args:
        title: Title of the chart.
        calibration: Calibration of the points.

    Returns:
        RGB picture. Wide bars are accuracies, thin bars are shares of the points.
    """
    error = calibration.expected_error()
    picture = Image.new("RGB", (_DIAGRAM_PX + 60, _DIAGRAM_PX + 100), BACKGROUND)
    draw = ImageDraw.Draw(picture)
    note = "no scores" if np.isnan(error) else f"expected calibration error {100 * error:.1f} %"
    draw.text((MARGIN_PX, MARGIN_PX), f"{title}: {note}", fill=FOREGROUND, font=label_font())
    left, top = 40, 2 * MARGIN_PX + _LINE_PX
    bottom = top + _DIAGRAM_PX
    edges = left + calibration.edges * _DIAGRAM_PX
    shares = calibration.num_points / max(1, calibration.num_points.sum())
    for number, (accuracy, share) in enumerate(zip(calibration.accuracy, shares, strict=True)):
        if np.isnan(accuracy):
            continue
        right = edges[number + 1] - 2
        draw.rectangle(
            [edges[number], bottom - accuracy * _DIAGRAM_PX, right, bottom], fill=_SERIES[0]
        )
        center = (edges[number] + right) / 2
        draw.rectangle(
            [center - 2, bottom - share * _DIAGRAM_PX, center + 2, bottom], fill=_SERIES[1]
        )
    draw.line([(left, bottom), (left + _DIAGRAM_PX, top)], fill=FOREGROUND)
    draw.rectangle([left, top, left + _DIAGRAM_PX, bottom], outline=_GRID)
    for tenths in range(0, 11, 5):
        step = _DIAGRAM_PX * tenths // 10
        share_text = f"{10 * tenths}"
        draw.text((left + step - 8, bottom + 4), share_text, fill=FOREGROUND, font=label_font(11))
        draw.text((MARGIN_PX, bottom - step - 6), share_text, fill=FOREGROUND, font=label_font(11))
    names = ("accuracy", "share of points")
    _draw_keys(draw, (left, bottom + 24), names)
    draw.text((left, bottom + 42), "across: score [%]", fill=FOREGROUND, font=label_font())
    return picture


def _draw_keys(draw: ImageDraw.ImageDraw, start: tuple[int, int], names: Sequence[str]) -> None:
    """Draw the names of the series beside their colours, in a row."""
    x, y = start
    for number, name in enumerate(names):
        draw.rectangle([x, y + 3, x + 10, y + 13], fill=_SERIES[number % len(_SERIES)])
        draw.text((x + 15, y), name, fill=FOREGROUND, font=label_font())
        x += _key_px(name)


def _key_px(name: str) -> int:
    """Width of one name in a row of series, with its colour and the gap after it."""
    return 30 + round(label_font().getlength(name))


def _draw_upright(text: str, length_px: int) -> Image.Image:
    """Draw a string that reads from bottom to top."""
    flat = Image.new("RGB", (length_px, _LINE_PX), BACKGROUND)
    ImageDraw.Draw(flat).text((0, 0), text, fill=FOREGROUND, font=label_font())
    return flat.transpose(Image.Transpose.ROTATE_90)


def _shade(share: float, color: tuple[int, int, int]) -> tuple[int, int, int]:
    """Mix the background with a colour; a small share is still visible."""
    weight = 0.8 * share**0.5
    red, green, blue = (
        round((1 - weight) * dark + weight * bright)
        for dark, bright in zip(BACKGROUND, color, strict=True)
    )
    return red, green, blue


def _widest(names: Sequence[str]) -> int:
    return max(round(label_font().getlength(name)) for name in names) + 1
