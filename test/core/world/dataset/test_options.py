from __future__ import annotations

import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.dataset.writer import WorldOptions


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_scenes": 0}, "num_scenes"),
        ({"seed": 10_000}, "seed"),
        ({"seconds": 0.2}, "seconds"),
        ({"image_size": (8, 400)}, "image_size"),
        ({"terrain": "hilly"}, "terrain is one of"),
        ({"places": "park"}, "places one of"),
    ],
)
def test_options_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WorldOptions(**{"num_scenes": 1, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"camera_offset_ms": 5000.0}, "camera_offset_ms must lie within"),
        ({"camera_offset_ms": float("nan")}, "camera_offset_ms"),
        ({"calibration_error_deg": -1.0}, "calibration errors"),
        ({"calibration_error_m": 9.0}, "calibration errors"),
    ],
)
def test_impossible_errors_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        WorldOptions(1, **changes)
