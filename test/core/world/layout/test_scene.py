from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip(
    "numba", reason='the world needs numba: pip install -c constraints.txt ".[train]"'
)

from clip2scene_core.world.layout.build import build_scene
from clip2scene_core.world.layout.scene import ego_pose


def test_ego_vehicle_moves_at_its_speed_and_stays_upright():
    scene = build_scene(1, 2, 4.0)
    before, after = ego_pose(scene, 1.0), ego_pose(scene, 1.5)
    speed = np.linalg.norm(after[:3, 3] - before[:3, 3]) / 0.5
    assert speed == pytest.approx(scene.ego_speed, abs=0.4)
    np.testing.assert_allclose(after[2], [0, 0, 1, 0], atol=1e-12)
