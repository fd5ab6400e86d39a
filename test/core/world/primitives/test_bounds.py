from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from world_builders import primitives_from

from clip2scene_core.world.primitives.bounds import grid_bounds
from clip2scene_core.world.primitives.parts import PLAIN, box


def test_box_bounds_on_the_image_hold_its_projection():
    primitives = primitives_from([box((10, 0, 0), (2, 2, 2), PLAIN, (1, 1, 1))])
    rays = np.zeros((6, 3))
    # Camera at the origin looking along +x, focal length 100 px, centre (50, 50).
    rays[3] = 1.0, 0.5, 0.5
    rays[4] = 0.0, 0.0, -0.01
    rays[5] = 0.0, -0.01, 0.0
    bounds, depth = grid_bounds(primitives, rays, 101, 101)
    # The near face is 9 m away: +-1 m is +-11.1 px.
    first_row, end_row, first_column, end_column = bounds[0]
    assert 36 <= first_row <= 38
    assert 62 <= end_row <= 64
    assert 36 <= first_column <= 38
    assert 62 <= end_column <= 64
    assert depth[0] <= 9.0
