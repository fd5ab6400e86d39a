from __future__ import annotations

import numpy as np
import pytest

from clip2scene_core.geometry.se3 import matrix_from_quaternion
from clip2scene_ros.sync.extrinsics import (
    ExtrinsicsError,
    StaticTransform,
    load_extrinsics,
    save_extrinsics,
)


def test_saved_extrinsics_are_read_back(tmp_path):
    T_base_lidar = matrix_from_quaternion((0.5, -0.5, 0.5, 0.5), (0.9, 0.0, 1.8))
    path = tmp_path / "extrinsics.yaml"
    save_extrinsics(path, [StaticTransform("base_link", "lidar_top", T_base_lidar)])
    (transform,) = load_extrinsics(path)
    assert (transform.parent, transform.child) == ("base_link", "lidar_top")
    np.testing.assert_allclose(transform.T_parent_child, T_base_lidar, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("transforms: {", "not valid YAML"),
        ("cameras: []", "one key 'transforms'"),
        ("transforms: []", "one key 'transforms'"),
        ("transforms: [{parent: a, child: b}]", "transform 0 must have exactly parent, child"),
        (
            "transforms: [{parent: a, child: b, translation: [1], rotation_xyzw: [0, 0, 0, 1]}]",
            "translation of 3 numbers",
        ),
        (
            "transforms: [{parent: a, child: b, translation: [1, 2, 3], rotation_xyzw: "
            "[0, 0, 0, 0]}]",
            "quaternion of 4",
        ),
    ],
)
def test_unusable_file_is_refused(tmp_path, text, reason):
    path = tmp_path / "extrinsics.yaml"
    path.write_text(text)
    with pytest.raises(ExtrinsicsError, match=reason):
        load_extrinsics(path)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(ExtrinsicsError, match="cannot be read"):
        load_extrinsics(tmp_path / "none.yaml")
