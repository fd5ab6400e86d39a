"""The contact sheet shows what the world is made of."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.labels import NUSCENES_CLASSES
from clip2scene_core.world.dataset.options import WorldOptions
from clip2scene_core.world.dataset.sheet import SKY_COLOR, draw_sheet

COLORS = {one.name: one.color for one in NUSCENES_CLASSES}


@pytest.fixture(scope="module")
def sheet() -> np.ndarray:
    return draw_sheet(WorldOptions(2, seed=3, seconds=0.5, lidar_columns=120))


def count(picture: np.ndarray, color: tuple[int, int, int]) -> int:
    return int((picture == color).all(axis=-1).sum())


def test_each_scene_adds_a_row(sheet):
    one = draw_sheet(WorldOptions(1, seed=3, seconds=0.5, lidar_columns=120))
    assert sheet.dtype == np.uint8
    assert sheet.shape[1:] == one.shape[1:]
    assert sheet.shape[0] > 1.8 * one.shape[0]
    rows = one.shape[0] // 2
    np.testing.assert_array_equal(sheet[:rows], one[:rows])


def test_classes_are_shown_in_their_colours(sheet):
    for name in ("driveable surface", "vegetation", "manmade", "car"):
        assert count(sheet, COLORS[name]) > 500, name
    assert count(sheet, SKY_COLOR) > 500


def test_the_sweep_from_above_has_road_around_the_vehicle(sheet):
    top = sheet[20:280, -270:]
    near = top[110:160, 100:170]
    assert count(near, COLORS["driveable surface"]) > 100
    assert count(top, COLORS["manmade"]) + count(top, COLORS["vegetation"]) > 50
